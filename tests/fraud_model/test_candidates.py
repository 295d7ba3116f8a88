"""How many trees a model gets: as many as help with payees that it has not seen."""

import numpy as np
import pandas as pd
import pytest

from fraud_model.candidates import TREES_WITHOUT_STOPPING, choose_trees, fit_trees, make_pipeline, payee_parts
from fraud_model.definitions import feature_names
from fraud_model.schema import CARDS

NAMES = feature_names(CARDS)


def payments(by_heart: bool, rows: int = 6_000) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features, labels and payees; fraud is at a few payees for all their payments, or follows from the features."""
    rng = np.random.default_rng(5)
    payees = rng.integers(0, 200, rows)
    features = pd.DataFrame(rng.normal(size=(rows, len(NAMES))).astype(np.float32), columns=list(NAMES))
    features["payee_max_all"] = rng.permutation(200)[payees].astype(np.float32)  # tells a payee by its largest amount
    signal = features["amount"] + features["payer_ratio_30d"] * features["payer_sum_1d"]
    labels = np.isin(payees, np.arange(0, 200, 25)) if by_heart else signal.to_numpy() > 3.5
    return features, labels.astype(np.float64), np.array([f"M{payee}" for payee in payees])


def test_learning_payees_by_heart_earns_no_trees() -> None:
    features, labels, payees = payments(by_heart=True)
    pipeline = make_pipeline(NAMES, 1, seed=0, min_child_samples=10, max_bin=255, n_jobs=1)
    assert choose_trees(pipeline, features, labels, payees) == 20
    # Were payees not kept together, it would look like the best of models.
    assert choose_trees(pipeline, features, labels, np.arange(len(labels))) > 100


def test_what_holds_for_any_payee_earns_trees() -> None:
    features, labels, payees = payments(by_heart=False)
    pipeline = make_pipeline(NAMES, 1, seed=0, min_child_samples=10, max_bin=255, n_jobs=1)
    assert choose_trees(pipeline, features, labels, payees) > 50


def test_with_too_little_fraud_the_number_is_fixed() -> None:
    features, labels, payees = payments(by_heart=False)
    labels[np.flatnonzero(labels)[8:]] = 0
    _, trees = fit_trees(features, labels, payees, CARDS, seed=0, members=1)
    assert trees == TREES_WITHOUT_STOPPING


def test_all_payments_to_one_payee_are_in_one_part() -> None:
    payees = np.array(["A", "B", None, "A", "C", None, "B"] + [f"M{number}" for number in range(300)], dtype=object)
    parts = payee_parts(payees)
    assert parts[0] == parts[3]
    assert parts[1] == parts[6]
    assert parts[2] == parts[5]
    assert np.bincount(parts) == pytest.approx(100, abs=30)


def test_an_amount_in_the_last_thousandth_is_told_from_those_just_below() -> None:
    rng = np.random.default_rng(8)
    amounts = np.sort(rng.lognormal(3, 1, 40_000)).astype(np.float32)
    labels = (np.arange(amounts.size) >= amounts.size - 40).astype(np.float64)
    features = pd.DataFrame(0.0, index=range(amounts.size), columns=list(NAMES), dtype=np.float32)
    features["amount"] = amounts
    booster, trees = fit_trees(features, labels, np.arange(amounts.size).astype(str), CARDS, seed=0, members=1)
    scores = booster.predict(features.to_numpy())
    assert booster.num_trees() == trees
    assert scores[-40:].mean() > 10 * scores[-80:-40].mean()  # in 255 bins both are alike


def test_every_second_booster_has_varied_features_and_more_trees() -> None:
    features, labels, payees = payments(by_heart=False)
    plain, _ = fit_trees(features, labels, payees, CARDS, seed=0, members=1, trees=40)
    both, _ = fit_trees(features, labels, payees, CARDS, seed=0, members=2, trees=40)
    assert (plain.num_trees(), both.num_trees()) == (40, 90)
    gains = [booster.feature_importance("gain") for booster in (plain, both)]
    most = [gain.max() / gain.sum() for gain in gains]
    assert most[1] < most[0]  # the strongest feature is often not there to be chosen
