"""The kinds of model that training can try, each from a feature table to raw scores (log-odds, not yet calibrated).

    recipe = Recipe("random_forest", imbalance="undersample")
    learner = fit_recipe(features, labels, payees, schema, seed=0, recipe=recipe)
    learner.raw_scores(matrix), learner.contributions(matrix)

Fraud is rare: `weights` lets all fraud count as much as all legitimate payments, `undersample` keeps all fraud and ten
legitimate payments for each. Either shifts the scores, which calibration on later days takes back.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import lightgbm as lgb
import numpy as np
import pandas as pd

from fraud_model.candidates import cores, fit_trees
from fraud_model.definitions import feature_names
from fraud_model.errors import InputError, ModelError
from fraud_model.metrics import Array
from fraud_model.schema import TransactionSchema

KINDS = ("lightgbm", "hist_gradient_boosting", "random_forest", "logistic_regression")
IMBALANCES = ("none", "weights", "undersample")
LEGITIMATE_PER_FRAUD = 10
TRUSTED_TYPES = (
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)
"""All that a stored estimator may hold besides what skops trusts by itself; anything else is refused."""
BOOSTER, ESTIMATOR = "booster.txt", "estimator.skops"
_MOST_FOREST_ROWS = 200_000
_LEAST_SHARE = 1e-6
_PLACE = re.compile(r"_x(\d+)")


@dataclass(frozen=True)
class Recipe:
    """What to fit.

    Attributes:
        kind: One of `KINDS`.
        imbalance: One of `IMBALANCES`.
        params: Settings that replace the kind's defaults.
    """

    kind: str = "lightgbm"
    imbalance: str = "none"
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, KINDS), ("imbalance", self.imbalance, IMBALANCES)):
            if value not in known:
                raise InputError(f"{name} of a candidate is one of {', '.join(known)}, not {value!r}")

    @property
    def name(self) -> str:
        """Such as `random forest, undersample`; `own settings` tells a kind from the same with its defaults."""
        words = [self.kind.replace("_", " ")]
        if self.imbalance != "none":
            words.append(self.imbalance)
        if self.params:
            words.append("own settings")
        return ", ".join(words)


class Learner(Protocol):
    """A fitted model of any kind."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""

    @property
    def file(self) -> str:
        """Name of the file that `write` makes."""

    def raw_scores(self, matrix: Array) -> Array:
        """Log-odds, shape (rows,), of a feature matrix, float32, shape (rows, features)."""

    def contributions(self, matrix: Array) -> Array:
        """What each feature does to the raw score, shape (rows, features)."""

    def importance(self) -> Array:
        """Share of each feature in the whole, shape (features,), sums to 1; zeros where the kind tells nothing."""

    def write(self, folder: Path) -> None:
        """Write the model as `file`, without pickle."""


@dataclass(frozen=True)
class Trees:
    """LightGBM trees; contributions are TreeSHAP values.

    Attributes:
        booster: The trees.
        trees: Their number in the first member.
        unreported: Unreported fraud that was assumed, as a multiple of the known; see `unreported.py`.
    """

    booster: lgb.Booster
    trees: int = 0
    unreported: float = 0.0

    kind = "lightgbm"
    file = BOOSTER

    def raw_scores(self, matrix: Array) -> Array:
        """See `Learner`."""
        return np.asarray(self.booster.predict(matrix, raw_score=True, validate_features=False))

    def contributions(self, matrix: Array) -> Array:
        """See `Learner`; with the base value they add up to the raw score."""
        return np.asarray(self.booster.predict(matrix, pred_contrib=True))[:, :-1]

    def importance(self) -> Array:
        """Share of the total gain."""
        gain = self.booster.feature_importance("gain")
        return gain / max(float(gain.sum()), 1e-12)

    def write(self, folder: Path) -> None:
        """See `Learner`."""
        (folder / BOOSTER).write_text(self.booster.model_to_string(), encoding="utf-8")


