"""Progress of long work, reported to whoever asked for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One step of a long task.

    Attributes:
        stage: What is being done, in words an analyst knows.
        done: Units finished (rows, folds, files).
        total: Units in all, or None where unknown.
        message: A detail worth showing beside the bar.
    """

    stage: str
    done: int
    total: int | None
    message: str = ""


ProgressCallback = Callable[[Progress], None]
