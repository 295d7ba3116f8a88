"""What an entity usually pays: median and quartiles of its last amounts, and payments far above them."""

import numpy as np

from fraud_model.kernel.compiled import MISSING_CENTS, Array, compiled

RECENT_AMOUNTS = 50
"""Payments whose amounts give the median and the quartiles."""
LARGE_RATIO = 2.5
"""A payment of more than so many times the median of the amounts before it is a large one."""

TYPICAL_KINDS = ("median", "median_ratio", "median_spreads", "since_large")
"""What `typical_features` writes, in the order of its `where`."""
LARGE_KINDS = ("large_count", "large_share")
"""What `window_large` writes, in the order of its `where`."""

_NONE = int(np.iinfo(np.int64).max)


@compiled
def _exchange(ordered: Array, old: int, new: int) -> None:
    """Put `new` among ascending amounts, in place of one that equals `old`."""
    out, into = 0, 0
    for value in ordered:
        out += value < old
        into += value < new
    if into > out:
        for place in range(out, into - 1):
            ordered[place] = ordered[place + 1]
        ordered[into - 1] = new
    else:
        for place in range(out, into, -1):
            ordered[place] = ordered[place - 1]
        ordered[into] = new


@compiled
def typical_amounts(times: Array, cents: Array, bounds: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Of each place, what the last RECENT_AMOUNTS amounts strictly before it were like.

    Args:
        times: Seconds, shape (places,), int64, ascending within an entity.
        cents: Amounts, shape (places,), int64; MISSING_CENTS where there is none.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.

    Returns:
        Each of shape (places,). The median and the interquartile range in currency units, float64; the amount as a
        multiple of the median, float64, 0 where fewer than three amounts came before, NaN without an amount; the number
        of large payments before the place, int32, running on over entities; the entity's last large place before it,
        int32, -1 where there is none.
    """
    medians = np.empty(cents.size, np.float64)
    spreads = np.empty(cents.size, np.float64)
    multiples = np.empty(cents.size, np.float64)
    large_before = np.empty(cents.size, np.int32)
    last_large = np.empty(cents.size, np.int32)
    recent = np.empty(RECENT_AMOUNTS, np.int64)
    ordered = np.empty(RECENT_AMOUNTS, np.int64)
    large_count = 0
    for entity in range(bounds.size - 1):
        stop = bounds[entity + 1]
        history = bounds[entity]
        recent[:] = _NONE
        ordered[:] = _NONE
        cursor, held = 0, 0
        large = -1
        for place in range(bounds[entity], stop):
            now = times[place]
            while times[history] < now:
                tied = history + 1
                while times[tied] == times[history]:
                    tied += 1
                if tied == history + 1:
                    value = cents[history]
                    if value != MISSING_CENTS:
                        _exchange(ordered, recent[cursor], value)
                        recent[cursor] = value
                        cursor = cursor + 1 if cursor + 1 < RECENT_AMOUNTS else 0
                        held = min(held + 1, RECENT_AMOUNTS)
                else:
                    # Smallest first, so that the order of rows cannot decide which of them is kept longest.
                    for value in np.sort(cents[history:tied]):
                        if value != MISSING_CENTS:
                            _exchange(ordered, recent[cursor], value)
                            recent[cursor] = value
                            cursor = cursor + 1 if cursor + 1 < RECENT_AMOUNTS else 0
                            held = min(held + 1, RECENT_AMOUNTS)
                history = tied
            median = (ordered[(held - 1) // 2] + ordered[held // 2]) / 200.0 if held > 0 else np.nan
            medians[place] = median
            spreads[place] = (ordered[3 * held // 4] - ordered[held // 4]) / 100.0 if held >= 3 else 0.0
            large_before[place] = large_count
            last_large[place] = large
            multiple = np.nan
            if cents[place] != MISSING_CENTS:
                multiple = cents[place] / (100.0 * median) if held >= 3 and median > 0 else 0.0
            multiples[place] = multiple
            if multiple > LARGE_RATIO:
                large_count += 1
                large = place
    return medians, spreads, multiples, large_before, last_large


@compiled
def typical_features(
    amounts: Array,
    times: Array,
    medians: Array,
    spreads: Array,
    last_large: Array,
    wanted: Array,
    until: Array,
    where: Array,
    columns: Array,
) -> None:
    """The median, the amount against it, in ratios and in interquartile ranges, and the time since a large payment.

    Args:
        amounts: In currency units, shape (places,), float64, NaN where there is none.
        times: Seconds, shape (places,), int64.
        medians: This and the next two: see `typical_amounts`.
        spreads: Interquartile ranges.
        last_large: Places of the last large payments.
        wanted: Places, shape (wanted,), int32.
        until: The first place of each one's own second, shape (wanted,), int32.
        where: Row of `columns` for each of TYPICAL_KINDS, shape (4,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    median_at, ratio_at, spreads_at, large_at = where
    for at in range(wanted.size):
        place = wanted[at]
        median, spread, amount = medians[place], spreads[place], amounts[place]
        if median_at >= 0:
            columns[median_at, at] = median
        if ratio_at >= 0:
            columns[ratio_at, at] = amount / median if median > 0 else np.nan
        if spreads_at >= 0:
            columns[spreads_at, at] = (amount - median) / spread if spread > 0 else np.nan
        if large_at >= 0:
            last = last_large[until[at]]
            columns[large_at, at] = times[place] - times[last] if last >= 0 else np.nan


@compiled
def window_large(large_before: Array, sums: Array, since: Array, until: Array, where: Array, columns: Array) -> None:
    """Number and share of large payments in [since, until).

    Args:
        large_before: See `typical_amounts`.
        sums: See `amounts.running_sums`.
        since: First place of each window, shape (wanted,), int32.
        until: First place after it.
        where: Row of `columns` for each of LARGE_KINDS, shape (2,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    count_at, share_at = where
    for at in range(since.size):
        large = large_before[until[at]] - large_before[since[at]]
        seen = sums[until[at], 0] - sums[since[at], 0]
        if count_at >= 0:
            columns[count_at, at] = large
        if share_at >= 0:
            columns[share_at, at] = large / seen if seen > 0 else np.nan
