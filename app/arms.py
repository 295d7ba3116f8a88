"""Which configuration of the assistant answers a question: one, or two side by side for a measured share of questions.

    desk.arms.set("smaller passages", lambda: Answerer(other_index), share=0.2)

A conversation stays with the arm that it began with; each stored answer names its arm.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.lazy import Lazy
from retrieval import Answerer

DEFAULT = "default"


@dataclass(frozen=True)
class Arm:
    """One configuration: its name, and who answers in it."""

    name: str
    answerer: Answerer


class Arms:
    """The configurations in use. Safe to share between threads.

    Args:
        default: Gives the answerer that every desk has.
    """

    def __init__(self, default: Callable[[], Answerer]) -> None:
        self._default = default
        self._other: tuple[str, Lazy[Answerer], float] | None = None
        self._lock = threading.Lock()

    def set(self, name: str, make: Callable[[], Answerer], share: float) -> None:
        """Sends a share of the conversations to a second configuration.

        Args:
            name: Stored with each of its answers.
            make: Makes its answerer, at the first question that it gets.
            share: Of the conversations, in [0, 1].

        Raises:
            ValueError: the name is that of the default, or the share is out of range.
        """
        if not 0 <= share <= 1 or not name.strip() or name == DEFAULT:
            raise ValueError(f"arm {name!r} with share {share:g}: give a name of its own and a share from 0 to 1")
        with self._lock:
            self._other = (name, Lazy(make), share)

    def clear(self) -> None:
        """Back to one configuration."""
        with self._lock:
            self._other = None

    def choose(self, key: str) -> Arm:
        """The arm of a conversation, or of a question that belongs to none; the same key always gets the same arm."""
        with self._lock:
            other = self._other
        if other is not None:
            name, answerer, share = other
            place = int.from_bytes(hashlib.sha256(f"{name}\0{key}".encode()).digest()[:8], "big") / 2**64
            if place < share:
                return Arm(name, answerer.get())
        return Arm(DEFAULT, self._default())
