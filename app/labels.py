"""Decisions as labels of the working transactions: each usable from the moment it was made, and not before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from app.records import Label
from app.rows import seconds
from app.settings import Settings
from app.store import Store
from fraud_model import TransactionSchema


@dataclass(frozen=True)
class Labelled:
    """Transactions with the decisions in their label column.

    Attributes:
        frame: The transactions; a copy where anything was set.
        used: Decisions that stand in it.
        held_back: Decisions left out, because features would see them before they were made.
        unknown: Decisions on payments that are not among the transactions.
    """

    frame: pd.DataFrame
    used: int
    held_back: int
    unknown: int


def with_decisions(
    transactions: pd.DataFrame, schema: TransactionSchema, labels: Sequence[Label], ids: Sequence[str] | None = None
) -> Labelled:
    """Puts decisions into the label column.

    Features count a label from one label delay after its payment on. A decision made later than that is held back
    where another payment of the same payer or payee came in between: that payment's features would know it too early.

    Args:
        transactions: In the order in which their ids were given.
        schema: Their schema; one without a label takes no decisions.
        labels: Decisions, only those made by the time of training.
        ids: Ids of the transactions, where they are not those that the schema gives.
    """
    if schema.label is None or not labels:
        return Labelled(transactions, 0, 0, 0 if schema.label is not None else len(labels))
    names = pd.Index(schema.transaction_ids(transactions) if ids is None else ids)
    rows = names.get_indexer_for([label.transaction_id for label in labels])
    there = [(int(row), label) for row, label in zip(rows, labels, strict=True) if row >= 0]
    times = schema.times(transactions)
    chosen = [row for row, _ in there]
    known = np.array([seconds(label.known_at) for _, label in there], np.int64)
    seen_early = _seen_early(transactions, schema, times, np.array(chosen, np.int64), known)
    column = (
        transactions[schema.label].astype("float64", copy=True)
        if schema.label in transactions.columns
        else pd.Series(np.nan, index=transactions.index)
    )
    values = column.to_numpy(copy=True)
    for (row, label), early in zip(there, seen_early, strict=True):
        if not early:
            values[row] = label.label
    frame = transactions.assign(**{schema.label: values})
    held_back = int(np.sum(seen_early))
    return Labelled(frame, len(there) - held_back, held_back, len(labels) - len(there))


def _seen_early(
    transactions: pd.DataFrame,
    schema: TransactionSchema,
    times: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    rows: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    known: "np.ndarray[tuple[int], np.dtype[np.int64]]",
) -> list[bool]:
    """For each decision, whether a payment's features would count it before it was made."""
    from_on = times[rows] + schema.label_delay_seconds
    late = known > from_on
    if not late.any():
        return [False] * len(rows)
    early = np.zeros(len(rows), bool)
    for column in (schema.payer, schema.payee):
        values = transactions[column]
        wanted = values.iloc[rows[late]]
        touching = np.flatnonzero(values.isin(wanted).to_numpy(bool))
        moments = pd.Series(times[touching]).groupby(values.iloc[touching].to_numpy()).agg(list)
        for place in np.flatnonzero(late):
            near = np.asarray(moments[values.iloc[rows[place]]])
            early[place] |= bool(((near >= from_on[place]) & (near < known[place])).any())
    return [bool(value) for value in early]


def training_data(settings: Settings, schema: TransactionSchema, as_of: datetime | None = None) -> Labelled:
    """The working transactions as training may see them at a time.

    Args:
        settings: Where the transactions and the desk's database are.
        schema: Schema of the transactions.
        as_of: Only decisions made before this time; now where None.

    Raises:
        DataError: the transactions cannot be read.
        StoreError: the desk's database does not open.
    """
    from fraud_model.data import read_transactions

    store = Store(settings.desk_database)
    try:
        labels = store.labels(as_of)
    finally:
        store.close()
    return with_decisions(read_transactions(settings.transactions_path, schema), schema, labels)
