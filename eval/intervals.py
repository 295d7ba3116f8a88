"""Bootstrap confidence intervals of means and ratios over questions, and of paired differences."""

from dataclasses import dataclass
from typing import Any

import numpy as np

Vector = np.ndarray[Any, np.dtype[np.float64]]
RESAMPLES = 2_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval; all NaN where there was nothing to estimate from."""

    value: float
    low: float
    high: float


def ratio_interval(numerator: Vector, denominator: Vector, seed: int = 0) -> Interval:
    """The ratio of two sums, with its interval from resampling the questions.

    A mean is the ratio with a denominator of ones. Resamples whose denominator is zero are left out.

    Args:
        numerator: One value a question, shape (questions,).
        denominator: One value a question, shape (questions,), never negative.
        seed: Of the resampling; the same seed gives the same interval.
    """
    if len(numerator) == 0 or denominator.sum() == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).integers(0, len(numerator), size=(RESAMPLES, len(numerator)))
    tops, bottoms = numerator[drawn].sum(axis=1), denominator[drawn].sum(axis=1)
    ratios = tops[bottoms > 0] / bottoms[bottoms > 0]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(float(numerator.sum() / denominator.sum()), float(low), float(high))


def mean_interval(values: Vector, seed: int = 0) -> Interval:
    """The mean with its interval from resampling; NaN values must be taken out before."""
    return ratio_interval(values, np.ones(len(values)), seed)


def paired_difference(before: Vector, after: Vector, seed: int = 0) -> Interval:
    """Mean of `after - before` over the same questions in the same order, with its interval.

    The difference is beyond chance where the interval leaves out zero.
    """
    return mean_interval(after - before, seed)


def difference_of_ratios(first: tuple[Vector, Vector], second: tuple[Vector, Vector], seed: int = 0) -> Interval:
    """A ratio of two sums in the second group less that in the first, the groups having nothing in common.

    Args:
        first: Numerators and denominators, shape (units,) each; units are resampled whole.
        second: The same of the other group.
        seed: Of the resampling.
    """
    if any(len(numerator) == 0 or denominator.sum() == 0 for numerator, denominator in (first, second)):
        return Interval(float("nan"), float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    ratios = []
    for numerator, denominator in (first, second):
        drawn = generator.integers(0, len(numerator), size=(RESAMPLES, len(numerator)))
        bottoms = denominator[drawn].sum(axis=1)
        ratios.append(numerator[drawn].sum(axis=1) / np.where(bottoms > 0, bottoms, np.nan))
    low, high = np.nanquantile(ratios[1] - ratios[0], [0.025, 0.975])
    value = second[0].sum() / second[1].sum() - first[0].sum() / first[1].sum()
    return Interval(float(value), float(low), float(high))
