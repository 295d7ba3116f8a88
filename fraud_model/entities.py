"""The few columns that window features need: time, payer, payee, amount, label.

Where a table already holds them as plain numbers they are used in place; else they take at most 25 bytes a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.errors import DataError
from fraud_model.kernel.compiled import MISSING_CENTS
from fraud_model.kernel.places import group_by_entity
from fraud_model.schema import TransactionSchema
from fraud_model.values import LARGEST_AMOUNT

Array = np.ndarray[Any, np.dtype[Any]]

_TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_NO_TIME = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Codes:
    """Which entity each row belongs to.

    Attributes:
        values: Shape (rows,), any integers in [low, low + count).
        low: The least that may occur.
        count: Number of entities.
    """

    values: Array
    low: int
    count: int

    def of(self, rows: Array) -> Array:
        """The codes of some rows, int64."""
        return self.values[rows].astype(np.int64, copy=False)


@dataclass(frozen=True)
class Keys:
    """What the window features are made of, one value a row.

    Attributes:
        times: Time since 1970, UTC, shape (rows,), int64.
        ticks: How many of its units make a second.
        payers: Payer of each row.
        payees: Payee of each row.
        amounts: In currency units, shape (rows,), float64, NaN where there is none.
        labels: 1 fraud, 0 legitimate, -1 unknown, shape (rows,), int8.
    """

    times: Array
    ticks: int
    payers: Codes
    payees: Codes
    amounts: Array
    labels: Array

    def __len__(self) -> int:
        return int(self.times.size)

    def seconds(self, rows: Array) -> Array:
        """Times of some rows in whole seconds, int64."""
        times = self.times[rows]
        return times // self.ticks if self.ticks > 1 else times

    def amounts_and_cents(self, rows: Array) -> tuple[Array, Array]:
        """Amounts of some rows rounded to cents: in currency units, float64; in cents, int64, MISSING_CENTS for NaN."""
        amounts = np.rint(self.amounts[rows] * 100.0)
        missing = np.isnan(amounts)
        if missing.any():
            cents = np.where(missing, 0.0, amounts).astype(np.int64)
            cents[missing] = MISSING_CENTS
        else:
            cents = amounts.astype(np.int64)
        amounts /= 100.0
        return amounts, cents


@dataclass(frozen=True)
class Grouped:
    """Rows sorted by (entity, time): row numbers, and where each entity starts."""

    order: Array
    starts: Array


def read_keys(frames: Sequence[pd.DataFrame], schema: TransactionSchema) -> Keys:
    """The keys of several frames, one after the other.

    Args:
        frames: Transactions, for example history and then the rows to score.
        schema: Which column is what.

    Raises:
        DataError: a column is missing, or holds times, amounts or labels that cannot be read.
    """
    payers = codes_of([_column(frame, schema.payer, schema) for frame in frames])
    payees = codes_of([_column(frame, schema.payee, schema) for frame in frames])
    times, ticks = _times_of(frames, schema)
    return Keys(
        times=times,
        ticks=ticks,
        payers=payers,
        payees=payees,
        amounts=_joined([amounts_of(frame, schema) for frame in frames]),
        labels=_joined([labels_of(frame, schema) for frame in frames]),
    )


def time_order(times: Array) -> Array:
    """Row numbers in time order, int32; empty where the rows are in order already."""
    if times.size < 2 or bool(np.all(times[1:] >= times[:-1])):
        return np.empty(0, np.int32)
    return np.argsort(times, kind="stable").astype(np.int32)


def group(codes: Codes, by_time: Array) -> Grouped:
    """Rows sorted by (entity, time)."""
    return Grouped(*group_by_entity(codes.values, codes.low, by_time, codes.count))


def codes_of(columns: Sequence["pd.Series[Any]"]) -> Codes:
    """Which entity each row belongs to, over several columns at once.

    A missing id is an entity of its own in every row: an unknown account has no history.
    """
    columns = [column for column in columns if len(column)] or list(columns[:1])
    kinds = {_kind(column) for column in columns}
    if kinds == {"integer"} and not any(_has_gaps(column) for column in columns):
        values = _joined([column.to_numpy() for column in columns])
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        if high - low < max(4 * len(values), 1024) and high < 1 << 62:
            values = values if values.dtype.kind == "i" else values.astype(np.int64)
            return Codes(np.ascontiguousarray(values), low, high - low + 1)
    if len(kinds) > 1:  # numbers here and text there: the text is what both can be
        columns = [_as_text(column) for column in columns]
    column = columns[0] if len(columns) == 1 else pd.concat(columns, ignore_index=True)
    codes, unique = pd.factorize(column, use_na_sentinel=True)
    count = len(unique)
    missing = np.flatnonzero(codes < 0)
    if missing.size:
        codes[missing] = count + np.arange(missing.size)
    return Codes(codes.astype(np.int32, copy=False), 0, count + int(missing.size))


def amounts_of(frame: pd.DataFrame, schema: TransactionSchema) -> Array:
    """Amounts in currency units, shape (rows,), float64; NaN where there is none.

    Raises:
        DataError: an amount is not a number, or is beyond what exact sums can hold; names the first such row.
    """
    column = _column(frame, schema.amount, schema)
    values = np.ascontiguousarray(pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan))
    if not values.size:
        return values
    if np.isnan(values.sum()):
        unreadable = np.isnan(values) & column.notna().to_numpy()
        if unreadable.any():
            row = int(np.flatnonzero(unreadable)[0])
            raise DataError(
                f"column {schema.amount}, row {row + 1}: {str(column.iloc[row])[:40]!r} is not a number; "
                "write amounts such as 1234.56"
            )
    if max(float(np.fmax.reduce(values)), -float(np.fmin.reduce(values))) > LARGEST_AMOUNT:
        row = int(np.nanargmax(np.abs(values)))
        raise DataError(
            f"column {schema.amount}, row {row + 1}: {values[row]:g} is beyond {LARGEST_AMOUNT:g}; correct the amount"
        )
    return values


def labels_of(frame: pd.DataFrame, schema: TransactionSchema) -> Array:
    """Labels, shape (rows,), int8: 1 fraud, 0 legitimate, -1 unknown."""
    labels = schema.labels(frame)
    return np.where(np.isnan(labels), -1.0, labels).astype(np.int8)


def _times_of(frames: Sequence[pd.DataFrame], schema: TransactionSchema) -> tuple[Array, int]:
    """Times and how many of their units make a second; timestamps of a single frame are used in place."""
    parts = [_stamps(frame, schema) or (schema.times(frame), 1) for frame in frames]
    if len(parts) == 1:
        return parts[0]
    return _joined([times // ticks for times, ticks in parts]), 1


def _stamps(frame: pd.DataFrame, schema: TransactionSchema) -> tuple[Array, int] | None:
    """A column of timestamps as it lies in memory, and its ticks a second; None where it has to be read first."""
    if schema.step_seconds is not None:
        return None
    column = _column(frame, schema.time, schema)
    unit = _unit(column)
    if unit is None:
        return None
    times = np.ascontiguousarray(column.array.view("i8"))
    return (times, _TICKS[unit]) if not times.size or int(times.min()) != _NO_TIME else None


def _unit(column: "pd.Series[Any]") -> str | None:
    """s, ms, us or ns of a column of timestamps; None for anything else."""
    kind = column.dtype
    if isinstance(kind, pd.DatetimeTZDtype):
        return str(kind.unit)
    return np.datetime_data(kind)[0] if isinstance(kind, np.dtype) and kind.kind == "M" else None


def _column(frame: pd.DataFrame, name: str, schema: TransactionSchema) -> "pd.Series[Any]":
    if name not in frame.columns:
        raise DataError(f"column {name} is missing (schema {schema.name}); the table has: {', '.join(frame.columns)}")
    return frame[name]


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _has_gaps(column: "pd.Series[Any]") -> bool:
    return not isinstance(column.dtype, np.dtype) and column.hasnans  # plain integers have no room for a gap


def _kind(column: "pd.Series[Any]") -> str:
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return "text"
    return "integer" if pd.api.types.is_integer_dtype(column) else "number"


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    if _kind(column) == "number":  # 7.0 and "7" are one account
        whole = column.dropna()
        if bool((whole == whole.round()).all()):
            column = column.astype("Int64")
    return column.astype("string").astype(object)
