"""How much was paid within a window: count, sum, mean, deviation, ratio, z-score, maximum.

Sums are kept in whole cents (int64) and sums of squares in three int64 limbs, so they are exact: a feature depends only
on the payments in its window, and neither the order of rows nor the way a table is cut into chunks can change it, not
even in the last bit. They run on over all entities of a block; where they overflow, differences are right all the same.
"""

import numpy as np

from fraud_model.kernel.compiled import MISSING_CENTS, Array, compiled

AMOUNT_KINDS = ("count", "sum", "mean", "std", "ratio", "z")
"""What `window_amounts` writes, in the order of its `where`."""
MAXIMUM_KINDS = ("max", "ratio_max")

# A square of cents overflows int64 for large amounts. Written c = a * 2**20 + b, it is a*a * 2**40 + a*b * 2**21 + b*b.
_LIMB_BITS = 20
_LIMB = 1 << _LIMB_BITS
_HIGH, _MIDDLE = float(1 << 40), float(1 << 21)


@compiled
def running_sums(cents: Array) -> Array:
    """Count, sum and the three limbs of the sum of squares of all amounts before each place.

    Args:
        cents: Amounts, shape (places,), int64; MISSING_CENTS where there is none.

    Returns:
        Shape (places, 5), int64.
    """
    sums = np.empty((cents.size, 5), np.int64)
    count, total, high_sum, middle_sum, low_sum = 0, 0, 0, 0, 0
    for place in range(cents.size):
        sums[place, 0] = count
        sums[place, 1] = total
        sums[place, 2] = high_sum
        sums[place, 3] = middle_sum
        sums[place, 4] = low_sum
        amount = cents[place]
        if amount != MISSING_CENTS:
            high = amount >> _LIMB_BITS
            low = amount & (_LIMB - 1)
            count += 1
            total += amount
            high_sum += high * high
            middle_sum += high * low
            low_sum += low * low
    return sums


@compiled
def window_amounts(
    amounts: Array, sums: Array, wanted: Array, since: Array, until: Array, where: Array, columns: Array
) -> None:
    """Count, sum, mean, sample deviation, ratio to the mean and z-score over the places in [since, until).

    Args:
        amounts: In currency units, shape (places,), float64, NaN where there is none.
        sums: See `running_sums`.
        wanted: Places, shape (wanted,), int32.
        since: First place of each one's window, shape (wanted,), int32.
        until: First place after it.
        where: Row of `columns` for each of AMOUNT_KINDS, shape (6,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    count_at, sum_at, mean_at, deviation_at, ratio_at, z_at = where
    with_deviation = deviation_at >= 0 or z_at >= 0
    for at in range(wanted.size):
        low, high = since[at], until[at]
        amount = amounts[wanted[at]]
        count = sums[high, 0] - sums[low, 0]
        total = sums[high, 1] - sums[low, 1]
        in_cents = total / count if count > 0 else np.nan
        mean = in_cents / 100.0
        deviation = np.nan
        if with_deviation and count > 1:
            squares = (
                (sums[high, 2] - sums[low, 2]) * _HIGH
                + (sums[high, 3] - sums[low, 3]) * _MIDDLE
                + (sums[high, 4] - sums[low, 4])
            )
            variance = (squares - in_cents * total) / (count - 1)
            # Equal amounts leave a rounding remainder; half a cent is below what an amount can differ by.
            deviation = (np.sqrt(variance) if variance > 0.25 else 0.0) / 100.0
        if count_at >= 0:
            columns[count_at, at] = count
        if sum_at >= 0:
            columns[sum_at, at] = total / 100.0
        if mean_at >= 0:
            columns[mean_at, at] = mean
        if deviation_at >= 0:
            columns[deviation_at, at] = deviation
        if ratio_at >= 0:
            columns[ratio_at, at] = amount / mean if mean > 0 else np.nan
        if z_at >= 0:
            columns[z_at, at] = (amount - mean) / deviation if deviation > 0 else np.nan


@compiled
def window_maximum(
    amounts: Array,
    values: Array,
    bounds: Array,
    wanted: Array,
    since: Array,
    until: Array,
    where: Array,
    columns: Array,
) -> None:
    """The largest value in [since, until), by a queue of ever smaller ones, and the ratio of the amount to it.

    Args:
        amounts: In currency units, shape (places,), float64.
        values: What the maximum is of, shape (places,), float64, NaN where there is none.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.
        wanted: Places, shape (wanted,), int32.
        since: First place of each one's window, shape (wanted,), int32.
        until: First place after it.
        where: Row of `columns` for the maximum and for the ratio, shape (2,), int64; -1 for what is not wanted.
        columns: Written in place, shape (features, wanted), float32.
    """
    longest = 0
    for entity in range(bounds.size - 1):
        longest = max(longest, bounds[entity + 1] - bounds[entity])
    queue = np.empty(longest, np.int32)
    maximum_at, ratio_at = where
    at = 0
    for entity in range(bounds.size - 1):
        stop = bounds[entity + 1]
        place = bounds[entity]
        head, tail = 0, 0
        while at < wanted.size and wanted[at] < stop:
            while place < until[at]:
                value = values[place]
                if value == value:
                    while tail > head and values[queue[tail - 1]] <= value:
                        tail -= 1
                    queue[tail] = place
                    tail += 1
                place += 1
            while head < tail and queue[head] < since[at]:
                head += 1
            largest = values[queue[head]] if head < tail else np.nan
            if maximum_at >= 0:
                columns[maximum_at, at] = largest
            if ratio_at >= 0:
                columns[ratio_at, at] = amounts[wanted[at]] / largest if largest > 0 else np.nan
            at += 1
