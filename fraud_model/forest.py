"""A compiled predictor for LightGBM's trees: the same raw scores, many times as fast.

    forest = Forest.of(booster)          # None where the trees are of a kind that only LightGBM itself predicts
    raw = forest.raw_scores(matrix)      # as booster.predict(matrix, raw_score=True), to the last bit

Method: QuickScorer's bit masks (Lucchese and others, "QuickScorer: a Fast Algorithm to Rank Documents with Additive
Ensembles of Regression Trees", SIGIR 2015). The thresholds of a feature cut its values into bins. For each bin and
tree, a mask tells which leaves can still be reached; the masks of all features of a row, combined by AND, leave one bit
for each tree: its leaf. So there are no branches, and the loop over trees runs on vectors. Unlike there, masks exclude
the leaves on both sides of a decision, so that exactly one is left and the order of leaves does not matter.
"""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fraud_model.forest_loops import add_leaves
from fraud_model.kernel.compiled import Array

if TYPE_CHECKING:
    import lightgbm as lgb

MOST_LEAVES = 64
MOST_TABLE_BYTES = 256 << 20
TILE_TREES = 128
"""Trees whose masks are read together: few enough to stay in the processor's cache."""
_ROWS_A_TASK = 16_384
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_ZERO, _NAN = 1, 2
_PLAIN = {"num_class": "1", "num_tree_per_iteration": "1"}


class UnsupportedTreesError(Exception):
    """Trees that only LightGBM itself can predict."""


@dataclass(frozen=True)
class Tree:
    """One tree as LightGBM writes it. Children below 0 are leaves: -1 the first, -2 the second.

    Attributes:
        features: Feature of each inner node, shape (nodes,).
        thresholds: Values above go right; for a categorical node, the number of its set of categories.
        kinds: LightGBM's decision type of each node: bits for categorical, default left, and how missing is told.
        left: Left children.
        right: Right children.
        values: Leaf values, float64.
        categories: Sets of categories that go left.
    """

    features: Array
    thresholds: Array
    kinds: Array
    left: Array
    right: Array
    values: Array
    categories: tuple[frozenset[int], ...]


