"""The classifier: a scikit-learn pipeline from a feature table to fraud probabilities."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline

from fraud_model.definitions import feature_names
from fraud_model.ensemble import average_boosters
from fraud_model.errors import DataError
from fraud_model.metrics import Array
from fraud_model.schema import TransactionSchema

DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_child_samples": 50,
    "colsample_bytree": 0.5,
    "subsample": 0.8,
    "subsample_freq": 1,
    "reg_lambda": 5.0,
    "max_bin": 4_000,
    "min_data_in_bin": 1,
}
"""Settings of the trees. Fraud lives in the tails of amounts and counts: of LightGBM's usual 255 bins, the last holds
thousands of payments, and no tree can tell those above a fraudster's amount from those just below."""
MOST_TREES = 400
TREES_WITHOUT_STOPPING = 120
MEMBERS = 4
"""Boosters whose mean is the model; more of them gain little and cost prediction time."""
_VARIED: dict[str, Any] = {"colsample_bytree": 1.0, "colsample_bynode": 0.1}
_MORE_VARIED_TREES = 1.25
"""Every second booster sees another tenth of the features at each split, as the trees of a random forest do, and has
more trees for it: the two kinds err in different places, and their mean orders both rare and plain fraud better."""
_PATIENCE = 40
_PARTS = 3
_LEAST_FRAUDS = 5
_FEW_ROWS = 50_000
_ROWS_A_BIN = 10


