"""Time-ordered split: train, wait one label delay, validate on what came last."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fraud_model.errors import DataError
from fraud_model.schema import DAY_SECONDS

Array = np.ndarray[Any, np.dtype[Any]]

VALIDATION_DAYS = 7
LEAST_TRAIN_DAYS = 7


@dataclass(frozen=True)
class Split:
    """Rows to train and to validate on.

    Attributes:
        train: Mask of the training rows, shape (rows,).
        validation: Mask of the validation rows, shape (rows,); all later than any training row.
        train_start: Start of training, seconds since 1970, UTC.
        train_end: End of training, exclusive.
        validation_start: Start of validation.
        validation_end: End of validation, exclusive.
        warnings: What had to be shortened, in plain words.
    """

    train: Array
    validation: Array
    train_start: int
    train_end: int
    validation_start: int
    validation_end: int
    warnings: tuple[str, ...]

    @property
    def validation_days(self) -> float:
        """Length of validation in days."""
        return (self.validation_end - self.validation_start) / DAY_SECONDS


def time_split(times: Array, labels: Array, delay_seconds: int, train_days: int | None = None) -> Split:
    """Split by time, shortened with a warning where the data are too short.

    Args:
        times: Seconds since 1970, UTC, shape (rows,).
        labels: 1.0 fraud, 0.0 legitimate, NaN unknown, shape (rows,).
        delay_seconds: Label delay: nothing between training and validation is that young.
        train_days: Days to train on; None for all there are.

    Raises:
        DataError: there is no split with fraud and legitimate payments on both sides.
    """
    known = ~np.isnan(labels)
    frauds = np.sort(times[known & (labels == 1)])
    legitimate = int((labels == 0).sum())
    if frauds.size < 2 or legitimate < 2:
        what = "fraud" if frauds.size < 2 else "legitimate payments"
        raise DataError(
            f"cannot train: {frauds.size} labelled fraud and {legitimate} labelled legitimate payments; "
            f"add a longer period, or check the label column for {what}"
        )
    warnings: list[str] = []
    start, end = int(times.min()), int(times.max()) + 1
    span = end - start
    wanted = (LEAST_TRAIN_DAYS + VALIDATION_DAYS) * DAY_SECONDS + delay_seconds
    validation_length, gap = VALIDATION_DAYS * DAY_SECONDS, delay_seconds
    if span < wanted:
        validation_length = span // 4
        gap = delay_seconds if span > 4 * delay_seconds else 0
        warnings.append(
            f"the labelled payments span {_length(span)}, less than the {_length(wanted)} wanted for training, label "
            f"delay and validation: validated on the last {_length(validation_length)}"
            + ("" if gap == delay_seconds else ", without waiting for the label delay, so figures are optimistic")
        )
    validation_start = end - validation_length
    if not _both_sides(frauds, validation_start - gap, validation_start):
        validation_start, gap = _boundary_by_fraud(frauds), 0
        warnings.append(
            f"fraud is so rare or so early that validation had to start at {_moment(validation_start)}, without "
            "waiting for the label delay: figures are rough"
        )
    train_end = validation_start - gap
    train_start = start if train_days is None else max(start, train_end - train_days * DAY_SECONDS)
    if train_days is not None and not _both_sides(frauds[frauds >= train_start], train_end, validation_start):
        raise DataError(
            f"no fraud in the {train_days} days of training that end at {_moment(train_end)}; train on more days"
        )
    if train_days is not None and train_end - train_days * DAY_SECONDS < start:
        warnings.append(f"{train_days} training days were asked for, there are {_length(train_end - start)}")
    return Split(
        train=known & (times >= train_start) & (times < train_end),
        validation=known & (times >= validation_start),
        train_start=train_start,
        train_end=train_end,
        validation_start=validation_start,
        validation_end=end,
        warnings=tuple(warnings),
    )


def _both_sides(frauds: Array, train_end: int, validation_start: int) -> bool:
    return bool(frauds.size and frauds[0] < train_end and frauds[-1] >= validation_start)


def _boundary_by_fraud(frauds: Array) -> int:
    """A boundary with about 70% of the fraud before it, and some after."""
    if frauds[0] == frauds[-1]:
        raise DataError(f"cannot train: all fraud happens at {_moment(int(frauds[0]))}; add a longer period")
    boundary = int(frauds[int(0.7 * (frauds.size - 1))])
    return boundary if boundary > frauds[0] else int(frauds[frauds > frauds[0]][0])


def _length(seconds: int) -> str:
    return f"{seconds / DAY_SECONDS:.0f} days" if seconds >= 2 * DAY_SECONDS else f"{seconds / 3600:.1f} hours"


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
