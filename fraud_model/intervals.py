"""Bootstrap confidence intervals of figures, and of the difference between two models on the same rows.

Rows are drawn with replacement as Poisson counts (Hanley and MacGibbon, 2006), which needs one sort and no copies.
Tied scores are taken in the order of the rows here, so a figure may differ from its plain value in the last digits.
Figures that are means over days get Student's interval over the days. The calibration error gets none: it is a mean of
distances, which every resampling raises.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fraud_model.metrics import Array

DRAWS = 200
LEAST_FRAUDS = 5
"""Slices with less fraud than this are not compared: nothing can be told from so few."""
_LOW, _HIGH = 2.5, 97.5
# 97.5% quantiles of Student's distribution for 1, 2, ... 14 degrees of freedom; beyond two weeks, the normal one's.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145)
_NORMAL = 1.960


@dataclass(frozen=True)
class Comparison:
    """A challenger against the champion on the same later rows, by one figure.

    Attributes:
        champion: The champion's figure.
        challenger: The challenger's.
        low: Lower end of the 95% interval of the difference, challenger less champion.
        high: Upper end.
    """

    champion: float
    challenger: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """Challenger less champion."""
        return self.challenger - self.champion

    @property
    def verdict(self) -> str:
        """Better or worse where the interval leaves out zero, else level."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "level"


def intervals(
    labels: Array,
    probabilities: Array,
    thresholds: Mapping[str, float],
    amounts: Array | None = None,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95% intervals of figures by their metric names: ranking, and what each threshold finds.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,); some of each.
        probabilities: Shape (rows,).
        thresholds: Least probability of an alert by the suffix of its figures, such as `budget`.
        amounts: In currency units, shape (rows,), for the value caught; None leaves it out.
        seed: The same seed gives the same intervals.
    """
    order = np.argsort(-probabilities, kind="stable")
    fraud = labels[order] == 1
    known = np.nan_to_num(amounts[order].astype(np.float64)) if amounts is not None else None
    alerts = {suffix: probabilities[order] >= least for suffix, least in thresholds.items()}
    drawn: dict[str, list[float]] = {}
    for weights in _draws(labels.size, seed):
        for name, value in _figures(fraud, alerts, known, weights).items():
            drawn.setdefault(name, []).append(value)
    return {name: _ends(np.array(values)) for name, values in drawn.items()}


def interval_over_days(values: Array) -> tuple[float, float]:
    """95% interval of a mean over days of shares, each in [0, 1], shape (days,); NaN for a single day."""
    if values.size < 2:
        return float("nan"), float("nan")
    quantile = _STUDENT[values.size - 2] if values.size - 2 < len(_STUDENT) else _NORMAL
    reach = float(quantile * values.std(ddof=1) / np.sqrt(values.size))
    mean = float(values.mean())
    return max(0.0, mean - reach), min(1.0, mean + reach)


def compare(labels: Array, champion: Array, challenger: Array, seed: int = 0) -> Comparison:
    """Two models' scores of the same rows, drawn together, so that what moves both does not count."""
    every = {"all": np.ones(labels.size, bool)}
    return compare_figures(labels, champion, challenger, labels.size, every, seed)["all"]["average_precision"]


def compare_figures(
    labels: Array,
    champion: Array,
    challenger: Array,
    alerts: int,
    groups: Mapping[str, Array],
    seed: int = 0,
) -> dict[str, dict[str, Comparison]]:
    """Two models on the same rows, whole and in parts: average precision, and precision and recall at as many alerts.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        champion: Scores of the champion, shape (rows,); only their order counts.
        challenger: Scores of the challenger.
        alerts: Each model alerts on its so many highest scores of all rows.
        groups: Masks of the parts, shape (rows,) each; parts of the whole with hardly any fraud are left out.
        seed: The same seed gives the same intervals.

    Returns:
        For each part, the comparisons by metric name.
    """
    sides = [_Side.of(labels, scores, alerts, groups) for scores in (champion, challenger)]
    one = np.ones(labels.size)
    plain = [side.figures(one) for side in sides]
    differences: dict[tuple[str, str], list[float]] = {key: [] for key in plain[0]}
    for weights in _draws(labels.size, seed):
        before, after = (side.figures(weights) for side in sides)
        for key, values in differences.items():
            values.append(after[key] - before[key])
    found: dict[str, dict[str, Comparison]] = {}
    for (group, figure), values in differences.items():
        low, high = _ends(np.array(values))
        pair = Comparison(plain[0][group, figure], plain[1][group, figure], low, high)
        found.setdefault(group, {})[figure] = pair
    return found


@dataclass(frozen=True)
class _Side:
    """One model's rows by falling score, of each part."""

    parts: Mapping[str, tuple[Array, Array, Array]]

    @classmethod
    def of(cls, labels: Array, scores: Array, alerts: int, groups: Mapping[str, Array]) -> "_Side":
        order = np.argsort(-scores, kind="stable")
        alerted = np.zeros(labels.size, bool)
        alerted[order[:alerts]] = True
        parts = {}
        for name, mask in groups.items():
            if mask.all() or labels[mask].sum() >= LEAST_FRAUDS:
                rows = order[mask[order]]
                parts[name] = (rows, labels[rows] == 1, alerted[rows])
        return cls(parts)

    def figures(self, weights: Array) -> dict[tuple[str, str], float]:
        found = {}
        for name, (rows, fraud, alert) in self.parts.items():
            drawn = weights[rows]
            caught = float(drawn[fraud & alert].sum())
            found[name, "average_precision"] = _average_precision(fraud, drawn)
            found[name, "precision_at_budget"] = _share(caught, float(drawn[alert].sum()))
            found[name, "recall_at_budget"] = _share(caught, float(drawn[fraud].sum()))
        return found


def _draws(rows: int, seed: int) -> Iterator[Array]:
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        yield rng.poisson(1.0, rows).astype(np.float64)


def _figures(fraud: Array, alerts: Mapping[str, Array], amounts: Array | None, weights: Array) -> dict[str, float]:
    frauds = weights * fraud
    legitimate = weights - frauds
    above = np.cumsum(legitimate)
    pairs = float(frauds.sum() * legitimate.sum())
    found = {
        "average_precision": _average_precision(fraud, weights),
        "roc_auc": 1.0 - float(np.sum(frauds * above)) / pairs if pairs else float("nan"),
    }
    for suffix, alert in alerts.items():
        caught = float(frauds[alert].sum())
        found[f"precision_at_{suffix}"] = _share(caught, float(weights[alert].sum()))
        found[f"recall_at_{suffix}"] = _share(caught, float(frauds.sum()))
        if amounts is not None:
            value = frauds * amounts
            found[f"value_caught_share_at_{suffix}"] = _share(float(value[alert].sum()), float(value.sum()))
    return found


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


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
