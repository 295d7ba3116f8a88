"""The few columns that window features need, in compact form: time, payer, payee, amount, label.

About 25 bytes a row, so that the keys of ten million payments fit in a quarter of a gigabyte while their features
are computed chunk by chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.errors import DataError
from fraud_model.schema import TransactionSchema
from fraud_model.windows import MISSING_CENTS, group_by_entity

Array = np.ndarray[Any, np.dtype[Any]]

LARGEST_AMOUNT = 1e12
"""In currency units. Above it, exact sums in cents could overflow."""


@dataclass(frozen=True)
class Keys:
    """What the window kernel reads, one value a row.

    Attributes:
        times: Seconds since 1970, UTC, int64.
        payers: Payer codes, int32 in [0, payer_count).
        payees: Payee codes, int32 in [0, payee_count).
        payer_count: Number of payer codes.
        payee_count: Number of payee codes.
        cents: Amounts in hundredths of the currency unit, int64.
        labels: 1 fraud, 0 legitimate, -1 unknown, int8.
    """

    times: Array
    payers: Array
    payees: Array
    payer_count: int
    payee_count: int
    cents: Array
    labels: Array

    def __len__(self) -> int:
        return int(self.times.size)


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
    payers, payer_count = codes_of([_column(frame, schema.payer, schema) for frame in frames])
    payees, payee_count = codes_of([_column(frame, schema.payee, schema) for frame in frames])
    return Keys(
        times=_joined([schema.times(frame) for frame in frames]),
        payers=payers,
        payees=payees,
        payer_count=payer_count,
        payee_count=payee_count,
        cents=_joined([cents_of(frame, schema) for frame in frames]),
        labels=_joined([labels_of(frame, schema) for frame in frames]),
    )


def time_order(times: Array) -> Array:
    """Row numbers in time order, int32; empty where the rows are in order already."""
    if times.size < 2 or bool(np.all(times[1:] >= times[:-1])):
        return np.empty(0, np.int32)
    return np.argsort(times, kind="stable").astype(np.int32)


def group(codes: Array, count: int, by_time: Array) -> Grouped:
    """Rows sorted by (entity, time)."""
    order, starts = group_by_entity(codes, by_time, count)
    return Grouped(order, starts)


def codes_of(columns: Sequence["pd.Series[Any]"]) -> tuple[Array, int]:
    """Entity codes over several columns at once, shape (rows,), int32, and their number.

    A missing id gets a code of its own in every row: an unknown account has no history.
    """
    kinds = {_kind(column) for column in columns if len(column)}
    if len(kinds) > 1:  # numbers here and text there: the text is what both can be
        columns = [_as_text(column) for column in columns]
    column = columns[0] if len(columns) == 1 else pd.concat(columns, ignore_index=True)
    if _kind(column) == "integer" and len(column) and not column.hasnans:
        values = column.to_numpy()
        low, high = int(values.min()), int(values.max())
        if high - low < max(4 * len(values), 1024):
            return (values - low).astype(np.int32), high - low + 1
    codes, unique = pd.factorize(column, use_na_sentinel=True)
    count = len(unique)
    missing = np.flatnonzero(codes < 0)
    if missing.size:
        codes[missing] = count + np.arange(missing.size)
    return codes.astype(np.int32, copy=False), count + int(missing.size)


def cents_of(frame: pd.DataFrame, schema: TransactionSchema) -> Array:
    """Amounts in whole cents, shape (rows,), int64; MISSING_CENTS where there is none.

    Raises:
        DataError: an amount is not a number, or is beyond what exact sums can hold; names the first such row.
    """
    column = _column(frame, schema.amount, schema)
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    missing = np.isnan(values)
    if missing.any():
        unreadable = missing & column.notna().to_numpy()
        if unreadable.any():
            row = int(np.flatnonzero(unreadable)[0])
            raise DataError(
                f"column {schema.amount}, row {row + 1}: {str(column.iloc[row])[:40]!r} is not a number; "
                "write amounts such as 1234.56"
            )
        values = np.where(missing, 0.0, values)
    if values.size and float(np.abs(values).max()) > LARGEST_AMOUNT:
        row = int(np.argmax(np.abs(values)))
        raise DataError(
            f"column {schema.amount}, row {row + 1}: {values[row]:g} is beyond {LARGEST_AMOUNT:g}; correct the amount"
        )
    cents = np.rint(values * 100.0).astype(np.int64)
    if missing.any():
        cents[missing] = MISSING_CENTS
    return cents


def labels_of(frame: pd.DataFrame, schema: TransactionSchema) -> Array:
    """Labels, shape (rows,), int8: 1 fraud, 0 legitimate, -1 unknown."""
    labels = schema.labels(frame)
    return np.where(np.isnan(labels), -1.0, labels).astype(np.int8)


def _column(frame: pd.DataFrame, name: str, schema: TransactionSchema) -> "pd.Series[Any]":
    if name not in frame.columns:
        raise DataError(f"column {name} is missing (schema {schema.name}); the table has: {', '.join(frame.columns)}")
    return frame[name]


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


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
