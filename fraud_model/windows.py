"""The one kernel behind every window feature: a walk over each entity's payments in time order.

An entity is a payer or a payee. The walk moves pointers over the entity's payments: one that adds whatever lies
strictly before the current payment, and one per window that removes what has become too old. Cost is linear in the
number of payments, whatever the windows.

Sums are kept in whole cents (int64) and sums of squares in three int64 limbs, so they are exact. A feature therefore
depends only on the payments in its window: neither the order of rows, nor ties in time, nor the way a table is cut
into chunks can change it, not even in the last bit.

Compiled code is cached on disk beside this module, or in the user's cache folder where that is read-only.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

HOUR = 3_600
DAY = 86_400
MISSING_CENTS = np.iinfo(np.int64).min
"""Marks a payment without an amount: it gets features, but is no history for others."""

# A square of cents overflows int64 for large amounts. Written c = a * 2**20 + b, it is a*a * 2**40 + a*b * 2**21 + b*b.
_LIMB_BITS = 20
_LIMB = 1 << _LIMB_BITS
_HIGH, _MIDDLE = float(1 << 40), float(1 << 21)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the interpreter lock, cached where any folder can be written."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no writable cache folder at all
        return njit(nogil=True, error_model="numpy")(function)


@_compiled
def group_by_entity(codes, by_time, entities):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Rows ordered by (entity, time), by one stable counting sort.

    Args:
        codes: Entity of each row, shape (rows,), int32 in [0, entities).
        by_time: Row numbers in time order, shape (rows,), int32; an empty array where rows are in time order already.
        entities: Number of entities.

    Returns:
        The row numbers, shape (rows,), int32, and the start of each entity in them, shape (entities + 1,), int64.
    """
    rows = codes.size
    starts = np.zeros(entities + 1, np.int64)
    for row in range(rows):
        starts[codes[row] + 1] += 1
    for entity in range(entities):
        starts[entity + 1] += starts[entity]
    cursor = starts[:entities].copy()
    order = np.empty(rows, np.int32)
    sorted_already = by_time.size == 0
    for place in range(rows):
        row = place if sorted_already else by_time[place]
        code = codes[row]
        order[cursor[code]] = row
        cursor[code] += 1
    return order, starts


@_compiled
def _add(sums, at, cents, sign):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    high = cents >> _LIMB_BITS
    low = cents & (_LIMB - 1)
    sums[at, 0] += sign
    sums[at, 1] += sign * cents
    sums[at, 2] += sign * high * high
    sums[at, 3] += sign * high * low
    sums[at, 4] += sign * low * low


