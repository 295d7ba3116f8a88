"""The classifier: LightGBM trees of a feature table, the mean of a few boosters, fitted on the payments of one period.

    fitted = fit_trees(features, labels, payees, schema, seed=0)
    fitted.booster.predict(matrix, raw_score=True)      # log-odds, calibrated on later days by whoever trains
    fitted.probabilities(matrix)                        # calibrated on payees that the trees had not seen

How many trees there are, and whether the labels leave room for unreported fraud, payees held out decide.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from fraud_model.calibration import Calibrator, fit_calibrator
from fraud_model.definitions import feature_names
from fraud_model.ensemble import average_boosters
from fraud_model.metrics import Array
from fraud_model.schema import TransactionSchema
from fraud_model.unreported import SINCE_LEGITIMATE, labels_with_unreported

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
UNREPORTED = (0.0, 1.5)
"""How much unreported fraud is tried, as a multiple of the known."""
_BINS_TO_CHOOSE = 1_000  # finer ones take time and change no choice
_HASTE = 2
"""Trees are counted at twice the learning rate, which takes half as many and half the time."""
_PATIENCE = 20
_PARTS = 3
_LEAST_FRAUDS = 5
_FEW_ROWS = 50_000
_ROWS_A_BIN = 10
_LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class FittedTrees:
    """What fitting made.

    Attributes:
        booster: The mean of the members as one booster; its raw scores are log-odds.
        trees: Number of trees of the first member.
        unreported: Unreported fraud that the labels were given, as a multiple of the known; one of `UNREPORTED`.
        calibrator: From raw score to probability, as payees held out had it; None where too little fraud was known.
    """

    booster: lgb.Booster
    trees: int
    unreported: float = 0.0
    calibrator: Calibrator | None = None

    def probabilities(self, matrix: Array) -> Array:
        """Fraud probabilities in [0, 1], shape (rows,), in the order of the raw scores.

        Args:
            matrix: Features, shape (rows, features), float32, missing as NaN.
        """
        raw = np.asarray(self.booster.predict(matrix, raw_score=True))
        return self.calibrator.probabilities(raw) if self.calibrator is not None else 1.0 / (1.0 + np.exp(-raw))


@dataclass(frozen=True)
class Choice:
    """What payees held out say is best.

    Attributes:
        trees: Number of trees.
        unreported: Unreported fraud to give the labels, one of `UNREPORTED`.
        calibrator: From raw score to probability, fitted on the payees held out; None where they were not asked.
    """

    trees: int
    unreported: float = 0.0
    calibrator: Calibrator | None = None


def choose(
    matrix: Array,
    labels: Array,
    payees: Array,
    since_legitimate: Array,
    settings: Mapping[str, Any],
    weights: Array | None = None,
    categorical: Sequence[int] = (),
    tried: Sequence[float] = UNREPORTED,
) -> Choice:
    """How many trees, and whether to assume unreported fraud, by payments to payees that the trees have not seen.

    Fraud at one payee goes on for weeks, so trees that know its payees by heart look good on their later payments;
    once these labels are known, the features say the same, and what was learned by heart only blurs the rest.

    Args:
        matrix: Features, shape (rows, features), float32.
        labels: 1 fraud, 0 legitimate, shape (rows,).
        payees: Who was paid, shape (rows,).
        since_legitimate: See `labels_with_unreported`, shape (rows,).
        settings: LightGBM settings.
        weights: How much each row counts, shape (rows,); all alike by default.
        categorical: Places of the features that hold category codes.
        tried: Amounts of unreported fraud to choose from; the first also decides on the number of trees.
    """
    part = payee_parts(payees)
    if min(labels[part == each].sum() for each in range(_PARTS)) < _LEAST_FRAUDS:
        return Choice(TREES_WITHOUT_STOPPING)
    settings = {
        **settings,
        "max_bin": min(settings["max_bin"], _BINS_TO_CHOOSE),
        "learning_rate": _HASTE * settings["learning_rate"],
    }
    dataset = _dataset(matrix, labels, weights, categorical, settings)
    folds = [(np.flatnonzero(part != each), np.flatnonzero(part == each)) for each in range(_PARTS)]
    best, least, rounds = Choice(TREES_WITHOUT_STOPPING), np.inf, None
    for unreported in tried:
        dataset.set_label(labels_with_unreported(labels, since_legitimate, unreported))
        boosters = _held_out(settings, dataset, folds, rounds)
        # Labels with unreported fraud hardly stop early: there is always a little more of their smooth part to fit.
        rounds = rounds or boosters.best_iteration
        raw = np.empty(len(labels))
        for booster, (_, held_out) in zip(boosters.boosters, folds, strict=True):
            raw[held_out] = booster.predict(
                matrix[held_out], raw_score=True, num_iteration=rounds, validate_features=False
            )
        if (loss := _loss(raw, labels)) < least:
            # The final fit has more rows, which carry a few more trees.
            trees = max(20, int(1.1 * _HASTE * rounds))
            best, least = Choice(trees, unreported, fit_calibrator(raw, labels)), loss
    return best


def _held_out(
    settings: Mapping[str, Any], dataset: lgb.Dataset, folds: list[tuple[Array, Array]], rounds: int | None
) -> lgb.CVBooster:
    """A booster for each fold, of so many trees, or of as many as help on average."""
    found = lgb.cv(
        {**settings, "metric": "cross_entropy"},
        dataset,
        num_boost_round=rounds or MOST_TREES // _HASTE,
        folds=folds,
        callbacks=[] if rounds else [lgb.early_stopping(_PATIENCE, verbose=False)],
        return_cvbooster=True,
    )
    boosters = found["cvbooster"]
    assert isinstance(boosters, lgb.CVBooster), "asked for"
    return boosters


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
) -> FittedTrees:
    """The trees that training registers: chosen on payees held out in turn, then fitted on all rows.

    Args:
        features: Shape (rows, features).
        labels: 1 fraud, 0 legitimate, shape (rows,).
        payees: Who was paid, shape (rows,).
        schema: For the feature names.
        seed: The same seed on the same rows gives the same trees.
        members: Boosters of different seeds to average, every second with varied features.
        params: LightGBM settings that replace those of `DEFAULTS`.
        weights: How much each row counts, shape (rows,); all alike by default.
        trees: Trees of the first member, without unreported fraud; when left out, payees held out choose both.
    """
    # Small tables need small leaves: with the default minimum, a few thousand rows would give one leaf.
    least = int(np.clip(len(labels) // 1_000, 10, DEFAULTS["min_child_samples"]))
    threads = cores() if len(labels) >= _FEW_ROWS else 1  # few rows: waiting for each other costs more
    bins = int(np.clip(len(labels) // _ROWS_A_BIN, 255, DEFAULTS["max_bin"]))  # more only take time
    settings = {
        "objective": "cross_entropy",  # the usual log loss, which also takes labels between 0 and 1
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
        "seed": seed,
        **DEFAULTS,
        "min_child_samples": least,
        "max_bin": bins,
        "n_jobs": threads,
        **(params or {}),
    }
    names = list(feature_names(schema))
    matrix = features[names].to_numpy(np.float32)
    categorical = [names.index(name) for name in schema.categorical]
    since_legitimate = features[SINCE_LEGITIMATE].to_numpy()
    chosen = Choice(trees) if trees is not None else None
    chosen = chosen or choose(matrix, labels, payees, since_legitimate, settings, weights, categorical)
    targets = labels_with_unreported(labels, since_legitimate, chosen.unreported)
    dataset = _dataset(matrix, targets, weights, categorical, settings)
    boosters = [
        lgb.train(own, dataset, num_boost_round=count)
        for own, count in (_member(settings, chosen.trees, seed, member) for member in range(members))
    ]
    return FittedTrees(average_boosters(boosters), chosen.trees, chosen.unreported, chosen.calibrator)


def _dataset(
    matrix: Array, labels: Array, weights: Array | None, categorical: Sequence[int], settings: Mapping[str, Any]
) -> lgb.Dataset:
    """The rows as LightGBM bins them, once for all the boosters that are fitted to them."""
    return lgb.Dataset(
        matrix,
        labels,
        weight=weights,
        categorical_feature=list(categorical),
        free_raw_data=False,
        params={name: settings[name] for name in ("max_bin", "min_data_in_bin", "feature_pre_filter", "verbosity")},
    )


def _member(settings: Mapping[str, Any], trees: int, seed: int, member: int) -> tuple[dict[str, Any], int]:
    """Settings and number of trees of one booster."""
    own: dict[str, Any] = {**settings, "seed": seed + 1_000 * member}
    if member % 2 == 0:
        return own, trees
    return own | _VARIED, int(_MORE_VARIED_TREES * trees)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _loss(raw: Array, labels: Array) -> float:
    """Log loss, summed, of raw scores turned into probabilities by the best rising steps: it judges their order."""
    share = IsotonicRegression(y_min=_LEAST_SHARE, y_max=1 - _LEAST_SHARE).fit_transform(raw, labels)
    return -float(np.sum(labels * np.log(share) + (1 - labels) * np.log(1 - share)))
