"""Prequential folds inside the training period: to choose a model without looking at the days it is judged on.

|-- train --|- delay -|- test 1 -|
|-- train -------------|- delay -|- test 2 -|
|-- train ------------------------|- delay -|- test 3 -|   end of the training period
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fraud_model.errors import DataError
from fraud_model.schema import DAY_SECONDS
from fraud_model.splits import Split

Array = np.ndarray[Any, np.dtype[Any]]

FOLDS = 3
TEST_DAYS = 7
_LEAST_FRAUDS = 5


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes:
        train: Rows to fit on, rising places, shape (rows,).
        test: Rows to judge on, all later by a label delay.
        test_start: Start of the test, seconds since 1970, UTC.
        test_end: End of the test, exclusive.
    """

    train: Array
    test: Array
    test_start: int
    test_end: int

    @property
    def days(self) -> float:
        """Length of the test in days."""
        return (self.test_end - self.test_start) / DAY_SECONDS


def inner_folds(
    times: Array, labels: Array, split: Split, delay_seconds: int, folds: int = FOLDS, test_days: float = TEST_DAYS
) -> list[Fold]:
    """Up to `folds` folds, the last of which ends where the training period does, in time order.

    Tests are shorter where the training period is; a fold with next to no fraud on either side is left out.

    Args:
        times: Seconds since 1970, UTC, shape (rows,).
        labels: 1.0 fraud, 0.0 legitimate, NaN unknown, shape (rows,).
        split: For the training period.
        delay_seconds: Label delay between training and test.
        folds: Most folds.
        test_days: Longest test.

    Raises:
        DataError: the training period is too short, or has too little fraud, for a single fold.
    """
    span = split.train_end - split.train_start
    # At least half of what is left after the delay is to train the first fold on.
    length = min(int(test_days * DAY_SECONDS), (span - delay_seconds) // (2 * folds))
    found = []
    for fold in range(folds if length > 0 else 0):
        start = split.train_end - (folds - fold) * length
        train = np.flatnonzero(split.train & (times < start - delay_seconds))
        test = np.flatnonzero(split.train & (times >= start) & (times < start + length))
        enough = (labels[rows].sum() >= _LEAST_FRAUDS and (labels[rows] == 0).any() for rows in (train, test))
        if all(enough):
            found.append(Fold(train, test, start, start + length))
    if not found:
        raise DataError(
            f"the training period of {span / DAY_SECONDS:.0f} days has no room for a fold with a label delay of "
            f"{delay_seconds / DAY_SECONDS:g} days and {_LEAST_FRAUDS} frauds on both sides: train on more days, or "
            "without comparison and search"
        )
    return found
