"""Bootstrap confidence intervals of figures, and of the difference between two models on the same rows.

Rows are drawn with replacement as Poisson counts (Hanley and MacGibbon, 2006), which needs one sort and no copies.
Tied scores are taken in the order of the rows here, so a figure may differ from its plain value in the last digits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fraud_model.metrics import Array

DRAWS = 200
_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class Comparison:
    """A challenger against the champion on the same later rows, by average precision.

    Attributes:
        champion: Average precision of the champion.
        challenger: Average precision of the challenger.
        low: Lower end of the 95% interval of the difference, challenger less champion.
        high: Upper end.
    """

    champion: float
    challenger: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Better or worse where the interval leaves out zero, else level."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "level"


def intervals(labels: Array, probabilities: Array, threshold: float, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% intervals of the main figures, by their metric names.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,); some of each.
        probabilities: Shape (rows,).
        threshold: Least probability of an alert.
        seed: The same seed gives the same intervals.
    """
    order = np.argsort(-probabilities, kind="stable")
    fraud, alert = labels[order] == 1, probabilities[order] >= threshold
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in _FIGURES}
    for _ in range(DRAWS):
        weights = rng.poisson(1.0, labels.size).astype(np.float64)
        for name, value in zip(_FIGURES, _figures(fraud, alert, weights), strict=True):
            drawn[name].append(value)
    return {name: _ends(np.array(values)) for name, values in drawn.items()}


def compare(labels: Array, champion: Array, challenger: Array, seed: int = 0) -> Comparison:
    """Two models' scores of the same rows, drawn together, so that what moves both does not count."""
    orders = [np.argsort(-scores, kind="stable") for scores in (champion, challenger)]
    frauds = [labels[order] == 1 for order in orders]
    plain = [_average_precision(fraud, np.ones(labels.size)) for fraud in frauds]
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(DRAWS):
        weights = rng.poisson(1.0, labels.size).astype(np.float64)
        first, second = (_average_precision(fraud, weights[order]) for fraud, order in zip(frauds, orders, strict=True))
        differences.append(second - first)
    low, high = _ends(np.array(differences))
    return Comparison(plain[0], plain[1], low, high)


_FIGURES = ("average_precision", "roc_auc", "precision_at_budget", "recall_at_budget")


def _figures(fraud: Array, alert: Array, weights: Array) -> tuple[float, float, float, float]:
    frauds = weights * fraud
    legitimate = weights - frauds
    above = np.cumsum(legitimate)
    pairs = float(frauds.sum() * legitimate.sum())
    auc = 1.0 - float(np.sum(frauds * above)) / pairs if pairs else np.nan
    caught, alerts = float(frauds[alert].sum()), float(weights[alert].sum())
    recall = caught / float(frauds.sum()) if frauds.any() else np.nan
    return _average_precision(fraud, weights), auc, caught / alerts if alerts else np.nan, recall


def _average_precision(fraud: Array, weights: Array) -> float:
    frauds = weights * fraud
    total = float(frauds.sum())
    if not total:
        return float("nan")
    return float(np.sum(frauds * np.cumsum(frauds) / np.maximum(np.cumsum(weights), 1.0)) / total)


def _ends(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, [_LOW, _HIGH])
    return float(low), float(high)