class Forest:
    """Trees turned into masks by feature and bin.

    Attributes:
        features: Number of features.
    """

    def __init__(self, trees: list[Tree], features: int) -> None:
        self.features = features
        leaves = max(tree.values.size for tree in trees)
        if leaves > MOST_LEAVES:
            raise UnsupportedTreesError(f"{leaves} leaves")
        bits = next(bits for bits in (16, 32, 64) if leaves <= bits)
        kind = np.dtype(f"uint{bits}")
        self._cuts, self._cut_starts, categories = _cuts(trees, features)
        self._category_counts = np.array(categories, np.int64)
        widths = np.where(self._category_counts > 0, self._category_counts + 1, np.diff(self._cut_starts) + 2)
        self._row_starts = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        tiles = -(-len(trees) // TILE_TREES)
        if tiles * TILE_TREES * self._row_starts[-1] * kind.itemsize > MOST_TABLE_BYTES:
            raise UnsupportedTreesError("too many trees and thresholds")
        every = (1 << np.arange(1, bits + 1, dtype=object)) - 1
        self._masks = np.empty((tiles, int(self._row_starts[-1]), TILE_TREES), kind)
        self._masks[:] = 1  # trees that fill up the last tile have one leaf, of value 0
        self._values = np.zeros((tiles * TILE_TREES, bits), np.float64)
        for number, tree in enumerate(trees):
            self._values[number, : tree.values.size] = tree.values
            column = self._masks[number // TILE_TREES, :, number % TILE_TREES]
            column[:] = int(every[tree.values.size - 1])
            self._exclude(tree, column)
        self._used = np.array([feature for feature in range(features) if widths[feature] > 2], np.int64)

    @classmethod
    def of(cls, booster: "lgb.Booster") -> "Forest | None":
        """The trees of a booster; None for trees of linear models, several classes, or too many leaves."""
        try:
            trees, features = read_trees(booster.model_to_string(num_iteration=-1))
            return cls(trees, features)
        except UnsupportedTreesError:
            return None

    def raw_scores(self, matrix: Array) -> Array:
        """Raw scores (log-odds), shape (rows,), float64.

        Args:
            matrix: Features, shape (rows, features), float32, missing as NaN.
        """
        matrix = np.ascontiguousarray(matrix, np.float32)
        if matrix.shape[1] != self.features:
            raise ValueError(f"the trees know {self.features} features, the table has {matrix.shape[1]}")
        scores = np.zeros(len(matrix))

        def add(part: tuple[int, int]) -> None:
            add_leaves(
                matrix[part[0] : part[1]], self._used, self._cuts, self._cut_starts, self._category_counts,
                self._row_starts, self._masks, self._values, scores[part[0] : part[1]],
            )  # fmt: skip

        bounds = [*range(0, len(matrix), _ROWS_A_TASK), len(matrix)]
        parts = list(pairwise(bounds))
        if len(parts) <= 1:
            add((0, len(matrix)))
        else:
            with ThreadPoolExecutor(_cores()) as pool:
                list(pool.map(add, parts))
        return scores

    def _exclude(self, tree: Tree, column: Array) -> None:
        """Take from each bin's mask the leaves that a value in it cannot reach."""
        if not tree.features.size:
            return
        below = _leaves_below(tree)
        for node, feature in enumerate(tree.features):
            start, stop = self._row_starts[feature], self._row_starts[feature + 1]
            right = self._goes_right(tree, node, int(feature), int(stop - start))
            part = column[start:stop]
            part[right] &= column.dtype.type(~below[tree.left[node]] & int(np.iinfo(column.dtype).max))
            part[~right] &= column.dtype.type(~below[tree.right[node]] & int(np.iinfo(column.dtype).max))

    def _goes_right(self, tree: Tree, node: int, feature: int, bins: int) -> Array:
        """Which bins of the node's feature go right; the last bin is that of missing or unknown values."""
        if self._category_counts[feature]:
            known = tree.categories[int(tree.thresholds[node])]
            return np.array([code not in known for code in range(bins - 1)] + [True])
        cuts = self._cuts[self._cut_starts[feature] : self._cut_starts[feature + 1]]
        threshold = _rounded_down(tree.thresholds[node])
        right = np.arange(bins) > np.searchsorted(cuts, threshold)
        if (tree.kinds[node] >> 2) & 3 == _NAN:
            right[-1] = not tree.kinds[node] & _DEFAULT_LEFT
        else:
            right[-1] = tree.thresholds[node] < 0  # a missing value counts as zero
        return right


def read_trees(text: str) -> tuple[list[Tree], int]:
    """Trees and number of features from LightGBM's model text.

    Raises:
        UnsupportedTreesError: linear leaves, several classes, a mean over trees, or zeros that count as missing.
    """
    head, *blocks = re.split(r"^Tree=\d+$", text.split("end of trees")[0], flags=re.MULTILINE)
    facts = _facts(head)
    if any(facts.get(name, value) != value for name, value in _PLAIN.items()) or "average_output" in head.split():
        raise UnsupportedTreesError("several classes, or a mean over trees")
    if not blocks:
        raise UnsupportedTreesError("no trees")
    return [_tree(_facts(block)) for block in blocks], int(facts["max_feature_idx"]) + 1


def _tree(facts: dict[str, str]) -> Tree:
    if facts.get("is_linear", "0") != "0":
        raise UnsupportedTreesError("linear leaves")

    def numbers(name: str, kind: Any) -> Array:
        return np.array(facts.get(name, "").split(), dtype=kind)

    kinds = numbers("decision_type", np.int64)
    if (((kinds >> 2) & 3) == _ZERO).any():
        raise UnsupportedTreesError("zeros that count as missing")
    bounds, words = numbers("cat_boundaries", np.int64), numbers("cat_threshold", np.int64)
    categories = []
    for low, high in pairwise(bounds):
        inside = [32 * at + bit for at, word in enumerate(words[low:high]) for bit in range(32) if int(word) >> bit & 1]
        categories.append(frozenset(inside))
    single = int(facts["num_leaves"]) == 1
    return Tree(
        features=numbers("split_feature", np.int64) if not single else np.empty(0, np.int64),
        thresholds=numbers("threshold", np.float64),
        kinds=kinds,
        left=numbers("left_child", np.int64),
        right=numbers("right_child", np.int64),
        values=numbers("leaf_value", np.float64),
        categories=tuple(categories),
    )


def _facts(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _cuts(trees: list[Tree], features: int) -> tuple[Array, Array, list[int]]:
    """Thresholds of each feature, ascending, where each feature's start, and how many category codes it has."""
    found: list[set[np.float32]] = [set() for _ in range(features)]
    codes = [0] * features
    for tree in trees:
        for feature, threshold, kind in zip(tree.features, tree.thresholds, tree.kinds, strict=True):
            if kind & _CATEGORICAL:
                codes[feature] = max(codes[feature], 1 + max(tree.categories[int(threshold)], default=0))
            else:
                found[feature].add(_rounded_down(threshold))
    if any(count and cuts for count, cuts in zip(codes, found, strict=True)):
        raise UnsupportedTreesError("a feature that is both a number and a category")
    starts = np.concatenate([[0], np.cumsum([len(cuts) for cuts in found])]).astype(np.int64)
    return np.array([cut for cuts in found for cut in sorted(cuts)], np.float32), starts, codes


def _rounded_down(threshold: float) -> np.float32:
    """The largest float32 that is not above a float64: no float32 lies between the two."""
    with np.errstate(over="ignore"):
        rounded = np.float32(threshold)
    return rounded if float(rounded) <= threshold else np.nextafter(rounded, np.float32(-np.inf))


def _leaves_below(tree: Tree) -> dict[int, int]:
    """Of each node and leaf, the leaves below it as bits."""
    below = {-1 - leaf: 1 << leaf for leaf in range(tree.values.size)}
    # LightGBM numbers a node before those that come out of its leaves, so children come later.
    for node in range(tree.features.size - 1, -1, -1):
        below[node] = below[int(tree.left[node])] | below[int(tree.right[node])]
    return below


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
