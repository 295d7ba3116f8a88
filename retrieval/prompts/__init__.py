"""The prompt of the assistant: two files here, which a version in MLflow's prompt registry may replace.

The user message has the fields {question} and {evidence} and no other; the system message has none.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from retrieval.errors import InputError
from retrieval.hostile import speaks_to_the_assistant
from retrieval.records import Hit
from retrieval.text import sentences

REFUSAL = "NOT IN THE DOCUMENTS"
"""What a chat model is told to say when the evidence does not answer."""

_FIELDS = {"question", "evidence"}


@dataclass(frozen=True)
class Prompt:
    """A system and a user message.

    Attributes:
        system: Without fields.
        user: With {question} and {evidence}.
        origin: `file`, or the registry's name and version, such as `fraud-desk-answer/3`.
    """

    system: str
    user: str
    origin: str = "file"

    def __post_init__(self) -> None:
        """Refuse a prompt that could not be filled in.

        Raises:
            InputError: If a field is missing or there is another one, or a message is empty.
        """
        if not self.system.strip():
            raise InputError(f"prompt template ({self.origin}): the system message is empty")
        fields = set(re.findall(r"{(\w*)}", self.user))
        if fields != _FIELDS:
            raise InputError(
                f"prompt template ({self.origin}): needs the fields {{question}} and {{evidence}}, has {sorted(fields)}"
            )

    @property
    def version(self) -> str:
        """Where it comes from and a short hash of its text: the key of caches and traces."""
        digest = hashlib.sha256("\0".join((self.system, self.user)).encode()).hexdigest()
        return f"{self.origin}@{digest[:12]}"

    def render(self, question: str, hits: Sequence[Hit]) -> list[BaseMessage]:
        """The messages for a chat model.

        Args:
            question: As asked, masked.
            hits: Passages, numbered from 1 in this order.
        """
        blocks = [f"[{number}] {_label(hit)}\n{_quoted(hit.text)}" for number, hit in enumerate(hits, start=1)]
        # One pass over the template, so that a brace or a field name inside a note is never filled in.
        values = {"{question}": question, "{evidence}": "\n\n".join(blocks)}
        content = re.sub(r"{(?:question|evidence)}", lambda match: values[match.group()], self.user)
        return [SystemMessage(self.system), HumanMessage(content)]


@cache
def default_prompt() -> Prompt:
    """The prompt in the files beside this module."""
    folder = Path(__file__).parent
    return Prompt(*((folder / name).read_text(encoding="utf-8").strip() for name in ("system.txt", "user.txt")))


def _label(hit: Hit) -> str:
    return " > ".join(part for part in (hit.title, hit.heading if hit.heading != hit.title else "") if part)


def _quoted(text: str) -> str:
    """The passage as a block quote, without sentences that speak to the assistant."""
    for span in reversed(sentences(text)):
        if speaks_to_the_assistant(text[span.start : span.end]):
            text = f"{text[: span.start]}[…]{text[span.end :]}"
    return "\n".join(f"> {line}" for line in text.splitlines())
