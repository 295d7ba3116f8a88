"""Figures of a ranking of frauds: average precision, precision at k, what a budget of alerts a day buys."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

Values = np.ndarray[Any, np.dtype[np.float64]]


def known_rows(labels: pd.Series, scores: pd.Series) -> tuple[Values, Values]:
    """Labels and scores of the rows that have both, shape (known rows,) each."""
    plain_labels = pd.to_numeric(labels, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    plain_scores = pd.to_numeric(scores, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(plain_labels) & np.isfinite(plain_scores)
    return plain_labels[known], plain_scores[known]


def average_precision(labels: Values, scores: Values) -> float:
    """Average precision in [0, 1]; NaN where there is no fraud or nothing else."""
    if len(labels) == 0 or labels.min() == labels.max():
        return float("nan")
    return float(average_precision_score(labels, scores))


def precision_at(labels: Values, scores: Values, k: int) -> float:
    """Share of fraud among the k highest scores, in [0, 1]; ties in the order of the rows; NaN without rows."""
    if len(labels) == 0 or k <= 0:
        return float("nan")
    return float(labels[_highest(scores, k)].mean())


def alert_budget_table(labels: Values, scores: Values, days: float, budgets: Sequence[int]) -> pd.DataFrame:
    """One row a budget.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        scores: Fraud probabilities, shape (rows,).
        days: Length of the window in days.
        budgets: Alerts a day.

    Returns:
        Columns `alerts_per_day`, `alerts` (in the window), `threshold` (lowest score alerted), `precision`, `recall`;
        NaN where undefined.
    """
    frauds = labels.sum()
    rows = []
    for budget in budgets:
        alerts = min(round(budget * days), len(labels))
        if alerts <= 0:
            rows.append((budget, 0, np.nan, np.nan, np.nan))
            continue
        taken = _highest(scores, alerts)
        caught = labels[taken].sum()
        recall = caught / frauds if frauds else np.nan
        rows.append((budget, alerts, scores[taken].min(), caught / alerts, recall))
    return pd.DataFrame(rows, columns=["alerts_per_day", "alerts", "threshold", "precision", "recall"])


def _highest(scores: Values, k: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.argsort(-scores, kind="stable")[:k]
