"""Figures for fraud scores: ranking, alert budget, money, calibration.

Probabilities and shares lie in [0, 1]; money is in the schema's currency; a day is a UTC day. Where a figure is not
defined (no fraud among the rows, say) it is NaN, and the callers leave it out of what they log.
"""

from typing import Any

import numpy as np

from fraud_model.schema import DAY_SECONDS

Array = np.ndarray[Any, np.dtype[Any]]


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


def at_k_per_day(labels: Array, scores: Array, times: Array, k: int) -> tuple[Array, Array]:
    """Precision and recall of the k most suspicious payments of each day.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        scores: Shape (rows,).
        times: Seconds since 1970, UTC, shape (rows,).
        k: Payments that can be worked a day.

    Returns:
        Precision of each day, shape (days,), and recall of each day with fraud, shape (days with fraud,).
    """
    days = times // DAY_SECONDS
    precision, recall = [], []
    for day in np.unique(days):
        at = np.flatnonzero(days == day)
        caught = float(np.sum(labels[at[np.argsort(-scores[at], kind="stable")[:k]]]))
        frauds = float(np.sum(labels[at]))
        precision.append(caught / k)
        if frauds:
            recall.append(caught / frauds)
    return np.array(precision), np.array(recall)


def precision_at_k_per_day(labels: Array, scores: Array, times: Array, k: int) -> float:
    """Share of fraud among the k most suspicious payments of each day, as the mean over days."""
    found, _ = at_k_per_day(labels, scores, times, k)
    return float(np.mean(found)) if found.size else float("nan")


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
    found = card_precision_per_day(labels, scores, times, payers, k)
    return float(np.mean(found)) if found.size else float("nan")


def card_precision_per_day(labels: Array, scores: Array, times: Array, payers: Array, k: int = 100) -> Array:
    """The shares that `card_precision_at_k` is the mean of, shape (days,)."""
    if labels.size == 0:
        return np.empty(0)
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
    return np.array(found)


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
