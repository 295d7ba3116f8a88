"""Window features of payers and payees: which compiled loop writes which feature, block by block, on all cores.

A block is some thousand payments of consecutive entities, small enough to stay in the processor's cache: its keys are
gathered, each loop of `fraud_model.kernel` writes its features, and these are scattered to their rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np

from fraud_model.definitions import ALL, BLOCK, RISK_WINDOW_DAYS, WINDOW_DAYS
from fraud_model.entities import Array, Codes, Grouped, Keys
from fraud_model.kernel.amounts import AMOUNT_KINDS, MAXIMUM_KINDS, running_sums, window_amounts, window_maximum
from fraud_model.kernel.compiled import DAY
from fraud_model.kernel.habits import HABIT_KINDS, habits, row_features
from fraud_model.kernel.labels import LABEL_KINDS, LATEST_KINDS, latest_labels, running_labels, window_labels
from fraud_model.kernel.pairs import OTHERS_KINDS, PAIR_KINDS, pair_history, window_others
from fraud_model.kernel.places import counterparty_slots, first_since, needed_places, scatter
from fraud_model.kernel.typical import (
    LARGE_KINDS,
    TYPICAL_KINDS,
    typical_amounts,
    typical_features,
    window_large,
)

BLOCK_ROWS = 8_192
"""Rows of a block; one entity with more is a block of its own."""
LARGE_WINDOW_DAYS = (7, 14)
ALL_HISTORY = -1


@dataclass(frozen=True)
class Side:
    """Payments sorted by one side of them, payer or payee, and what to find out about it.

    Attributes:
        grouped: Rows in order of entity and time.
        others: The other side of each row.
        places: Features wanted, as places in `definitions.BLOCK`.
        column: Column for the first of them.
        with_row: Whether the three columns before it take what a payment says by itself: amount, hour, weekday.
    """

    grouped: Grouped
    others: Codes
    places: tuple[int, ...]
    column: int
    with_row: bool = False

    def blocks(self) -> list[tuple[int, int]]:
        """Ranges of entities with about BLOCK_ROWS rows each."""
        starts = self.grouped.starts
        bounds = np.searchsorted(starts, np.arange(0, starts[-1] + BLOCK_ROWS, BLOCK_ROWS))
        bounds = np.unique(np.minimum(bounds, starts.size - 1))
        return [(int(low), int(high)) for low, high in pairwise(bounds)]

    @property
    def plan(self) -> "Plan":
        """Which loop writes into which column."""
        return Plan.of(self.places, 3 if self.with_row else 0)


@dataclass(frozen=True)
class Plan:
    """Where each loop writes its features; windows by their length in seconds, ALL_HISTORY for all.

    Attributes:
        width: Columns of a block.
        amounts: Places of AMOUNT_KINDS by window; so do the next four for their kinds.
        maxima: Of MAXIMUM_KINDS.
        others: Of OTHERS_KINDS.
        labels: Of LABEL_KINDS.
        large: Of LARGE_KINDS.
        multiples: Place of the largest multiple of the median, by window.
        habits: Places of HABIT_KINDS; None where none of them is wanted. So do the next three.
        pairs: Of PAIR_KINDS.
        typical: Of TYPICAL_KINDS.
        latest: Of LATEST_KINDS.
    """

    width: int
    amounts: tuple[tuple[int, Array], ...]
    maxima: tuple[tuple[int, Array], ...]
    others: tuple[tuple[int, Array], ...]
    labels: tuple[tuple[int, Array], ...]
    large: tuple[tuple[int, Array], ...]
    multiples: tuple[tuple[int, Array], ...]
    habits: Array | None
    pairs: Array | None
    typical: Array | None
    latest: Array | None

    @classmethod
    @cache
    def of(cls, places: tuple[int, ...], offset: int) -> "Plan":
        """The plan for features given as places in `definitions.BLOCK`, the first of them in column `offset`."""
        column = {BLOCK[place]: offset + number for number, place in enumerate(places)}

        def where(kinds: Sequence[str], window: str) -> Array | None:
            found = np.array([column.get((kind, window), -1) for kind in kinds], np.int64)
            return found if (found >= 0).any() else None

        def windows(kinds: Sequence[str], days: Sequence[int]) -> tuple[tuple[int, Array], ...]:
            named = [(f"{length}d", length * DAY) for length in days]
            found = [(seconds, where(kinds, name)) for name, seconds in [*named, (ALL, ALL_HISTORY)]]
            return tuple((seconds, at) for seconds, at in found if at is not None)

        maxima = windows(MAXIMUM_KINDS, WINDOW_DAYS)
        ratio = where((MAXIMUM_KINDS[1],), "")
        if ratio is not None:  # the ratio to the largest amount has no window in its name, and is of all history
            rest = [at for seconds, at in maxima if seconds == ALL_HISTORY]
            both = np.array([rest[0][0] if rest else -1, ratio[0]], np.int64)
            maxima = (*(item for item in maxima if item[0] != ALL_HISTORY), (ALL_HISTORY, both))
        return cls(
            width=offset + len(places),
            amounts=windows(AMOUNT_KINDS, WINDOW_DAYS),
            maxima=maxima,
            others=windows(OTHERS_KINDS, WINDOW_DAYS),
            labels=windows(LABEL_KINDS, RISK_WINDOW_DAYS),
            large=windows(LARGE_KINDS, LARGE_WINDOW_DAYS),
            multiples=windows(("largest_multiple", "-"), LARGE_WINDOW_DAYS),
            habits=where(HABIT_KINDS, ""),
            pairs=where(PAIR_KINDS, ""),
            typical=where(TYPICAL_KINDS, ""),
            latest=where(LATEST_KINDS, ""),
        )


class _Block:
    """The keys of one block, and where windows begin in it."""

    def __init__(self, keys: Keys, others: Codes, rows: Array, bounds: Array, wanted: Array) -> None:
        self.rows = rows.astype(np.intp)  # once, and not at each of the gatherings
        self.bounds, self.wanted = bounds, wanted
        self.times = keys.seconds(self.rows)
        self.amounts, self.cents = keys.amounts_and_cents(self.rows)
        self._keys, self._others = keys, others
        self._since: dict[int, Array] = {}

    @cached_property
    def slots(self) -> Array:
        return counterparty_slots(self._others.of(self.rows), self.bounds)

    @cached_property
    def labels(self) -> Array:
        return self._keys.labels[self.rows]

    @cached_property
    def sums(self) -> Array:
        return running_sums(self.cents)

    @property
    def now(self) -> Array:
        """The first place of each wanted one's own second: where its history ends."""
        return self.since(0)

    def since(self, back: int) -> Array:
        if back not in self._since:
            self._since[back] = first_since(self.times, self.bounds, self.wanted, back)
        return self._since[back]


