"""The compiled predictor against LightGBM's own, to the last bit."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_model.ensemble import average_boosters
from fraud_model.forest import Forest

ROWS, FEATURES = 3_000, 8


def matrix_of(seed: int, rows: int = ROWS) -> np.ndarray:
    """Numbers of several shapes with missing ones; the last two columns are category codes."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, FEATURES)) * 10.0 ** rng.integers(-3, 6, FEATURES)
    matrix[:, 1] = rng.poisson(2, rows)
    matrix[:, 2] = np.where(rng.random(rows) < 0.5, 0.0, matrix[:, 2])
    matrix[:, 6], matrix[:, 7] = rng.integers(0, 5, rows), rng.integers(0, 40, rows)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    matrix[:, 3] = np.nan_to_num(matrix[:, 3])  # a column without missing values tells its nodes to take them as 0
    return matrix.astype(np.float32)


def booster_of(seed: int, categorical: bool = False, rows: int = ROWS, **params: object) -> lgb.Booster:
    matrix = matrix_of(seed, rows)
    filled = np.nan_to_num(matrix)
    odds = filled[:, 1] - 2 * (filled[:, 0] > 0) + (filled[:, 6] == 3) * 2 + np.isnan(matrix[:, 4]) + filled[:, 7] % 3
    labels = np.random.default_rng(seed + 1).random(rows) < 1 / (1 + np.exp(3 - odds))
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": seed, "num_leaves": 15, **params}
    columns = [6, 7] if categorical else "auto"
    data = lgb.Dataset(matrix, labels, categorical_feature=columns, free_raw_data=False)
    return lgb.train(settings, data, num_boost_round=40)


def hostile(booster: lgb.Booster, seed: int) -> np.ndarray:
    """Rows of values at, just below and just above thresholds, infinite, missing, and unknown categories."""
    rng = np.random.default_rng(seed)
    thresholds = booster.trees_to_dataframe()["threshold"].dropna()
    cuts = np.array([float(value) for value in thresholds if "||" not in str(value)]).clip(-1e38, 1e38)
    cuts = cuts.astype(np.float32)
    near = np.concatenate([cuts, np.nextafter(cuts, np.float32(np.inf)), np.nextafter(cuts, np.float32(-np.inf))])
    special = np.array(
        [0, -0.0, 1e-35, -1e-35, 1e-38, -1e-38, np.inf, -np.inf, np.nan, -1, 3, 39, 40, 1e6, 2.7, -0.5], np.float32
    )
    return rng.choice(np.concatenate([near, special]), (500, FEATURES)).astype(np.float32)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"num_leaves": 31, "min_data_in_leaf": 2},
        {"num_leaves": 64, "min_data_in_leaf": 1, "max_depth": 12},
        {"use_missing": False},
        {"categorical": True, "min_data_per_group": 5, "cat_smooth": 1},
        {"boosting": "dart"},
        {"max_bin": 15, "feature_fraction": 0.4, "bagging_fraction": 0.7, "bagging_freq": 1},
    ],
)
def test_scores_are_those_of_lightgbm(params: dict) -> None:
    booster = booster_of(3, **params)
    forest = Forest.of(booster)
    assert forest is not None
    for matrix in (matrix_of(4), matrix_of(5, rows=1), matrix_of(6, rows=67), hostile(booster, 7)):
        np.testing.assert_array_equal(forest.raw_scores(matrix), booster.predict(matrix, raw_score=True))


def test_an_average_of_boosters_and_trees_of_one_leaf() -> None:
    empty = booster_of(1, rows=30)  # too few rows to split at all
    whole = average_boosters([booster_of(1), booster_of(2), empty])
    forest, matrix = Forest.of(whole), matrix_of(9, rows=40_000)
    assert forest is not None
    np.testing.assert_array_equal(forest.raw_scores(matrix), whole.predict(matrix, raw_score=True))


def test_trees_of_another_kind_are_left_to_lightgbm() -> None:
    assert Forest.of(booster_of(1, num_leaves=100, min_data_in_leaf=1)) is None
    assert Forest.of(booster_of(1, zero_as_missing=True)) is None
    assert Forest.of(booster_of(1, linear_tree=True)) is None
    assert Forest.of(booster_of(1, boosting="rf", bagging_fraction=0.5, bagging_freq=1)) is None


def test_other_numbers_of_features_are_refused() -> None:
    forest = Forest.of(booster_of(1))
    assert forest is not None
    with pytest.raises(ValueError, match="8 features"):
        forest.raw_scores(np.zeros((1, 3), np.float32))


SMALL = booster_of(8, categorical=True)
SMALL_FOREST = Forest.of(SMALL)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(width=32), min_size=FEATURES, max_size=FEATURES), min_size=1, max_size=9))
def test_any_numbers_at_all(rows: list[list[float]]) -> None:
    matrix = np.array(rows, np.float32)
    matrix[:, 6:] = np.clip(matrix[:, 6:], -1e9, 1e9)  # beyond, LightGBM's own cast of a code is undefined
    assert SMALL_FOREST is not None
    np.testing.assert_array_equal(SMALL_FOREST.raw_scores(matrix), SMALL.predict(matrix, raw_score=True))
