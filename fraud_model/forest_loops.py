"""The compiled loop of `fraud_model.forest`: bins of a row's features, masks combined, leaves added up."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fraud_model.kernel.compiled import Array, compiled

_TILE_ROWS = 64
_ZERO = np.float32(1e-35)  # LightGBM takes what is no larger for zero


def _count_trailing_zeros(typing: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


_lowest_bit: Any = intrinsic(_count_trailing_zeros)
"""Position of the lowest bit that is set; compiled code only."""


@compiled
def add_leaves(
    matrix: Array,
    used: Array,
    cuts: Array,
    cut_starts: Array,
    category_counts: Array,
    row_starts: Array,
    masks: Array,
    values: Array,
    scores: Array,
) -> None:
    """Add the leaf values of all trees, in their order, to the scores.

    Args:
        matrix: Features, shape (rows, features), float32.
        used: Features that any tree asks for, shape (used,), int64.
        cuts: Thresholds, ascending for each feature, shape (cuts,), float32.
        cut_starts: Where each feature's start, shape (features + 1,), int64.
        category_counts: Category codes of each feature, shape (features,), int64; 0 for a number.
        row_starts: Where the bins of each feature start in `masks`, shape (features + 1,), int64.
        masks: Leaves that can be reached, shape (tiles, bins, trees of a tile), unsigned integers.
        values: Leaf values, shape (trees, leaves), float64.
        scores: Written in place, shape (rows,), float64.
    """
    rows, trees = matrix.shape[0], masks.shape[2]
    bins = np.empty((used.size, _TILE_ROWS), np.int32)
    reached = np.empty((4, trees), masks.dtype)
    column = np.empty(_TILE_ROWS, np.float32)
    counts = np.empty(_TILE_ROWS, np.int32)
    for begin in range(0, rows, _TILE_ROWS):
        size = min(_TILE_ROWS, rows - begin)
        for number in range(used.size):
            feature = used[number]
            missing = row_starts[feature + 1] - 1
            if category_counts[feature] > 0:
                for row in range(size):
                    value = matrix[begin + row, feature]
                    code = np.int64(value) if value == value and abs(value) < 1e9 else -1
                    known = 0 <= code < category_counts[feature]
                    bins[number, row] = row_starts[feature] + code if known else missing
                continue
            for row in range(size):
                value = matrix[begin + row, feature]
                column[row] = np.float32(0) if abs(value) <= _ZERO else value
            counts[:] = row_starts[feature]
            for cut in cuts[cut_starts[feature] : cut_starts[feature + 1]]:
                for row in range(_TILE_ROWS):
                    counts[row] += np.int32(column[row] > cut)
            for row in range(size):
                bins[number, row] = counts[row] if column[row] == column[row] else missing
        for tile in range(masks.shape[0]):
            table = masks[tile]
            first_tree = tile * trees
            for row in range(0, size, 4):
                together = min(4, size - row)
                for one in range(together):
                    reach = reached[one]
                    reach[:] = table[bins[0, row + one]]
                    for number in range(1, used.size - 1, 2):
                        here, there = table[bins[number, row + one]], table[bins[number + 1, row + one]]
                        for tree in range(trees):
                            reach[tree] &= here[tree] & there[tree]
                    if used.size % 2 == 0:
                        here = table[bins[used.size - 1, row + one]]
                        for tree in range(trees):
                            reach[tree] &= here[tree]
                for one in range(together, 4):
                    reached[one, :] = 1
                last = row + together - 1
                at = begin + row
                # Four sums side by side, so that each need not wait for its own last addition.
                sum_0, sum_1 = scores[at], scores[begin + min(row + 1, last)]
                sum_2, sum_3 = scores[begin + min(row + 2, last)], scores[begin + min(row + 3, last)]
                for tree in range(trees):
                    leaves = values[first_tree + tree]
                    sum_0 += leaves[_lowest_bit(reached[0, tree])]
                    sum_1 += leaves[_lowest_bit(reached[1, tree])]
                    sum_2 += leaves[_lowest_bit(reached[2, tree])]
                    sum_3 += leaves[_lowest_bit(reached[3, tree])]
                scores[at] = sum_0
                if together > 1:
                    scores[at + 1] = sum_1
                if together > 2:
                    scores[at + 2] = sum_2
                if together > 3:
                    scores[at + 3] = sum_3