@_compiled
def _mean_and_deviation(sums, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mean and sample standard deviation in currency units; NaN where there are too few payments."""
    count = sums[at, 0]
    if count == 0:
        return np.nan, np.nan
    mean = sums[at, 1] / count
    if count == 1:
        return mean / 100.0, np.nan
    squares = sums[at, 2] * _HIGH + sums[at, 3] * _MIDDLE + sums[at, 4]
    variance = (squares - mean * sums[at, 1]) / (count - 1)
    # Equal amounts leave a rounding remainder; half a cent is below what an amount can differ by.
    deviation = np.sqrt(variance) if variance > 0.25 else 0.0
    return mean / 100.0, deviation / 100.0


@_compiled
def walk_entities(  # type: ignore[no-untyped-def]  # noqa: ANN201
    order,  # noqa: ANN001
    starts,  # noqa: ANN001
    first_entity,  # noqa: ANN001
    last_entity,  # noqa: ANN001
    times,  # noqa: ANN001
    cents,  # noqa: ANN001
    others,  # noqa: ANN001
    labels,  # noqa: ANN001
    other_count,  # noqa: ANN001
    emit_from,  # noqa: ANN001
    emit_to,  # noqa: ANN001
    windows,  # noqa: ANN001
    risk_windows,  # noqa: ANN001
    delay,  # noqa: ANN001
    selected,  # noqa: ANN001
    column,  # noqa: ANN001
    out,  # noqa: ANN001
):
    """Write the window features of the entities in [first_entity, last_entity).

    Args:
        order: Row numbers sorted by (entity, time), shape (rows,), int32.
        starts: Start of each entity in `order`, shape (entities + 1,), int64.
        first_entity: First entity to walk.
        last_entity: One past the last entity to walk.
        times: Seconds since 1970, UTC, shape (rows,), int64.
        cents: Amounts in hundredths of the currency unit, shape (rows,), int64; MISSING_CENTS where unknown.
        others: The counterparty of each row, shape (rows,), int32 in [0, other_count).
        labels: 1 fraud, 0 legitimate, -1 unknown, shape (rows,), int8.
        other_count: Number of counterparties.
        emit_from: First row for which features are written, into `out[0]`.
        emit_to: One past the last such row. Rows outside serve as history only.
        windows: Lengths of the behaviour windows in seconds, shape (W,), int64, ascending.
        risk_windows: Lengths of the label windows in seconds, shape (R,), int64, ascending.
        delay: Seconds until a label is known.
        selected: Places in the feature block (see `definitions.BLOCK`) to write, shape (features,), int64.
        column: Column of `out` for the first selected feature.
        out: Written in place, shape (emit_to - emit_from, columns), float32.
    """
    longest = 0
    for entity in range(first_entity, last_entity):
        longest = max(longest, starts[entity + 1] - starts[entity])
    w_count, r_count = windows.size, risk_windows.size
    slot_owner = np.full(other_count, -1, np.int32)  # which entity last gave this counterparty a slot
    slot_of = np.empty(other_count, np.int32)
    slots = np.empty(longest, np.int32)
    pair_counts = np.zeros((longest, w_count + 1), np.int32)
    pair_cents = np.zeros(longest, np.int64)
    pair_last = np.zeros(longest, np.int64)
    peaks = np.empty(longest, np.int64)  # decreasing amounts, oldest first: the maximum of any window is at its head
    head = np.zeros(w_count, np.int64)
    sums = np.zeros((w_count + 1, 5), np.int64)
    distinct = np.zeros(w_count + 1, np.int64)
    oldest = np.zeros(w_count, np.int64)
    risk_oldest = np.zeros(r_count, np.int64)
    risk_known = np.zeros(r_count + 1, np.int64)
    risk_fraud = np.zeros(r_count + 1, np.int64)
    hours = np.zeros(24, np.int64)
    weekdays = np.zeros(7, np.int64)
    block = np.empty(8 * w_count + 2 * r_count + w_count + 20, np.float64)

    for entity in range(first_entity, last_entity):
        start, stop = starts[entity], starts[entity + 1]
        if start == stop:
            continue
        wanted = False
        for place in range(start, stop):
            if emit_from <= order[place] < emit_to:
                wanted = True
                break
        if not wanted:
            continue
        sums[:] = 0
        distinct[:] = 0
        head[:] = 0
        oldest[:] = start
        risk_oldest[:] = start
        risk_known[:] = 0
        risk_fraud[:] = 0
        hours[:] = 0
        weekdays[:] = 0
        slot_count = 0
        peak_count = 0
        history = start  # payments before this place are strictly before the current one
        matured = start  # labels of payments before this place are known
        last_fraud = 0
        any_fraud = False
        first_time = 0
        last_time = 0

        for place in range(start, stop):
            row = order[place]
            other = others[row]
            if slot_owner[other] != entity:
                slot_owner[other] = entity
                slot_of[other] = slot_count
                pair_counts[slot_count, :] = 0
                pair_cents[slot_count] = 0
                slot_count += 1
            slots[place - start] = slot_of[other]
            now = times[row]

            while times[order[history]] < now:
                past = order[history]
                amount = cents[past]
                if amount != MISSING_CENTS:
                    moment = times[past]
                    slot = slots[history - start]
                    if sums[w_count, 0] == 0:
                        first_time = moment
                    last_time = moment
                    for w in range(w_count + 1):
                        _add(sums, w, amount, 1)
                        if pair_counts[slot, w] == 0:
                            distinct[w] += 1
                        pair_counts[slot, w] += 1
                    pair_cents[slot] += amount
                    pair_last[slot] = moment
                    while peak_count > 0 and cents[order[peaks[peak_count - 1]]] <= amount:
                        peak_count -= 1
                    peaks[peak_count] = history
                    for w in range(w_count):
                        head[w] = min(head[w], peak_count)
                    peak_count += 1
                    hours[(moment // HOUR) % 24] += 1
                    weekdays[(moment // DAY + 3) % 7] += 1  # 1970-01-01 was a Thursday
                history += 1
            for w in range(w_count):
                while oldest[w] < history and times[order[oldest[w]]] < now - windows[w]:
                    amount = cents[order[oldest[w]]]
                    if amount != MISSING_CENTS:
                        _add(sums, w, amount, -1)
                        slot = slots[oldest[w] - start]
                        pair_counts[slot, w] -= 1
                        if pair_counts[slot, w] == 0:
                            distinct[w] -= 1
                    oldest[w] += 1
            while matured < stop and times[order[matured]] < now - delay:
                label = labels[order[matured]]
                if label >= 0:
                    for r in range(r_count + 1):
                        risk_known[r] += 1
                        risk_fraud[r] += label
                    if label == 1:
                        any_fraud = True
                        last_fraud = times[order[matured]]
                matured += 1
            for r in range(r_count):
                while risk_oldest[r] < matured and times[order[risk_oldest[r]]] < now - delay - risk_windows[r]:
                    label = labels[order[risk_oldest[r]]]
                    if label >= 0:
                        risk_known[r] -= 1
                        risk_fraud[r] -= label
                    risk_oldest[r] += 1

            if row < emit_from or row >= emit_to:
                continue
            amount = cents[row] / 100.0 if cents[row] != MISSING_CENTS else np.nan
            at = 0
            for w in range(w_count + 1):
                mean, deviation = _mean_and_deviation(sums, w)
                largest = np.nan
                if sums[w, 0] > 0:
                    if w < w_count:
                        while peaks[head[w]] < oldest[w]:
                            head[w] += 1
                        largest = cents[order[peaks[head[w]]]] / 100.0
                    else:
                        largest = cents[order[peaks[0]]] / 100.0
                block[at] = sums[w, 0]
                block[at + 1] = sums[w, 1] / 100.0
                block[at + 2] = mean
                block[at + 3] = deviation
                block[at + 4] = largest
                block[at + 5] = distinct[w]
                block[at + 6] = amount / mean if mean > 0 else np.nan
                block[at + 7] = (amount - mean) / deviation if deviation > 0 else np.nan
                at += 8
            count = sums[w_count, 0]
            block[at] = amount / largest if count > 0 and largest > 0 else np.nan
            block[at + 1] = now - last_time if count > 0 else np.nan
            block[at + 2] = now - first_time if count > 0 else np.nan
            hour = (now // HOUR) % 24
            near = hours[(hour + 23) % 24] + hours[hour] + hours[(hour + 1) % 24]
            block[at + 3] = near / count if count > 0 else np.nan
            block[at + 4] = weekdays[(now // DAY + 3) % 7] / count if count > 0 else np.nan
            at += 5
            for r in range(r_count + 1):
                block[at] = risk_fraud[r]
                block[at + 1] = risk_fraud[r] / risk_known[r] if risk_known[r] > 0 else np.nan
                at += 2
            block[at] = now - last_fraud if any_fraud else np.nan
            at += 1
            slot = slot_of[other]
            for w in range(w_count + 1):
                block[at] = pair_counts[slot, w]
                at += 1
            together = pair_counts[slot, w_count]
            block[at] = pair_cents[slot] / (100.0 * together) if together > 0 else np.nan
            block[at + 1] = amount * 100.0 * together / pair_cents[slot] if pair_cents[slot] > 0 else np.nan
            block[at + 2] = now - pair_last[slot] if together > 0 else np.nan
            block[at + 3] = 1.0 if together == 0 else 0.0

            target = row - emit_from
            for feature in range(selected.size):
                out[target, column + feature] = block[selected[feature]]
