"""From the booster's raw score to a probability: a rising line in log-odds, stored as its corner points.

The line never turns flat, so calibration changes no ranking and makes no ties. With few frauds it is straight
(Platt's method); with many it follows the isotonic steps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_ENOUGH_FOR_ISOTONIC = 300  # frauds; below it, steps follow noise
_LEAST_SLOPE = 1e-3


@dataclass(frozen=True)
class Calibrator:
    """Corner points of the line from raw score to calibrated log-odds.

    Attributes:
        raw: Raw scores (log-odds of the booster), rising.
        log_odds: Calibrated log-odds at those, rising.
        slope: Slope beyond the first and last corner, positive.
    """

    raw: tuple[float, ...]
    log_odds: tuple[float, ...]
    slope: float

    def probabilities(self, raw: Array) -> Array:
        """Calibrated fraud probabilities in [0, 1], shape (rows,), of raw scores, shape (rows,)."""
        line = np.interp(raw, self.raw, self.log_odds)
        line += self.slope * (np.minimum(raw - self.raw[0], 0.0) + np.maximum(raw - self.raw[-1], 0.0))
        return 1.0 / (1.0 + np.exp(-np.clip(line, -35.0, 35.0)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"raw": list(self.raw), "log_odds": list(self.log_odds), "slope": self.slope}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Calibrator":
        """The calibrator stored as plain values."""
        return cls(tuple(values["raw"]), tuple(values["log_odds"]), float(values["slope"]))


def fit_calibrator(raw: Array, labels: Array) -> Calibrator:
    """A calibrator from held-out rows.

    Args:
        raw: Raw scores of the booster, shape (rows,).
        labels: 1 fraud, 0 legitimate, shape (rows,); both must occur.
    """
    slope, intercept = _straight_line(raw, labels)
    low, high = float(raw.min()), float(raw.max())
    straight = Calibrator((low, high), (slope * low + intercept, slope * high + intercept), slope)
    if labels.sum() < _ENOUGH_FOR_ISOTONIC or high <= low:
        return straight
    return _isotonic_line(raw, labels, slope) or straight


def _straight_line(raw: Array, labels: Array) -> tuple[float, float]:
    """Platt's slope and intercept, by Newton's method with his smoothed targets and a little shrinkage."""
    frauds = float(labels.sum())
    targets = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (labels.size - frauds + 2))
    slope, intercept = 1.0, 0.0
    for _ in range(50):
        guess = 1.0 / (1.0 + np.exp(-np.clip(slope * raw + intercept, -35.0, 35.0)))
        weight = guess * (1 - guess)
        # A weak pull of the slope to 1 keeps a perfectly separated sample finite.
        gradient = np.array([np.sum((guess - targets) * raw) + 0.1 * (slope - 1.0), np.sum(guess - targets)])
        cross = np.sum(weight * raw)
        hessian = np.array([[np.sum(weight * raw * raw) + 0.1, cross], [cross, np.sum(weight) + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / float(np.abs(step).max() + 1e-12))
        slope, intercept = slope - float(step[0]), intercept - float(step[1])
        if np.abs(step).max() < 1e-8:
            break
    return max(slope, _LEAST_SLOPE), intercept


def _isotonic_line(raw: Array, labels: Array, slope: float) -> Calibrator | None:
    """Corner points at the centres of the isotonic steps; None where there are fewer than two."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(raw, labels)
    base = float(labels.mean())
    corners: list[tuple[float, float]] = []
    for value in np.unique(fitted):
        inside = fitted == value
        size = float(inside.sum())
        if size < 20:  # too few rows for a share worth trusting
            continue
        share = (size * value + base) / (size + 1.0)
        point = (float(raw[inside].mean()), float(np.log(share / (1 - share))))
        if not corners or (point[0] > corners[-1][0] + 1e-9 and point[1] > corners[-1][1] + 1e-9):
            corners.append(point)
    if len(corners) < 2:
        return None
    return Calibrator(tuple(x for x, _ in corners), tuple(y for _, y in corners), slope)
