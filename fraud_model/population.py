"""How far features have moved between two tables: the population stability index.

    PSI = sum over bins of (current share - reference share) * ln(current share / reference share)

Bins are the tenths of the reference, or its categories, with one for missing values. Under 0.1 a feature is stable,
from 0.1 to 0.25 to be watched, over 0.25 it has moved (Siddiqi, Credit Risk Scorecards, 2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fraud_model.metrics import Array

WATCH_FROM, MOVED_ABOVE = 0.1, 0.25
_BINS = 10
_PSEUDO_COUNT = 0.5  # an empty bin weighs by the size of its sample, not by an arbitrary floor


@dataclass(frozen=True)
class Shift:
    """One feature in two tables.

    Attributes:
        feature: Its name.
        psi: Population stability index, at least 0.
        before: Median in the reference; the most frequent code of a category.
        after: The same in the current table.
    """

    feature: str
    psi: float
    before: float
    after: float

    @property
    def verdict(self) -> str:
        """stable, watch or moved."""
        return "stable" if self.psi < WATCH_FROM else "watch" if self.psi <= MOVED_ABOVE else "moved"


def shifts(reference: pd.DataFrame, current: pd.DataFrame, categorical: Sequence[str] = ()) -> list[Shift]:
    """The features that both tables have, the furthest moved first.

    Args:
        reference: Numbers, shape (rows, features).
        current: Numbers, shape (rows, features).
        categorical: Columns of category codes.
    """
    found = []
    for name in (name for name in reference.columns if name in current.columns):
        before, after = reference[name].to_numpy(np.float64), current[name].to_numpy(np.float64)
        edges = np.unique(before[~np.isnan(before)]) if name in categorical else _tenths(before)
        psi = _index(_counts(before, edges), _counts(after, edges))
        middle = _most_frequent if name in categorical else _median
        found.append(Shift(name, psi, middle(before), middle(after)))
    return sorted(found, key=lambda shift: -shift.psi)


def _tenths(values: Array) -> Array:
    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if known.size else np.empty(0)


def _counts(values: Array, edges: Array) -> Array:
    known = values[~np.isnan(values)]
    counted = np.bincount(np.searchsorted(edges, known, side="left"), minlength=edges.size + 1)
    return np.append(counted, values.size - known.size).astype(np.float64)


def _index(before: Array, after: Array) -> float:
    used = before + after > 0
    shares = [
        (counts + _PSEUDO_COUNT)[used] / (counts + _PSEUDO_COUNT)[used].sum() if used.any() else counts[used]
        for counts in (before, after)
    ]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def _median(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else float("nan")


def _most_frequent(values: Array) -> float:
    known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return float(known[np.argmax(counts)]) if known.size else float("nan")
