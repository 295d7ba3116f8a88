"""Population stability index on bins fixed by the reference.

PSI = sum over bins of (current share - reference share) * ln(current share / reference share). Bins come from the
reference alone (its deciles, its categories), so the index of one window can be compared with that of another;
binning both samples together, as is often done, moves the bins with the data. Under .1 a column is stable, from .1 to
.25 to be watched, over .25 to be acted on (Siddiqi, Credit Risk Scorecards, 2006).

Missing values have a bin of their own, and so have categories that the reference has never seen and, for a column of
few distinct values, numbers below and above all of the reference's: those are what breaks first.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

STABLE, WATCH, ACT, INSUFFICIENT = "stable", "watch", "act", "insufficient"
WATCH_FROM, ACT_ABOVE = 0.1, 0.25
_QUANTILES = 10
# Categories with a bin each; with more, a sample never holds all of them and "unseen" says nothing.
_MOST_CATEGORIES = 50
# Distinct deciles from which the outer bins are open; a constant or a flag needs bins for what lies outside.
_ENOUGH_TO_OPEN = 4
# Added to each bin's count: an empty bin weighs by the size of its sample, not by an arbitrary floor.
_PSEUDO_COUNT = 0.5

Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Bins:
    """Bins of one column, fixed by the reference.

    Attributes:
        numeric: Whether values are binned by size or by name.
        edges: Upper edges, ascending; a bin holds (edge before, edge]. Empty for categories.
        categories: Values with a bin of their own; empty for numbers.
        open_ended: Whether other categories than these are unseen (False) or merely rare (True).
        labels: What each bin holds, in the order of the counts; the last is "missing".
    """

    numeric: bool
    edges: np.ndarray[Any, np.dtype[np.float32]]
    categories: tuple[str, ...]
    open_ended: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """A column of the current data against the reference.

    Attributes:
        psi: The index; 0 where both have the same shares.
        noise: The value that the index stays under in 95 of 100 comparisons of samples of these sizes in which
            nothing has changed. An index below it says nothing.
        bins: The bins.
        reference_counts: Rows a bin, shape (bins,).
        current_counts: Rows a bin, shape (bins,).
    """

    psi: float
    noise: float
    bins: Bins
    reference_counts: Counts
    current_counts: Counts

    def shares(self, which: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Shares a bin, of `reference` or `current`, in [0, 1]."""
        counts = self.reference_counts if which == "reference" else self.current_counts
        return counts / max(int(counts.sum()), 1)

    @property
    def unseen_share(self) -> float:
        """Share of current rows in categories that the reference has never seen; 0 for numbers and open lists."""
        if self.bins.numeric or self.bins.open_ended:
            return 0.0
        return float(self.shares("current")[-2])


def compare(reference: pd.Series, current: pd.Series) -> Comparison:
    """The index of a column, with bins from its reference.

    Args:
        reference: Values of the reference; numbers or booleans are binned by size, all else by name.
        current: Values to compare; text in a column of numbers counts as missing.
    """
    bins = fit_bins(reference)
    reference_counts, current_counts = count(bins, reference), count(bins, current)
    return Comparison(
        psi=psi(reference_counts, current_counts),
        noise=psi_noise(reference_counts, current_counts),
        bins=bins,
        reference_counts=reference_counts,
        current_counts=current_counts,
    )


def verdict_of(value: float) -> str:
    """stable, watch or act, by the index alone."""
    if value < WATCH_FROM:
        return STABLE
    return WATCH if value <= ACT_ABOVE else ACT


def psi(reference_counts: Counts, current_counts: Counts) -> float:
    """The index of two sets of counts over the same bins, shape (bins,) each."""
    smoothed = []
    for counts in (reference_counts, current_counts):
        smoothed.append((counts + _PSEUDO_COUNT) / (counts.sum() + _PSEUDO_COUNT * len(counts)))
    # A bin that neither sample uses carries nothing, also where the samples differ in size.
    used = (reference_counts + current_counts) > 0
    before, after = smoothed[0][used], smoothed[1][used]
    return float(np.sum((after - before) * np.log(after / before)))


