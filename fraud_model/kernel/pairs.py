"""Whom an entity pays, or is paid by: different counterparties in a window, and what it did with this one before."""

import numpy as np

from fraud_model.kernel.compiled import MISSING_CENTS, Array, compiled

OTHERS_KINDS = ("others", "pair_count")
"""What `window_others` writes, in the order of its `where`."""
PAIR_KINDS = ("pair_mean", "pair_ratio", "pair_since_last", "pair_first")
"""What `pair_history` writes, in the order of its `where`."""


@compiled
def window_others(
    slots: Array,
    cents: Array,
    bounds: Array,
    wanted: Array,
    since: Array,
    until: Array,
    where: Array,
    columns: Array,
) -> None:
    """Different counterparties in [since, until), and payments there with the counterparty of this payment.

    Args:
        slots: See `places.counterparty_slots`, shape (places,), int32.
        cents: Amounts, shape (places,), int64; MISSING_CENTS where there is none.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.
        wanted: Places, shape (wanted,), int32.
        since: First place of each one's window, shape (wanted,), int32.
        until: First place after it.
        where: Row of `columns` for each of OTHERS_KINDS, shape (2,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    longest = 0
    for entity in range(bounds.size - 1):
        longest = max(longest, bounds[entity + 1] - bounds[entity])
    counts = np.zeros(longest, np.int32)
    others_at, pair_at = where
    at = 0
    for entity in range(bounds.size - 1):
        start, stop = bounds[entity], bounds[entity + 1]
        added, removed, different = start, start, 0
        while at < wanted.size and wanted[at] < stop:
            while added < until[at]:
                if cents[added] != MISSING_CENTS:
                    slot = slots[added]
                    different += counts[slot] == 0
                    counts[slot] += 1
                added += 1
            while removed < since[at]:
                if cents[removed] != MISSING_CENTS:
                    slot = slots[removed]
                    counts[slot] -= 1
                    different -= counts[slot] == 0
                removed += 1
            if others_at >= 0:
                columns[others_at, at] = different
            if pair_at >= 0:
                columns[pair_at, at] = counts[slots[wanted[at]]]
            at += 1
        for place in range(removed, added):
            counts[slots[place]] = 0


@compiled
def pair_history(
    slots: Array,
    times: Array,
    cents: Array,
    amounts: Array,
    bounds: Array,
    wanted: Array,
    until: Array,
    where: Array,
    columns: Array,
) -> None:
    """All earlier payments of this pair: their mean, the ratio of the amount to it, the time since, whether any.

    Args:
        slots: See `places.counterparty_slots`, shape (places,), int32.
        times: Seconds, shape (places,), int64.
        cents: Amounts, shape (places,), int64; MISSING_CENTS where there is none.
        amounts: The same in currency units, shape (places,), float64, NaN where there is none.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.
        wanted: Places, shape (wanted,), int32.
        until: The first place of each one's own second, shape (wanted,), int32.
        where: Row of `columns` for each of PAIR_KINDS, shape (4,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    longest = 0
    for entity in range(bounds.size - 1):
        longest = max(longest, bounds[entity + 1] - bounds[entity])
    counts = np.zeros(longest, np.int32)
    totals = np.zeros(longest, np.int64)
    lasts = np.zeros(longest, np.int64)
    mean_at, ratio_at, last_at, first_at = where
    at = 0
    for entity in range(bounds.size - 1):
        start, stop = bounds[entity], bounds[entity + 1]
        place = start
        while at < wanted.size and wanted[at] < stop:
            while place < until[at]:
                if cents[place] != MISSING_CENTS:
                    slot = slots[place]
                    counts[slot] += 1
                    totals[slot] += cents[place]
                    lasts[slot] = times[place]
                place += 1
            slot = slots[wanted[at]]
            count, total = counts[slot], totals[slot]
            if mean_at >= 0:
                columns[mean_at, at] = total / (100.0 * count) if count > 0 else np.nan
            if ratio_at >= 0:
                columns[ratio_at, at] = amounts[wanted[at]] * 100.0 * count / total if total > 0 else np.nan
            if last_at >= 0:
                columns[last_at, at] = times[wanted[at]] - lasts[slot] if count > 0 else np.nan
            if first_at >= 0:
                columns[first_at, at] = 1.0 if count == 0 else 0.0
            at += 1
        for done in range(start, place):
            counts[slots[done]] = 0
            totals[slots[done]] = 0