@dataclass(frozen=True)
class Estimator:
    """A scikit-learn estimator.

    Attributes:
        estimator: Fitted; gives probabilities of a float32 matrix.
        kind: One of `KINDS`.
        usual: What is usual in training, shape (features,): the median, or the most frequent category.
    """

    estimator: Any
    kind: str
    usual: Array

    file = ESTIMATOR

    def raw_scores(self, matrix: Array) -> Array:
        """See `Learner`."""
        if not len(matrix):
            return np.empty(0)
        shares = np.clip(self.estimator.predict_proba(matrix)[:, 1], _LEAST_SHARE, 1 - _LEAST_SHARE)
        return np.log(shares / (1 - shares))

    def contributions(self, matrix: Array) -> Array:
        """How far the raw score falls when one feature is set to what is usual, the others left as they are.

        Exact for a logistic regression. For other kinds the effects need not add up to the score, since features that
        stand in for each other each look dispensable.
        """
        plain = self.raw_scores(matrix)
        effects = np.empty(matrix.shape)
        for feature in range(matrix.shape[1]):
            changed = matrix.copy()
            changed[:, feature] = self.usual[feature]
            effects[:, feature] = plain - self.raw_scores(changed)
        return effects

    def importance(self) -> Array:
        """Share of the mean size of the effects, or of the impurity gain where the kind keeps it."""
        if self.kind == "random_forest":
            return np.asarray(self.estimator.feature_importances_)
        if self.kind == "logistic_regression":
            sizes = self._coefficient_sizes
            return sizes / max(float(sizes.sum()), 1e-12)
        return np.zeros(self.usual.size)

    @cached_property
    def _coefficient_sizes(self) -> Array:
        """Sum of the absolute coefficients of all columns made from one feature."""
        sizes = np.zeros(self.usual.size)
        columns, model = self.estimator.named_steps["columns"], self.estimator.named_steps["model"]
        for name, coefficient in zip(columns.get_feature_names_out(), model.coef_[0], strict=True):
            place = _PLACE.search(name)  # of numbers__x3, numbers__missingindicator_x3, codes__x40_2.0
            assert place is not None, "scikit-learn names columns without names by their place"
            sizes[int(place.group(1))] += abs(float(coefficient))
        return sizes

    def write(self, folder: Path) -> None:
        """See `Learner`."""
        import skops.io

        skops.io.dump(self.estimator, folder / ESTIMATOR)


