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

RECENT_AMOUNTS = 50
"""Payments whose amounts give the median and the quartiles."""
LARGE_RATIO = 2.5
"""A payment of more than so many times the median of the amounts before it is a large one."""
LARGE_DAYS = np.array([7, 14])
RISK_HALF_LIFE = 7.0 * DAY
"""Age in seconds at which a label counts half in the weighted share of fraud."""
PRIOR_RISK = 0.02
"""Share of fraud that one imagined payment brings to the weighted share, so that few labels prove little."""

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
def _keep_sorted(recent, ordered, kept, cents):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put an amount among the last amounts, kept in order of arrival and in order of size; the oldest may fall out."""
    room = recent.size
    held = min(kept, room)
    if kept >= room:
        place = np.searchsorted(ordered[:held], recent[kept % room])
        for at in range(place, held - 1):
            ordered[at] = ordered[at + 1]
        held -= 1
    place = np.searchsorted(ordered[:held], cents)
    for at in range(held, place, -1):
        ordered[at] = ordered[at - 1]
    ordered[place] = cents
    recent[kept % room] = cents


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
    typical,  # noqa: ANN001
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
        typical: Whether to find medians of recent amounts, and payments far above them; the costliest part.
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
    recent = np.empty(RECENT_AMOUNTS, np.int64)
    ordered = np.empty(RECENT_AMOUNTS, np.int64)
    unusual = np.zeros(longest, np.float64)  # each payment's amount as a multiple of the median before it
    tops = np.empty(longest, np.int64)  # as `peaks`, of those multiples
    top_head = np.zeros(LARGE_DAYS.size, np.int64)
    large_oldest = np.zeros(LARGE_DAYS.size, np.int64)
    large_counts = np.zeros(LARGE_DAYS.size, np.int64)
    large_seen = np.zeros(LARGE_DAYS.size, np.int64)
    block = np.empty(8 * w_count + 2 * r_count + w_count + 33, np.float64)

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
        any_legitimate = False
        last_legitimate = 0
        run = 0
        run_start = 0
        weighted_fraud = 0.0
        weighted_known = 0.0
        weighted_at = 0
        first_time = 0
        last_time = 0
        kept = 0
        any_large = False
        last_large = 0
        large_oldest[:] = start
        large_counts[:] = 0
        large_seen[:] = 0
        top_head[:] = 0
        top_count = 0
        tied_until = start

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
                    if typical:
                        multiple = unusual[history - start]
                        if multiple > LARGE_RATIO:
                            any_large = True
                            last_large = moment
                        while top_count > 0 and unusual[tops[top_count - 1] - start] <= multiple:
                            top_count -= 1
                        tops[top_count] = history
                        for d in range(LARGE_DAYS.size):
                            large_counts[d] += multiple > LARGE_RATIO
                            large_seen[d] += 1
                            top_head[d] = min(top_head[d], top_count)
                        top_count += 1
                        if history >= tied_until:
                            tied_until = history + 1
                            while times[order[tied_until]] == moment:
                                tied_until += 1
                            if tied_until == history + 1:
                                _keep_sorted(recent, ordered, kept, amount)
                                kept += 1
                            else:
                                # Smallest first, so that the order of rows cannot decide which of them is kept longest.
                                tied = np.sort(cents[order[history:tied_until]])
                                for value in tied:
                                    if value != MISSING_CENTS:
                                        _keep_sorted(recent, ordered, kept, value)
                                        kept += 1
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
                    moment = times[order[matured]]
                    if weighted_known > 0:
                        fade = 0.5 ** ((moment - weighted_at) / RISK_HALF_LIFE)
                        weighted_fraud *= fade
                        weighted_known *= fade
                    weighted_fraud += label
                    weighted_known += 1.0
                    weighted_at = moment
                    if label == 1:
                        any_fraud = True
                        last_fraud = moment
                        # In the same second as a legitimate payment is no later than it, whichever row comes first.
                        if not any_legitimate or moment > last_legitimate:
                            if run == 0:
                                run_start = moment
                            run += 1
                    else:
                        any_legitimate = True
                        last_legitimate = moment
                        run = 0
                matured += 1
            for r in range(r_count):
                while risk_oldest[r] < matured and times[order[risk_oldest[r]]] < now - delay - risk_windows[r]:
                    label = labels[order[risk_oldest[r]]]
                    if label >= 0:
                        risk_known[r] -= 1
                        risk_fraud[r] -= label
                    risk_oldest[r] += 1

            median = np.nan
            if typical:
                for d in range(LARGE_DAYS.size):
                    while large_oldest[d] < history and times[order[large_oldest[d]]] < now - LARGE_DAYS[d] * DAY:
                        if cents[order[large_oldest[d]]] != MISSING_CENTS:
                            large_counts[d] -= unusual[large_oldest[d] - start] > LARGE_RATIO
                            large_seen[d] -= 1
                        large_oldest[d] += 1
                held = min(kept, recent.size)
                if held > 0:
                    median = (ordered[(held - 1) // 2] + ordered[held // 2]) / 200.0
                comparable = held >= 3 and median > 0 and cents[row] != MISSING_CENTS
                unusual[place - start] = cents[row] / (100.0 * median) if comparable else 0.0
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
            at += 4
            held = min(kept, recent.size)
            block[at] = median
            block[at + 1] = amount / median if median > 0 else np.nan
            spread = (ordered[3 * held // 4] - ordered[held // 4]) / 100.0 if held >= 3 else 0.0
            block[at + 2] = (amount - median) / spread if spread > 0 else np.nan
            block[at + 3] = large_counts[0]
            block[at + 4] = large_counts[1]
            block[at + 5] = large_counts[1] / large_seen[1] if large_seen[1] > 0 else np.nan
            block[at + 6] = now - last_large if any_large else np.nan
            for d in range(LARGE_DAYS.size):
                highest = np.nan
                if large_seen[d] > 0:
                    while tops[top_head[d]] < large_oldest[d]:
                        top_head[d] += 1
                    highest = unusual[tops[top_head[d]] - start]
                block[at + 7 + d] = highest
            at += 9
            block[at] = run
            block[at + 1] = now - run_start if run > 0 else np.nan
            block[at + 2] = now - last_legitimate if any_legitimate else np.nan
            block[at + 3] = (weighted_fraud + PRIOR_RISK) / (weighted_known + 1.0)

            target = row - emit_from
            for feature in range(selected.size):
                out[target, column + feature] = block[selected[feature]]
