"""Progress of an index sync, reported to whoever asked for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step of a long task.

    Attributes:
        stage: What is being done, in words an analyst knows.
        done: Units finished (documents, passages).
        total: Units in all, or None where unknown.
        message: A detail worth showing beside the bar, such as the rate and the time left.
    """

    stage: str
    done: int
    total: int | None
    message: str = ""


ProgressCallback = Callable[[Progress], None]