def write_block(
    side: Side, entities: tuple[int, int], keys: Keys, delay: int, first: int, last: int, out: Array
) -> None:
    """Write the features that a range of entities gives to the rows in [first, last).

    Args:
        side: The payments by payer or by payee.
        entities: First entity, and one past the last.
        keys: The keys of all rows.
        delay: Seconds until a label is known.
        first: Row that stands first in `out`; rows outside [first, last) serve as history only.
        last: One past the last row of `out`.
        out: Shape (last - first, columns), float32, written in place.
    """
    starts = side.grouped.starts
    bounds = starts[entities[0] : entities[1] + 1] - starts[entities[0]]
    rows = side.grouped.order[starts[entities[0]] : starts[entities[1]]]
    if first == 0 and last == len(keys):
        wanted = np.arange(rows.size, dtype=np.int32)
    else:
        rows, bounds, wanted = needed_places(rows, bounds, first, last)
        if not wanted.size:
            return
    block = _Block(keys, side.others, rows, bounds, wanted)
    columns = np.empty((side.plan.width, wanted.size), np.float32)
    if side.with_row:
        row_features(block.amounts, block.times, wanted, columns)
    _write_amounts(block, side.plan, columns)
    _write_typical(block, side.plan, columns)
    _write_labels(block, side.plan, delay, columns)
    scatter(columns, rows, wanted, first, side.column - (3 if side.with_row else 0), out)


def _write_amounts(block: _Block, plan: Plan, columns: Array) -> None:
    for window, where in plan.amounts:
        window_amounts(block.amounts, block.sums, block.wanted, block.since(window), block.now, where, columns)
    for window, where in plan.maxima:
        window_maximum(
            block.amounts, block.amounts, block.bounds, block.wanted, block.since(window), block.now, where, columns
        )
    for window, where in plan.others:
        window_others(
            block.slots, block.cents, block.bounds, block.wanted, block.since(window), block.now, where, columns
        )
    if plan.habits is not None:
        habits(block.times, block.cents, block.bounds, block.wanted, block.now, plan.habits, columns)
    if plan.pairs is not None:
        pair_history(
            block.slots, block.times, block.cents, block.amounts, block.bounds, block.wanted, block.now, plan.pairs,
            columns,
        )  # fmt: skip


def _write_typical(block: _Block, plan: Plan, columns: Array) -> None:
    if plan.typical is None and not plan.large and not plan.multiples:
        return
    medians, spreads, multiples, large_before, last_large = typical_amounts(block.times, block.cents, block.bounds)
    if plan.typical is not None:
        typical_features(
            block.amounts, block.times, medians, spreads, last_large, block.wanted, block.now, plan.typical, columns
        )
    for window, where in plan.large:
        window_large(large_before, block.sums, block.since(window), block.now, where, columns)
    for window, where in plan.multiples:
        window_maximum(
            block.amounts, multiples, block.bounds, block.wanted, block.since(window), block.now, where, columns
        )


def _write_labels(block: _Block, plan: Plan, delay: int, columns: Array) -> None:
    if plan.latest is None and not plan.labels:
        return
    matured = block.since(delay)
    if plan.labels:
        counts = running_labels(block.labels)
        for window, where in plan.labels:
            since = block.since(ALL_HISTORY if window == ALL_HISTORY else delay + window)
            window_labels(counts, since, matured, where, columns)
    if plan.latest is not None:
        latest_labels(block.times, block.labels, block.bounds, block.wanted, matured, plan.latest, columns)
