"""Window features over payers, payees and pairs: one computation for training, batches and single payments.

    from fraud_model import compute_features
    features = compute_features(transactions, "cards")          # one row per transaction, input order

Point in time: a feature sees only payments strictly before its own time; payments of the same second or step are not
history. Labels count from one label delay after their payment. Rows may come in any order.

Missing values, by column (`validate` tells the share of each, and flags more than 30%):

    time, transaction id    refused
    amount                  refused in files; in a table given here the payment gets features, but is no history
    payer, payee            an account of its own in every row: no history, and none for others
    category, number        stay missing (NaN), as does a category that the model does not know: the trees have a
                            branch for them
    label                   counts as neither fraud nor legitimate

An account never seen before has counts of 0 and no means, times or ratios (NaN).
"""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.definitions import (
    FEATURE_VERSION,
    PAYEE_PLACES,
    PAYER_PLACES,
    ROW_FEATURES,
    feature_fingerprint,
    feature_names,
)
from fraud_model.entities import Array, Grouped, Keys, group, read_keys, time_order
from fraud_model.errors import DataError
from fraud_model.schema import TransactionSchema, load_schema
from fraud_model.windows import Side, write_block

__all__ = [
    "FEATURE_VERSION",
    "Categories",
    "FeatureTable",
    "categories_in",
    "compute_features",
    "feature_fingerprint",
    "feature_names",
    "features_of_one",
]

Categories = Mapping[str, Sequence[str]]
"""The known values of each categorical column; a value's position is its code."""

_FEW_BLOCKS = 6  # with fewer, starting threads costs more than it saves


def compute_features(
    transactions: pd.DataFrame,
    schema: str | Path | TransactionSchema,
    history: pd.DataFrame | None = None,
    categories: Categories | None = None,
) -> pd.DataFrame:
    """Features of each transaction, in input order.

    Args:
        transactions: Transactions, in any order.
        schema: A schema, its built-in name, or the path of its TOML file.
        history: Earlier payments (and labels, where known) that count as history only; not the same rows again.
        categories: Known values of the categorical columns, as stored with a model. By default those of the schema,
            or else the sorted values found in `transactions`.

    Returns:
        Shape (rows, features), float32, columns `feature_names(schema)`, the index of `transactions`.

    Raises:
        DataError: a column is missing or cannot be read; names column and row.
    """
    schema = load_schema(schema)
    frames = [transactions] if history is None or history.empty else [history, transactions]
    table = FeatureTable(read_keys(frames, schema), schema)
    first = len(table) - len(transactions)
    if categories is None:
        categories = categories_in(transactions, schema)
    values = table.rows(first, len(table), row_columns(transactions, schema, categories))
    return pd.DataFrame(values, columns=list(feature_names(schema)), index=transactions.index, copy=False)


def categories_in(transactions: pd.DataFrame, schema: TransactionSchema) -> dict[str, tuple[str, ...]]:
    """The category table: the schema's values where it lists them, else the sorted values found."""
    found: dict[str, tuple[str, ...]] = {}
    for column in schema.categorical:
        if column in schema.categories:
            found[column] = tuple(schema.categories[column])
        else:
            values = _require(transactions, column, schema).dropna().unique()
            found[column] = tuple(sorted({str(value) for value in values}))
    return found