def read_estimator(path: Path, kind: str, usual: Array) -> Estimator:
    """The estimator in a file.

    Raises:
        ModelError: the file holds something that does not belong into a model.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return Estimator(skops.io.load(path, trusted=list(TRUSTED_TYPES)), kind, usual)
    except UntrustedTypesFoundException as error:
        raise ModelError(f"{path} holds types that no model of this program has: {error}") from error


def fit_recipe(
    features: pd.DataFrame, labels: Array, payees: Array, schema: TransactionSchema, seed: int, recipe: Recipe
) -> Learner:
    """Fit one candidate.

    Args:
        features: Shape (rows, features).
        labels: 1 fraud, 0 legitimate, shape (rows,).
        payees: Who was paid, shape (rows,).
        schema: For the feature names and categories.
        seed: The same seed on the same rows gives the same model.
        recipe: What to fit.

    Raises:
        InputError: the recipe has a setting that its kind does not know.
    """
    if recipe.imbalance == "undersample":
        kept = undersampled(labels, seed)
        features, labels, payees = features.iloc[kept], labels[kept], payees[kept]
    weights = balancing_weights(labels) if recipe.imbalance == "weights" else None
    if recipe.kind == "lightgbm":
        fitted = fit_trees(features, labels, payees, schema, seed, params=recipe.params or None, weights=weights)
        return Trees(fitted.booster, fitted.trees, fitted.unreported)
    names = feature_names(schema)
    matrix = features[list(names)].to_numpy(np.float32)
    categorical = [names.index(name) for name in schema.categorical]
    estimator = _estimator(recipe, categorical, len(labels), seed, matrix)
    step = "model__sample_weight" if recipe.kind == "logistic_regression" else "sample_weight"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a column without values, or a solver one step short: both are fine here
            estimator.fit(matrix, labels.astype(np.int8), **({step: weights} if weights is not None else {}))
    except (TypeError, ValueError) as error:
        raise InputError(f"{recipe.name}: {error}") from error
    if recipe.kind == "random_forest":
        estimator.n_jobs = 1  # threads add up the trees in any order, which changes the last digits from call to call
    return Estimator(estimator, recipe.kind, _usual(matrix, categorical))


def undersampled(labels: Array, seed: int) -> Array:
    """Rows of all fraud and of `LEGITIMATE_PER_FRAUD` legitimate payments for each, rising."""
    fraud, rest = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    wanted = min(rest.size, LEGITIMATE_PER_FRAUD * fraud.size)
    return np.sort(np.r_[fraud, np.random.default_rng(seed).choice(rest, wanted, replace=False)])


def balancing_weights(labels: Array) -> Array:
    """Weights, shape (rows,), by which all fraud counts as much as all legitimate payments; their mean is 1."""
    frauds = max(float(labels.sum()), 1.0)
    legitimate = max(labels.size - frauds, 1.0)
    return np.where(labels == 1, labels.size / (2 * frauds), labels.size / (2 * legitimate))


def _estimator(recipe: Recipe, categorical: list[int], rows: int, seed: int, matrix: Array) -> Any:
    try:
        if recipe.kind == "random_forest":
            from sklearn.ensemble import RandomForestClassifier

            share = min(1.0, _MOST_FOREST_ROWS / max(rows, 1))
            defaults = {"n_estimators": 200, "min_samples_leaf": 5, "max_samples": share if share < 1 else None}
            return RandomForestClassifier(random_state=seed, n_jobs=cores(), **(defaults | dict(recipe.params)))
        if recipe.kind == "hist_gradient_boosting":
            from sklearn.ensemble import HistGradientBoostingClassifier

            defaults = {"learning_rate": 0.05, "max_leaf_nodes": 15, "l2_regularization": 5.0, "max_iter": 150}
            # It reads codes up to 254 only; others keep their order.
            few = [place for place in categorical if not np.nanmax(matrix[:, place], initial=0) > 254]
            return HistGradientBoostingClassifier(
                random_state=seed,
                early_stopping=False,
                categorical_features=few or None,
                **(defaults | dict(recipe.params)),
            )
        return _logistic_regression(recipe.params, categorical, matrix.shape[1], seed)
    except TypeError as error:
        raise InputError(f"{recipe.name}: {error}") from error


def _logistic_regression(params: Mapping[str, Any], categorical: list[int], features: int, seed: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

    numbers = [place for place in range(features) if place not in categorical]
    # Amounts and counts have heavy tails: by rank they become normal. Missing stays missing until after that.
    by_rank = QuantileTransformer(n_quantiles=200, output_distribution="normal", random_state=seed)
    filled = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    columns = ColumnTransformer(
        [
            ("numbers", Pipeline([("rank", by_rank), ("fill", filled)]), numbers),
            ("codes", OneHotEncoder(handle_unknown="ignore", min_frequency=20), categorical),
        ],
        sparse_threshold=0,
    )
    model = LogisticRegression(**({"C": 0.1, "max_iter": 300, "tol": 1e-3} | dict(params)))
    return Pipeline([("columns", columns), ("model", model)])


def _usual(matrix: Array, categorical: Sequence[int]) -> Array:
    """Median of each feature, the most frequent code of a categorical one; NaN where there are no values."""
    usual = np.full(matrix.shape[1], np.nan, np.float32)
    for place in range(matrix.shape[1]):
        known = matrix[:, place][~np.isnan(matrix[:, place])]
        if known.size and place in categorical:
            codes, counts = np.unique(known, return_counts=True)
            usual[place] = codes[np.argmax(counts)]
        elif known.size:
            usual[place] = np.median(known)
    return usual