class FeatureMatrix(TransformerMixin, BaseEstimator):
    """Takes the wanted feature columns, in the wanted order, as one float32 matrix.

    Args:
        columns: Feature columns in the order of the classifier.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns

    def fit(self, features: pd.DataFrame, labels: Array | None = None) -> Self:
        """Check that the columns are there.

        Raises:
            DataError: a feature column is missing.
        """
        missing = [name for name in self.columns if name not in features.columns]
        if missing:
            raise DataError(f"feature columns missing: {', '.join(missing)}")
        self.n_features_in_ = len(self.columns)
        return self

    def transform(self, features: pd.DataFrame) -> Array:
        """The matrix, shape (rows, len(columns)), float32."""
        if list(features.columns) != list(self.columns):
            features = features[list(self.columns)]
        return features.to_numpy(np.float32)


def make_pipeline(columns: Sequence[str], trees: int, seed: int, **params: Any) -> Pipeline:
    """An unfitted pipeline: feature matrix, then LightGBM.

    Args:
        columns: Feature columns.
        trees: Number of trees.
        seed: The same seed on the same rows gives the same trees.
        params: LightGBM settings that replace the defaults.
    """
    classifier = lgb.LGBMClassifier(
        n_estimators=trees,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
        **({"n_jobs": cores()} | DEFAULTS | params),
    )
    return Pipeline([("matrix", FeatureMatrix(list(columns))), ("classifier", classifier)])


def fit(
    pipeline: Pipeline,
    features: pd.DataFrame,
    labels: Array,
    categorical: Sequence[str] = (),
    weights: Array | None = None,
) -> Pipeline:
    """Fit a pipeline.

    Args:
        pipeline: From `make_pipeline`.
        features: Shape (rows, features).
        labels: 1 fraud, 0 legitimate, shape (rows,).
        categorical: Feature columns that hold category codes.
        weights: How much each row counts, shape (rows,); all alike by default.
    """
    settings = _named(pipeline, categorical, "classifier__")
    return pipeline.fit(features, labels.astype(np.int8), classifier__sample_weight=weights, **settings)


def choose_trees(
    pipeline: Pipeline,
    features: pd.DataFrame,
    labels: Array,
    payees: Array,
    categorical: Sequence[str] = (),
    weights: Array | None = None,
) -> int:
    """How many trees, by early stopping on payments to payees that the trees have not seen.

    Fraud at one payee goes on for weeks, so trees that know its payees by heart look good on their later payments;
    once these labels are known, the features say the same, and what was learned by heart only blurs the rest.

    Args:
        pipeline: Unfitted; not changed.
        features: Shape (rows, features).
        labels: 1 fraud, 0 legitimate, shape (rows,).
        payees: Who was paid, shape (rows,).
        categorical: Feature columns that hold category codes.
        weights: How much each row counts, shape (rows,); all alike by default.
    """
    part = payee_parts(payees)
    if min(labels[part == each].sum() for each in range(_PARTS)) < _LEAST_FRAUDS:
        return TREES_WITHOUT_STOPPING
    matrix = clone(pipeline.named_steps["matrix"]).fit(features).transform(features)
    given = pipeline.named_steps["classifier"].get_params()
    known = {name: value for name, value in given.items() if name not in ("n_estimators", "importance_type")}
    settings = {name: value for name, value in known.items() if value is not None}
    found = lgb.cv(
        {**settings, "objective": "binary", "metric": "binary_logloss"},
        lgb.Dataset(
            matrix,
            labels.astype(np.int8),
            weight=weights,
            categorical_feature=_named(pipeline, categorical).get("categorical_feature", []),
            free_raw_data=False,
            params={"verbosity": -1},
        ),
        num_boost_round=MOST_TREES,
        folds=[(np.flatnonzero(part != each), np.flatnonzero(part == each)) for each in range(_PARTS)],
        callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
    )
    means = found["valid binary_logloss-mean"]
    assert isinstance(means, list), "LightGBM gives the mean after each tree, up to the best"
    # The final fit has more rows, which carry a few more trees.
    return max(20, int(1.1 * len(means)))


def payee_parts(payees: Array) -> Array:
    """A part from 0 to 2 for each row, shape (rows,), int64; all payments to one payee are in the same.

    Args:
        payees: Who was paid, shape (rows,); those missing count as one.
    """
    codes, names = pd.factorize(payees, use_na_sentinel=False)
    return np.random.default_rng(0).integers(0, _PARTS, len(names))[codes]


def fit_trees(
    features: pd.DataFrame,
    labels: Array,
    payees: Array,
    schema: TransactionSchema,
    seed: int,
    members: int = MEMBERS,
    params: Mapping[str, Any] | None = None,
    weights: Array | None = None,
    trees: int | None = None,
) -> tuple[lgb.Booster, int]:
    """The trees that training registers: their number from payees held out in turn, then fitted on all rows.

    Args:
        features: Shape (rows, features).
        labels: 1 fraud, 0 legitimate, shape (rows,).
        payees: Who was paid, shape (rows,).
        schema: For the feature names.
        seed: The same seed on the same rows gives the same trees.
        members: Boosters of different seeds to average, every second with varied features.
        params: LightGBM settings that replace those of `DEFAULTS`.
        weights: How much each row counts, shape (rows,); all alike by default.
        trees: Trees of the first member; found by early stopping on payees held out when left out.

    Returns:
        The mean of the members as one booster, and the number of trees of the first.
    """
    # Small tables need small leaves: with the default minimum, a few thousand rows would give one leaf.
    least = int(np.clip(len(labels) // 1_000, 10, DEFAULTS["min_child_samples"]))
    threads = cores() if len(labels) >= _FEW_ROWS else 1  # few rows: waiting for each other costs more
    bins = int(np.clip(len(labels) // _ROWS_A_BIN, 255, DEFAULTS["max_bin"]))  # more only take time
    settings = {"min_child_samples": least, "max_bin": bins, "n_jobs": threads, **(params or {})}
    pipeline = make_pipeline(feature_names(schema), 1, seed, **settings)
    if trees is None:
        trees = choose_trees(pipeline, features, labels, payees, schema.categorical, weights)
    boosters = []
    for member in range(members):
        varied = member % 2 == 1
        count = int(_MORE_VARIED_TREES * trees) if varied else trees
        pipeline = make_pipeline(
            feature_names(schema), count, seed + 1_000 * member, **settings | (_VARIED if varied else {})
        )
        fit(pipeline, features, labels, schema.categorical, weights)
        boosters.append(booster_of(pipeline))
    return average_boosters(boosters), trees


def booster_of(pipeline: Pipeline) -> lgb.Booster:
    """The fitted trees."""
    return pipeline.named_steps["classifier"].booster_


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _named(pipeline: Pipeline, categorical: Sequence[str], prefix: str = "") -> dict[str, list[int]]:
    """The places of categorical columns as a fit setting; none where there are none."""
    columns = list(pipeline.named_steps["matrix"].columns)
    return {f"{prefix}categorical_feature": [columns.index(name) for name in categorical]} if categorical else {}
