"""Detection quality on prequential folds: a simple LightGBM, this project's model, and what else training can fit.

    python -m benchmarks.training FILE --schema cards --first-test-day 2018-05-30 [--train-days 7 60] [--kinds]

The baseline is one LightGBM (200 trees of 15 leaves, the usual moderate settings) on features that anyone would start
with, strictly before the payment: count and mean of the payer over 1, 7 and 30 days, the amount against the mean over
7 and 30 days, count and delayed share of fraud of the payee over 1, 7 and 30 days, with amount, hour and weekday. With
`--kinds`, every kind of model and each way with rare fraud follows, on this project's features.
"""

import argparse
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

import fraud_model.backtest as prequential
from benchmarks.machine import machine
from fraud_model.candidates import FittedTrees, cores, fit_trees
from fraud_model.data import read_transactions
from fraud_model.definitions import BLOCK
from fraud_model.entities import read_keys
from fraud_model.features import FeatureTable, compute_features
from fraud_model.learners import IMBALANCES, KINDS, Learner, Recipe, fit_recipe
from fraud_model.metrics import Array
from fraud_model.schema import TransactionSchema, load_schema

FIGURES = ("average_precision", "card_precision_at_100", "roc_auc")
CLASSICAL: dict[str, tuple[tuple[str, str], ...]] = {
    "payer": (
        *((kind, window) for kind in ("count", "mean") for window in ("1d", "7d", "30d")),
        ("ratio", "7d"),
        ("ratio", "30d"),
    ),
    "payee": tuple((kind, window) for kind in ("count", "fraud_share") for window in ("1d", "7d", "30d")),
}
SIMPLE: dict[str, Any] = {
    "n_estimators": 200,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_child_samples": 50,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.8,
    "reg_lambda": 1.0,
}

Features = Callable[[pd.DataFrame, TransactionSchema], pd.DataFrame]
Fit = Callable[[pd.DataFrame, Array, Array, TransactionSchema, int], Any]


def classical_features(frame: pd.DataFrame, schema: TransactionSchema) -> pd.DataFrame:
    """The baseline's features, shape (rows, 17), float32."""
    places = {role: tuple(BLOCK.index(feature) for feature in wanted) for role, wanted in CLASSICAL.items()}
    table = FeatureTable(read_keys([frame], schema), schema, places["payer"], places["payee"])
    return pd.DataFrame(table.rows(0, len(table)))


def simple_trees(
    features: pd.DataFrame, labels: Array, payees: Array, schema: TransactionSchema, seed: int
) -> FittedTrees:
    """The baseline's model."""
    model = lgb.LGBMClassifier(random_state=seed, verbosity=-1, n_jobs=cores(), deterministic=True, **SIMPLE)
    return FittedTrees(model.fit(features.to_numpy(), labels.astype(np.int8)).booster_, SIMPLE["n_estimators"])


class _Scores:
    """Any learner where fitted trees are expected."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner

    def probabilities(self, matrix: Array) -> Array:
        return 1.0 / (1.0 + np.exp(-self._learner.raw_scores(matrix)))


def fit_of(recipe: Recipe) -> Fit:
    """A recipe as what the folds call."""

    def fit(features: pd.DataFrame, labels: Array, payees: Array, schema: TransactionSchema, seed: int) -> _Scores:
        return _Scores(fit_recipe(features, labels, payees, schema, seed, recipe))

    return fit


def measured(
    frame: pd.DataFrame, schema: TransactionSchema, features: Features, fit: Fit, folds: dict[str, Any]
) -> tuple[dict[str, float], float]:
    """Mean figures over the folds, and the seconds that took: the folds are the same, only these two are others."""
    prequential.compute_features, prequential.fit_trees = features, fit  # type: ignore[assignment]
    try:
        started = time.perf_counter()
        return prequential.backtest(frame, schema, **folds).mean, time.perf_counter() - started
    finally:
        prequential.compute_features, prequential.fit_trees = compute_features, fit_trees


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="cards")
    parser.add_argument("--first-test-day", type=datetime.fromisoformat, required=True)
    parser.add_argument("--train-days", type=int, nargs="+", default=[7, 60])
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--kinds", action="store_true", help="also every kind of model and way with rare fraud")
    arguments = parser.parse_args()
    schema = load_schema(arguments.schema)
    frame = read_transactions(arguments.file, schema)
    ways: dict[str, tuple[Features, Fit]] = {
        "simple LightGBM": (classical_features, simple_trees),
        "this project": (compute_features, fit_trees),
    }
    if arguments.kinds:
        every = [Recipe(kind, imbalance) for kind in KINDS for imbalance in IMBALANCES]
        ways |= {recipe.name: (compute_features, fit_of(recipe)) for recipe in every if recipe != Recipe()}
    print(machine())
    print(f"{'training days':<15}{'model':<38}{'AP':>7}{'card P@100':>12}{'ROC AUC':>9}{'AP gain':>9}{'seconds':>9}")
    for days in arguments.train_days:
        folds = {"first_test_day": arguments.first_test_day, "train_days": days, "folds": arguments.folds}
        first: float | None = None
        for name, (features, fit) in ways.items():
            mean, seconds = measured(frame, schema, features, fit, folds)
            figures = [mean[figure] for figure in FIGURES]
            first = figures[0] if first is None else first
            print(
                f"{days:<15}{name:<38}{figures[0]:>7.3f}{figures[1]:>12.3f}{figures[2]:>9.3f}"
                f"{figures[0] - first:>+9.3f}{seconds:>9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
