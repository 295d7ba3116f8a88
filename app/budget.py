"""What an alert budget finds: threshold, precision, recall and value for each number of alerts a day.

Measured on the days that the champion was validated on, which came after its training; labels are known there. The
intervals are 95% bootstrap intervals over those payments (Poisson counts; Hanley and MacGibbon, 2006). The threshold of
a new model was chosen on the same days, so its own figures are a little too good; the intervals do not cover that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from app.errors import NotReadyError
from app.history import History
from fraud_model import Scorer
from fraud_model.registry import Registry

DRAWS = 200
_MOST = 500
_LOW, _HIGH = 2.5, 97.5
_DAY = 86_400.0

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Figure:
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BudgetPoint:
    """What a number of alerts a day finds.

    Attributes:
        alerts_per_day: Alerts that the team works a day.
        threshold: Least probability of an alert.
        precision: Share of the alerts that are fraud.
        recall: Share of the fraud that is among the alerts.
        value: Amount of the fraud found a day, in the schema's currency.
    """

    alerts_per_day: int
    threshold: float
    precision: Figure
    recall: Figure
    value: Figure


@dataclass(frozen=True)
class BudgetCurve:
    """All budgets of one model.

    Attributes:
        model_version: The model.
        first: Beginning of the days measured on, UTC.
        last: Their end.
        payments: Payments with known labels on those days.
        frauds: Fraud among them.
        currency: ISO 4217 code of the values.
        points: By rising alerts a day; empty where there was no fraud to measure on.
    """

    model_version: str
    first: datetime
    last: datetime
    payments: int
    frauds: int
    currency: str
    points: tuple[BudgetPoint, ...]

    def at(self, alerts_per_day: float) -> BudgetPoint | None:
        """The point of the largest budget that is not above this one; the smallest where all are."""
        if not self.points:
            return None
        fitting = [point for point in self.points if point.alerts_per_day <= alerts_per_day]
        return fitting[-1] if fitting else self.points[0]


def measure_budgets(scorer: Scorer, registry: Registry, history: History) -> BudgetCurve:
    """Scores the champion's validation days again and measures every budget on them.

    Raises:
        NotReadyError: those days are not among the desk's payments.
        ModelError: the model cannot be read.
    """
    _, stored = registry.open(str(scorer.model_version))
    first, last = (_moment(getattr(stored.description, name)) for name in ("validated_from", "validated_until"))
    schema = history.schema
    times = schema.times(history.frame)
    labels = schema.labels(history.frame)
    rows = np.flatnonzero((times >= first.timestamp()) & (times < last.timestamp()) & ~np.isnan(labels))
    if rows.size == 0:
        raise NotReadyError(
            f"the payments of {first:%d %b} to {last:%d %b %Y}, which model version {scorer.model_version} was "
            "validated on, are not among the desk's; train on the present ones: frauddesk train"
        )
    payments = history.frame.iloc[rows]
    earlier = history.frame[times < times[rows].min()]
    probabilities = scorer.predict(scorer.features(payments, earlier))
    amounts = payments[schema.amount].to_numpy(np.float64)
    points = budget_points(labels[rows], probabilities, amounts, max((last - first).total_seconds() / _DAY, 1e-9))
    return BudgetCurve(
        str(scorer.model_version), first, last, rows.size, int(labels[rows].sum()), schema.currency, tuple(points)
    )


def budget_points(labels: Array, probabilities: Array, amounts: Array, days: float, seed: int = 0) -> list[BudgetPoint]:
    """Every budget from one alert a day on, until it covers all payments.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        probabilities: Shape (rows,).
        amounts: In the currency, shape (rows,).
        days: Days that the rows span.
        seed: The same seed gives the same intervals.
    """
    if not labels.any() or not labels.size:
        return []
    order = np.argsort(-probabilities, kind="stable")
    scores, fraud = probabilities[order], labels[order] == 1
    value = np.where(fraud, np.nan_to_num(amounts[order]), 0.0)
    budgets = [budget for budget in _budgets() if round(budget * days) <= labels.size]
    wanted = np.array([max(round(budget * days), 1) for budget in budgets], np.int64)
    # Payments with the same score are alerts together or not at all.
    ends = np.searchsorted(-scores, -scores[wanted - 1], side="right") - 1
    plain = _found(np.ones(labels.size), fraud, value, ends, days)
    rng = np.random.default_rng(seed)
    drawn = np.stack(
        [_found(rng.poisson(1.0, labels.size).astype(np.float64), fraud, value, ends, days) for _ in range(DRAWS)]
    )
    low, high = np.nanpercentile(drawn, [_LOW, _HIGH], axis=0)
    return [
        BudgetPoint(
            budget,
            float(scores[ends[place]]),
            *(Figure(float(plain[row, place]), float(low[row, place]), float(high[row, place])) for row in range(3)),
        )
        for place, budget in enumerate(budgets)
    ]


def _found(weights: Array, fraud: Array, value: Array, ends: Array, days: float) -> Array:
    """Precision, recall and value a day at each end, shape (3, ends); NaN where nothing was drawn."""
    alerts = np.cumsum(weights)[ends]
    caught = np.cumsum(weights * fraud)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [
                caught[ends] / alerts,
                caught[ends] / (caught[-1] if caught[-1] else np.nan),
                np.cumsum(weights * value)[ends] / days,
            ]
        )


def _budgets() -> Sequence[int]:
    return [*range(1, 61), *range(65, 201, 5), *range(220, _MOST + 1, 20)]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
