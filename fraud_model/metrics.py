"""Figures for fraud scores: ranking, alert budget, money, calibration.

Probabilities and shares lie in [0, 1]; money is in the schema's currency; a day is a UTC day. Where a figure is not
defined (no fraud among the rows, say) it is NaN, and the callers leave it out of what they log.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fraud_model.schema import DAY_SECONDS

Array = np.ndarray[Any, np.dtype[Any]]

FALSE_ALERT_COST = 50.0
"""Cost of working one alert that turns out legitimate, in the schema's currency."""


@dataclass(frozen=True)
class BudgetRow:
    """What a number of alerts a day finds.

    Attributes:
        alerts_per_day: Alerts that the team works each day.
        threshold: Least probability of an alert.
        precision: Share of the alerts that are fraud.
        recall: Share of the fraud that is among the alerts.
        value_caught: Amount of the fraud among the alerts, in currency units.
        value_share: That amount as a share of all fraud's.
        cost_saved: Fraud caught, less the cost of the false alerts, in currency units.
    """

    alerts_per_day: float
    threshold: float
    precision: float
    recall: float
    value_caught: float
    value_share: float
    cost_saved: float

    def to_dict(self) -> dict[str, float]:
        """Plain values, ready for JSON."""
        return asdict(self)


def average_precision(labels: Array, scores: Array) -> float:
    """Mean precision over the frauds, in falling order of score; tied scores count as one step.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        scores: Higher is more suspicious, shape (rows,).
    """
    frauds = float(np.sum(labels))
    if frauds == 0 or labels.size == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), labels.size - 1)
    precision = hits[ends] / (ends + 1)
    gained = np.diff(hits[ends], prepend=0.0)
    return float(np.sum(precision * gained) / frauds)


def roc_auc(labels: Array, scores: Array) -> float:
    """Chance that a fraud scores above a legitimate payment; ties count half."""
    frauds = float(np.sum(labels))
    others = labels.size - frauds
    if frauds == 0 or others == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((np.sum(ranks[labels == 1]) - frauds * (frauds + 1) / 2) / (frauds * others))


def precision_recall_curve(labels: Array, scores: Array) -> tuple[Array, Array]:
    """Precision and recall at every distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), labels.size - 1)
    return hits[ends] / (ends + 1), hits[ends] / max(float(hits[-1]), 1.0)


def precision_at_k_per_day(labels: Array, scores: Array, times: Array, k: int) -> float:
    """Share of fraud among the k most suspicious payments of each day, as the mean over days."""
    days = times // DAY_SECONDS
    found = []
    for day in np.unique(days):
        at = np.flatnonzero(days == day)
        top = at[np.argsort(-scores[at], kind="stable")[:k]]
        found.append(float(np.sum(labels[top])) / k)
    return float(np.mean(found)) if found else float("nan")


def card_precision_at_k(labels: Array, scores: Array, times: Array, payers: Array, k: int = 100) -> float:
    """Share of compromised payers among the k most suspicious of each day, as the mean over days.

    A payer is as suspicious as its most suspicious payment of the day, and compromised if any of them is fraud. One
    found on an earlier day is blocked: it is left out of the days after. (Le Borgne et al., Fraud Detection
    Handbook, chapter 4.)

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        scores: Shape (rows,).
        times: Seconds since 1970, UTC, shape (rows,).
        payers: Payer codes, integers from 0, shape (rows,).
        k: Payers that can be checked a day.
    """
    if labels.size == 0:
        return float("nan")
    days = times // DAY_SECONDS
    blocked = np.zeros(int(payers.max()) + 1, bool)
    found = []
    for day in np.unique(days):
        at = np.flatnonzero((days == day) & ~blocked[payers])
        unique, inverse = np.unique(payers[at], return_inverse=True)
        highest = np.full(unique.size, -np.inf)
        np.maximum.at(highest, inverse, scores[at])
        compromised = np.zeros(unique.size)
        np.maximum.at(compromised, inverse, labels[at])
        top = np.argsort(-highest, kind="stable")[:k]
        caught = unique[top[compromised[top] == 1]]
        blocked[caught] = True
        found.append(caught.size / k)
    return float(np.mean(found))


def threshold_for_alerts(scores: Array, alerts: int) -> float:
    """The highest threshold at which at least `alerts` rows reach it; the lowest score where there are not so many."""
    if scores.size == 0:
        return float("nan")
    alerts = min(max(alerts, 1), scores.size)
    return float(np.partition(scores, scores.size - alerts)[scores.size - alerts])


def best_f1_threshold(labels: Array, scores: Array) -> float:
    """The threshold with the highest F1."""
    ordered = np.sort(np.unique(scores))[::-1]
    precision, recall = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(ordered[int(np.argmax(f1))])


def budget_row(
    labels: Array, probabilities: Array, amounts: Array, days: float, threshold: float, alert_cost: float
) -> BudgetRow:
    """What a threshold finds; see `BudgetRow`."""
    alerts = probabilities >= threshold
    fraud = labels == 1
    caught = alerts & fraud
    value = float(np.nansum(amounts[caught]))
    return BudgetRow(
        alerts_per_day=float(alerts.sum()) / days,
        threshold=threshold,
        precision=float(caught.sum()) / max(int(alerts.sum()), 1),
        recall=float(caught.sum()) / max(int(fraud.sum()), 1),
        value_caught=value,
        value_share=value / max(float(np.nansum(amounts[fraud])), 1e-12),
        cost_saved=value - alert_cost * float((alerts & ~fraud).sum()),
    )


def budget_table(
    labels: Array,
    probabilities: Array,
    amounts: Array,
    days: float,
    budgets: Sequence[float],
    alert_cost: float = FALSE_ALERT_COST,
) -> list[BudgetRow]:
    """What each alert budget finds.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        probabilities: Fraud probabilities, shape (rows,).
        amounts: In currency units, shape (rows,).
        days: Days that the rows span, to turn alerts into alerts a day.
        budgets: Alerts a day.
        alert_cost: Cost of one false alert, in currency units.
    """
    rows = []
    for budget in budgets:
        threshold = threshold_for_alerts(probabilities, round(budget * days))
        rows.append(budget_row(labels, probabilities, amounts, days, threshold, alert_cost))
    return rows


def calibration_table(labels: Array, probabilities: Array, bins: int = 20) -> tuple[Array, Array, Array]:
    """Mean probability, share of fraud, and rows in bins of about equal size, each of shape (bins,)."""
    if labels.size == 0:
        empty = np.empty(0)
        return empty, empty, empty
    parts = np.array_split(np.argsort(probabilities, kind="stable"), min(bins, labels.size))
    means = np.array([probabilities[part].mean() for part in parts])
    shares = np.array([labels[part].mean() for part in parts])
    return means, shares, np.array([float(part.size) for part in parts])


def calibration_error(labels: Array, probabilities: Array, bins: int = 20) -> float:
    """Mean distance between probability and share of fraud over bins of equal size, weighted by rows."""
    means, shares, sizes = calibration_table(labels, probabilities, bins)
    return float(np.average(np.abs(means - shares), weights=sizes)) if sizes.size else float("nan")