def psi_noise(reference_counts: Counts, current_counts: Counts) -> float:
    """95th percentile of the index where nothing has changed.

    With n and m rows in B bins it follows, for large samples, (1/n + 1/m) times chi-square with B - 1 degrees of
    freedom (Yurdakul and Naranjo, Statistical Properties of the Population Stability Index, 2020).
    """
    rows, more_rows = int(reference_counts.sum()), int(current_counts.sum())
    used = int(((reference_counts + current_counts) > 0).sum())
    if rows == 0 or more_rows == 0 or used < 2:
        return 0.0
    return float(chi2.ppf(0.95, used - 1) * (1 / rows + 1 / more_rows))


def fit_bins(reference: pd.Series) -> Bins:
    """Bins of a column from its reference."""
    if _is_numeric(reference):
        return _numeric_bins(_numbers(reference))
    codes, names = _coded(reference)
    rows: dict[str, int] = {}
    for name, counted in zip(names, np.bincount(codes[codes >= 0], minlength=len(names)), strict=True):
        rows[name] = rows.get(name, 0) + int(counted)
    frequent = sorted(rows, key=lambda name: (-rows[name], name))
    kept = tuple(frequent[:_MOST_CATEGORIES])
    open_ended = len(frequent) > _MOST_CATEGORIES
    labels = (*kept, "other" if open_ended else "not in the reference", "missing")
    return Bins(False, np.empty(0, np.float32), kept, open_ended, labels)


def count(bins: Bins, values: pd.Series) -> Counts:
    """Rows a bin, shape (bins,), int64."""
    if bins.numeric:
        numbers = _numbers(values)
        missing = np.isnan(numbers)
        found = np.searchsorted(bins.edges, numbers[~missing], side="left")
        counted = np.bincount(found, minlength=len(bins.edges) + 1)
        return np.append(counted, missing.sum()).astype(np.int64)
    codes, names = _coded(values)
    places = pd.Index(bins.categories, dtype=object).get_indexer(pd.Index(names, dtype=object))
    places = np.where(places < 0, len(bins.categories), places)
    # The code -1 of a missing value reads the last place.
    lookup = np.append(places, len(bins.categories) + 1)
    return np.bincount(lookup[codes], minlength=len(bins.categories) + 2).astype(np.int64)


def _numeric_bins(values: np.ndarray[Any, np.dtype[np.float32]]) -> Bins:
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return Bins(True, np.empty(0, np.float32), (), False, ("any value", "missing"))
    tenths = np.linspace(0, 1, _QUANTILES + 1)[1:]
    upper = np.quantile(known, tenths, method="inverted_cdf").astype(np.float32)
    least = known.min()
    distinct = np.unique(upper)
    if len(distinct) >= _ENOUGH_TO_OPEN:
        # A maximum creeps up with every new day of a busy payee: beyond the range is the outer tenth, not a bin that
        # the reference left empty, whose index any sample exceeds. Values far out still crowd into one tenth.
        edges = distinct[:-1]
        labels = [f"{_short(low)} to {_short(high)}" for low, high in pairwise(edges)]
        return Bins(True, edges, (), False, (f"up to {_short(edges[0])}", *labels, f"> {_short(edges[-1])}", "missing"))
    edges = np.unique(np.append(np.nextafter(least, np.float32(-np.inf)), upper))
    inside = [
        _short(high) if low == high else f"{_short(low)} to {_short(high)}"
        for low, high in pairwise([least, *edges[1:]])
    ]
    return Bins(True, edges, (), False, (f"< {_short(least)}", *inside, f"> {_short(edges[-1])}", "missing"))


def _is_numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)


def _numbers(values: pd.Series) -> np.ndarray[Any, np.dtype[np.float32]]:
    # One width for both sides: a constant stored once in 32 and once in 64 bits must land in the same bin.
    if not _is_numeric(values):
        values = pd.to_numeric(values.astype(object), errors="coerce")
    with np.errstate(over="ignore"):
        return values.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)


def _coded(values: pd.Series) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[str]]:
    """A code a row, -1 for missing, and the name of each code."""
    codes, uniques = pd.factorize(values)
    return codes.astype(np.int64), [str(value) for value in uniques]


def _short(value: float) -> str:
    return f"{float(value):.4g}"
