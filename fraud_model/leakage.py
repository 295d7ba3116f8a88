"""The leakage gate: what must hold of features before a model is trained on them.

Three checks: no feature is a column that the schema bans; no feature alone finds almost all fraud, which real behaviour
never does; and payments to come change no feature of a payment before them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fraud_model.errors import DataError
from fraud_model.metrics import Array, average_precision
from fraud_model.schema import TransactionSchema

ONE_COLUMN_LIMIT = 0.9
"""Average precision that no single feature may reach."""
LEAST_FRAUDS = 30
"""Below so many frauds, one column may reach the limit by chance and is not judged."""
_CANARY_ROWS = 4_000
_JUDGED_ROWS = 200_000


@dataclass(frozen=True)
class Leak:
    """One reason not to train: the feature, and what is wrong with it."""

    feature: str
    problem: str


def find_leaks(
    features: pd.DataFrame,
    labels: Array,
    schema: TransactionSchema,
    limit: float = ONE_COLUMN_LIMIT,
) -> list[Leak]:
    """Features that are banned, or that alone tell fraud apart.

    Args:
        features: Of the training rows, shape (rows, features).
        labels: 1 fraud, 0 legitimate, shape (rows,).
        schema: For what is banned and what is a category.
        limit: Average precision that no single feature may reach, in either direction or by being missing.
    """
    banned = {*schema.never, schema.label}
    leaks = [Leak(name, "is banned by the schema") for name in features.columns if name in banned]
    if labels.sum() < LEAST_FRAUDS:
        return leaks
    if len(labels) > _JUDGED_ROWS:  # all fraud, and a share of the rest: precision only rises, so nothing is missed
        rest = np.flatnonzero(labels == 0)
        kept = np.sort(np.r_[np.flatnonzero(labels == 1), rest[:: -(-len(rest) // _JUDGED_ROWS)]])
        features, labels = features.iloc[kept], labels[kept]
    for name in features.columns:
        values = features[name].to_numpy(np.float64)
        reached = max(average_precision(labels, scores) for scores in _as_scores(values, labels, name, schema))
        if reached >= limit:
            leaks.append(Leak(name, f"alone reaches an average precision of {reached:.2f}, limit {limit:.2f}"))
    return leaks


def find_future(
    transactions: pd.DataFrame, schema: TransactionSchema, compute: Callable[[pd.DataFrame], pd.DataFrame]
) -> list[Leak]:
    """Features of earlier payments that change when later payments are taken away.

    Args:
        transactions: Any transactions; the first few thousand in time serve.
        schema: For the times.
        compute: Gives the features of a table.
    """
    times = schema.times(transactions)
    first = np.argsort(times, kind="stable")[:_CANARY_ROWS]
    cut = times[first[len(first) // 2]]
    before = np.sort(first[times[first] <= cut])
    whole, early = transactions.iloc[np.sort(first)], transactions.iloc[before]
    kept = times[np.sort(first)] <= cut
    with_future, without = compute(whole)[kept], compute(early)
    return [
        Leak(name, "changes when later payments are taken away")
        for name in without.columns
        if not np.array_equal(with_future[name].to_numpy(), without[name].to_numpy(), equal_nan=True)
    ]


def refuse_leaks(leaks: list[Leak]) -> None:
    """Stop training where there are leaks.

    Raises:
        DataError: names each feature and what is wrong with it.
    """
    if leaks:
        listed = "; ".join(f"{leak.feature} {leak.problem}" for leak in leaks)
        raise DataError(f"training stopped, features give the label away: {listed}; name such columns in `never`")


def _as_scores(values: Array, labels: Array, name: str, schema: TransactionSchema) -> list[Array]:
    missing = np.isnan(values)
    scores = [missing.astype(np.float64), (~missing).astype(np.float64)]
    if name in schema.categorical:
        codes = np.where(missing, -1, values).astype(np.int64) + 1
        shares = np.bincount(codes, labels) / np.maximum(np.bincount(codes), 1)
        return [*scores, shares[codes]]
    if missing.all():
        return scores
    least, most = np.nanmin(values), np.nanmax(values)
    return [*scores, np.where(missing, least - 1.0, values), np.where(missing, -most - 1.0, -values)]
