"""The leakage gate: what must hold of features before a model is trained on them.

Three checks: no feature is a column that the schema bans; no feature alone finds almost all fraud, which real behaviour
never does; and payments to come change no feature of a payment before them. Each check is in the report, also where
all is well, so that an auditor sees what was looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fraud_model.errors import InputError, LeakageFound
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


@dataclass(frozen=True)
class LeakageReport:
    """What the gate found.

    Attributes:
        leaks: Reasons not to train; empty where the gate passes.
        checks: What was looked at, in plain words.
        strongest: Average precision that each of the strongest features reaches alone, the highest first.
    """

    leaks: tuple[Leak, ...] = ()
    checks: tuple[str, ...] = ()
    strongest: dict[str, float] = field(default_factory=dict)

    def to_markdown(self) -> str:
        """The report, for whoever has to mend the data."""
        verdict = "Training was stopped: features give the label away." if self.leaks else "Nothing leaks."
        lines = ["# Leakage gate", "", verdict, ""]
        if self.leaks:
            lines += ["| feature | problem |", "|---|---|"]
            lines += [f"| {leak.feature} | {leak.problem} |" for leak in self.leaks]
            lines += ["", "Name such columns under `never` in the schema, or correct how they are made.", ""]
        lines += ["Looked at:", "", *(f"- {check}" for check in self.checks), ""]
        if self.strongest:
            lines += ["| feature alone | average precision |", "|---|---|"]
            lines += [f"| {name} | {reached:.3f} |" for name, reached in self.strongest.items()]
        return "\n".join(lines).rstrip() + "\n"


def check_leakage(
    transactions: pd.DataFrame,
    features: pd.DataFrame,
    labels: Array,
    schema: TransactionSchema,
    compute: Callable[[pd.DataFrame], pd.DataFrame],
    limit: float = ONE_COLUMN_LIMIT,
) -> LeakageReport:
    """All three checks.

    Args:
        transactions: For the canary; the first few thousand in time serve.
        features: Of the training rows, shape (rows, features).
        labels: Of the training rows, 1 fraud, 0 legitimate, shape (rows,).
        schema: For what is banned, what is a category, and the times.
        compute: Gives the features of a table of transactions.
        limit: Average precision in (0, 1] that no single feature may reach.

    Raises:
        InputError: the limit is out of range.
        LeakageFound: a check failed.
    """
    if not 0 < limit <= 1:
        raise InputError(f"the limit for one column must be above 0 and at most 1, not {limit:g}")
    banned = [Leak(name, "is banned by the schema") for name in features.columns if name in _banned(schema)]
    banned += [
        Leak(name, f"is a copy of {other}, which the schema bans")
        for name in (*schema.numeric, *schema.categorical)
        for other in sorted(_banned(schema) & set(transactions.columns))
        if transactions[name].equals(transactions[other])
    ]
    reached = alone(features, labels, schema) if labels.sum() >= LEAST_FRAUDS else {}
    telling = [
        Leak(name, f"alone reaches an average precision of {value:.2f}, limit {limit:.2f}")
        for name, value in reached.items()
        if value >= limit
    ]
    report = LeakageReport(
        leaks=(*banned, *telling, *find_future(transactions, schema, compute)),
        checks=(
            f"{features.shape[1]} features against the banned columns: {', '.join(sorted(_banned(schema)))}",
            f"each feature alone against the label, limit {limit:.2f}"
            if reached
            else f"each feature alone: left out, since there are fewer than {LEAST_FRAUDS} frauds",
            f"features of the first {min(_CANARY_ROWS, len(transactions)):,} payments with and without those to come",
        ),
        strongest=dict(sorted(reached.items(), key=lambda item: -item[1])[:10]),
    )
    if report.leaks:
        listed = "; ".join(f"{leak.feature} {leak.problem}" for leak in report.leaks)
        raise LeakageFound(
            f"training stopped, features give the label away: {listed}; name such columns in `never` of the schema",
            report.to_markdown(),
        )
    return report


def alone(features: pd.DataFrame, labels: Array, schema: TransactionSchema) -> dict[str, float]:
    """Average precision that each feature reaches alone, in either direction or by being missing.

    Args:
        features: Shape (rows, features).
        labels: 1 fraud, 0 legitimate, shape (rows,).
        schema: For what is a category.
    """
    if len(labels) > _JUDGED_ROWS:  # all fraud, and a share of the rest: precision only rises, so nothing is missed
        rest = np.flatnonzero(labels == 0)
        kept = np.sort(np.r_[np.flatnonzero(labels == 1), rest[:: -(-len(rest) // _JUDGED_ROWS)]])
        features, labels = features.iloc[kept], labels[kept]
    return {
        name: max(
            average_precision(labels, scores)
            for scores in _as_scores(features[name].to_numpy(np.float64), labels, name, schema)
        )
        for name in features.columns
    }


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


def _banned(schema: TransactionSchema) -> set[str]:
    return {*schema.never, *((schema.label,) if schema.label is not None else ())}


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
