"""Answers kept for the same question over the same documents, by the same model and prompt, for the same eyes.

The index version is part of the key, so that whatever a sync changes, no older answer is found again.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from retrieval.filters import as_of_seconds

if TYPE_CHECKING:
    from retrieval.replies import Answer


@dataclass(frozen=True)
class AnswerKey:
    """Everything that an answer depends on.

    Attributes:
        question: Masked and without the orders in it.
        index_version: See `Index.version`.
        model: As set, such as `ollama:llama3.2`.
        prompt: See `Prompt.version`.
        access: Filter and collections, as JSON.
        as_of: UTC epoch seconds; None for now.
    """

    question: str
    index_version: str
    model: str
    prompt: str
    access: str
    as_of: float | None


def answer_key(
    question: str, index_version: str, model: str, prompt: str, where: Mapping[str, Any] | None, as_of: Any
) -> AnswerKey:
    """The key of a question; `where` holds the asker's collections too.

    Raises:
        InputError: If `as_of` is no time.
    """
    access = json.dumps(where, sort_keys=True, default=_plain, ensure_ascii=False) if where else ""
    return AnswerKey(question, index_version, model, prompt, access, as_of_seconds(as_of))


class AnswerCache:
    """The answers used last, at most so many. Safe to share between threads."""

    def __init__(self, size: int) -> None:
        """Prepare an empty cache.

        Args:
            size: Answers kept; 0 keeps none.
        """
        self.size = size
        self.hits = 0
        self.misses = 0
        self._answers: OrderedDict[AnswerKey, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: AnswerKey) -> "Answer | None":
        """The kept answer, or None."""
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self._answers.move_to_end(key)
            return found

    def put(self, key: AnswerKey, answer: "Answer") -> None:
        """Keep an answer; those of an older index version go first, then the one unused for longest."""
        if not self.size:
            return
        with self._lock:
            newest = next(reversed(self._answers), None)
            if newest is not None and newest.index_version != key.index_version:
                self._answers.clear()
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > self.size:
                self._answers.popitem(last=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return sorted(value, key=str) if isinstance(value, set | frozenset) else str(value)