class FeatureTable:
    """Keys sorted once by payer and by payee, from which the features of any range of rows can be taken.

    Taking them chunk by chunk gives bit for bit what taking them at once gives.

    Args:
        keys: Of all the rows, history included.
        schema: Which column is what.
        payer_places: Features of payers, as places in `definitions.BLOCK`; by default those that models use.
        payee_places: Features of payees.
    """

    def __init__(
        self,
        keys: Keys,
        schema: TransactionSchema,
        payer_places: tuple[int, ...] | None = None,
        payee_places: tuple[int, ...] | None = None,
    ) -> None:
        self.keys = keys
        self.schema = schema
        of_payers = PAYER_PLACES if payer_places is None else payer_places
        of_payees = PAYEE_PLACES if payee_places is None else payee_places
        by_time = time_order(keys.times)
        payers, payees = group(keys.payers, by_time), group(keys.payees, by_time)
        column = len(ROW_FEATURES)
        self._width = column + len(of_payers) + len(of_payees)
        self._sides = (
            Side(payers, keys.payees, of_payers, column, with_row=True),
            Side(payees, keys.payers, of_payees, column + len(of_payers)),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, first: int, last: int, own_columns: Sequence[Array] = ()) -> Array:
        """Features of the rows in [first, last).

        Args:
            first: First row.
            last: One past the last row.
            own_columns: The categorical and numeric columns of these rows, each of shape (last - first,).

        Returns:
            Shape (last - first, features), float32, C order.
        """
        out = np.empty((last - first, self._width + len(own_columns)), np.float32)
        delay = self.schema.label_delay_seconds

        def write(task: tuple[Side, tuple[int, int]]) -> None:
            write_block(task[0], task[1], self.keys, delay, first, last, out)

        tasks = [(side, entities) for side in self._sides for entities in side.blocks()]
        if len(tasks) < _FEW_BLOCKS:
            for task in tasks:
                write(task)
        else:
            # Threads and not numba's own: its default pool aborts the process when two requests use it at once.
            with ThreadPoolExecutor(_cores()) as pool:
                deque(pool.map(write, tasks), maxlen=0)
        for offset, values in enumerate(own_columns):
            out[:, self._width + offset] = values
        return out


def features_of_one(by_payer: Keys, by_payee: Keys, schema: TransactionSchema, own_columns: Sequence[float]) -> Array:
    """Features of one payment from the earlier ones of its payer and of its payee: what `compute_features` gives.

    Args:
        by_payer: Keys of the payments of its payer that lie before it, in order of time, and then its own.
        by_payee: The same of its payee.
        schema: Which column is what.
        own_columns: Its categorical columns as codes, then the numeric ones.

    Returns:
        Shape (1, features), float32.
    """
    column = len(ROW_FEATURES)
    width = column + len(PAYER_PLACES) + len(PAYEE_PLACES)
    out = np.empty((1, width + len(own_columns)), np.float32)
    sides = (
        (by_payer, by_payer.payees, PAYER_PLACES, column, True),
        (by_payee, by_payee.payers, PAYEE_PLACES, column + len(PAYER_PLACES), False),
    )
    for keys, others, places, start, with_row in sides:
        own = len(keys) - 1
        grouped = Grouped(np.arange(len(keys), dtype=np.int32), np.array([0, len(keys)], np.int64))
        write_block(
            Side(grouped, others, places, start, with_row), (0, 1), keys, schema.label_delay_seconds, own, own + 1, out
        )
    out[0, width:] = own_columns
    return out


def row_columns(frame: pd.DataFrame, schema: TransactionSchema, categories: Categories) -> list[Array]:
    """Categorical columns as codes and numeric columns as they are, each of shape (rows,), missing as NaN."""
    columns: list[Array] = []
    for name in schema.categorical:
        known = [str(value) for value in categories.get(name, ())]
        values = _require(frame, name, schema)
        codes = pd.Categorical(values.astype("string").astype(object), categories=known).codes.astype(np.float32)
        columns.append(np.where(codes < 0, np.nan, codes))
    for name in schema.numeric:
        values = _require(frame, name, schema)
        numbers = pd.to_numeric(values, errors="coerce")
        unreadable = (numbers.isna() & values.notna()).to_numpy()
        if unreadable.any():
            row = int(np.flatnonzero(unreadable)[0])
            raise DataError(f"column {name}, row {row + 1}: {str(values.iloc[row])[:40]!r} is not a number")
        columns.append(numbers.to_numpy(np.float64))
    return columns


def _require(frame: pd.DataFrame, name: str, schema: TransactionSchema) -> "pd.Series[Any]":
    if name not in frame.columns:
        raise DataError(f"column {name} is missing (schema {schema.name}); the table has: {', '.join(frame.columns)}")
    return frame[name]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
