"""Putting payments in order by entity and time, and finding where windows begin in it."""

import numpy as np

from fraud_model.kernel.compiled import Array, compiled


@compiled
def group_by_entity(codes: Array, low: int, by_time: Array, entities: int) -> tuple[Array, Array]:
    """Rows ordered by (entity, time), by one stable counting sort.

    Args:
        codes: Entity of each row, shape (rows,), any integers in [low, low + entities).
        low: The least of them.
        by_time: Row numbers in time order, shape (rows,), int32; an empty array where rows are in time order already.
        entities: Number of entities.

    Returns:
        The row numbers, shape (rows,), int32, and the start of each entity in them, shape (entities + 1,), int64.
    """
    rows = codes.size
    starts = np.zeros(entities + 1, np.int64)
    for row in range(rows):
        starts[codes[row] - low + 1] += 1
    for entity in range(entities):
        starts[entity + 1] += starts[entity]
    cursor = starts[:entities].copy()
    order = np.empty(rows, np.int32)
    sorted_already = by_time.size == 0
    for place in range(rows):
        row = place if sorted_already else by_time[place]
        code = codes[row] - low
        order[cursor[code]] = row
        cursor[code] += 1
    return order, starts


@compiled
def needed_places(rows: Array, bounds: Array, first: int, last: int) -> tuple[Array, Array, Array]:
    """The payments that features of the rows in [first, last) depend on, and which of them these rows are.

    Entities without such a row are left out, and so is what comes after an entity's last such row.

    Args:
        rows: Row number of each place of a block, shape (places,), int32.
        bounds: Where each entity starts in it, and its end, shape (entities + 1,), int64.
        first: First row whose features are wanted.
        last: One past the last such row.

    Returns:
        Row numbers that are needed, shape (kept,), int32; where each entity starts in them, shape (entities + 1,),
        int64; the wanted places among them, shape (wanted,), int32.
    """
    kept = np.empty(rows.size, np.int32)
    wanted = np.empty(rows.size, np.int32)
    new_bounds = np.zeros(bounds.size, np.int64)
    count, wanted_count = 0, 0
    for entity in range(bounds.size - 1):
        stop = bounds[entity]
        for place in range(bounds[entity], bounds[entity + 1]):
            if first <= rows[place] < last:
                stop = place + 1
        for place in range(bounds[entity], stop):
            if first <= rows[place] < last:
                wanted[wanted_count] = count
                wanted_count += 1
            kept[count] = rows[place]
            count += 1
        new_bounds[entity + 1] = count
    return kept[:count].copy(), new_bounds, wanted[:wanted_count].copy()


@compiled
def first_since(times: Array, bounds: Array, wanted: Array, back: int) -> Array:
    """Of each wanted place, its entity's first place no earlier than `back` seconds before it.

    Args:
        times: Seconds, shape (places,), int64, ascending within an entity.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.
        wanted: Ascending places, shape (wanted,), int32.
        back: Length of the window in seconds; 0 gives the first payment of the same second; negative: all history.

    Returns:
        Places, shape (wanted,), int32.
    """
    found = np.empty(wanted.size, np.int32)
    at = 0
    for entity in range(bounds.size - 1):
        stop = bounds[entity + 1]
        place = bounds[entity]
        while at < wanted.size and wanted[at] < stop:
            if back >= 0:
                limit = times[wanted[at]] - back
                while times[place] < limit:
                    place += 1
            found[at] = place
            at += 1
    return found


@compiled
def counterparty_slots(others: Array, bounds: Array) -> Array:
    """A small number for each counterparty of an entity: 0 for its first, 1 for the next, and so on.

    Args:
        others: Counterparty of each place, shape (places,), int64.
        bounds: Where each entity starts, and its end, shape (entities + 1,), int64.

    Returns:
        Slots, shape (places,), int32.
    """
    longest = 1
    for entity in range(bounds.size - 1):
        longest = max(longest, bounds[entity + 1] - bounds[entity])
    size = 4
    while size < 2 * longest:
        size *= 2
    mask = size - 1
    owner = np.full(size, -1, np.int32)  # entity whose entry it is, so that nothing has to be cleared in between
    keys = np.empty(size, np.int64)
    numbers = np.empty(size, np.int32)
    slots = np.empty(others.size, np.int32)
    for entity in range(bounds.size - 1):
        count = 0
        for place in range(bounds[entity], bounds[entity + 1]):
            other = others[place]
            mixed = other * np.int64(0x9E3779B97F4A7C1)
            at = (mixed ^ (mixed >> 29)) & mask
            while owner[at] == entity and keys[at] != other:
                at = (at + 1) & mask
            if owner[at] != entity:
                owner[at] = entity
                keys[at] = other
                numbers[at] = count
                count += 1
            slots[place] = numbers[at]
    return slots


@compiled
def scatter(columns: Array, rows: Array, wanted: Array, first: int, column: int, out: Array) -> None:
    """Write a block's features to their rows.

    Args:
        columns: Shape (features, wanted), float32.
        rows: Row number of each place, shape (places,), int32.
        wanted: Places, shape (wanted,), int32.
        first: Row that stands first in `out`.
        column: Column of `out` for the first feature.
        out: Written in place, shape (rows, columns), float32.
    """
    for at in range(wanted.size):
        target = rows[wanted[at]] - first
        for feature in range(columns.shape[0]):
            out[target, column + feature] = columns[feature, at]
