"""How many trees a model gets, and which labels: what helps with payees that it has not seen."""

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from fraud_model.candidates import DEFAULTS, TREES_WITHOUT_STOPPING, Choice, choose, fit_trees, payee_parts
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


def choice(features: pd.DataFrame, labels: np.ndarray, payees: np.ndarray, tried: tuple[float, ...] = (0.0,)) -> Choice:
    settings: dict[str, Any] = {**DEFAULTS, "min_child_samples": 10, "max_bin": 255, "n_jobs": 1, "seed": 0}
    settings |= {"objective": "cross_entropy", "verbosity": -1, "deterministic": True, "force_row_wise": True}
    settings["feature_pre_filter"] = False
    since = features["payee_since_legitimate"].to_numpy()
    return choose(features.to_numpy(), labels, payees, since, settings, tried=tried)


def test_learning_payees_by_heart_earns_no_trees() -> None:
    features, labels, payees = payments(by_heart=True)
    assert choice(features, labels, payees).trees == 20
    # Were payees not kept together, it would look like the best of models.
    assert choice(features, labels, np.arange(len(labels))).trees > 100


def test_what_holds_for_any_payee_earns_trees() -> None:
    features, labels, payees = payments(by_heart=False)
    assert choice(features, labels, payees).trees > 50


def at_risk(compromises: bool, rows: int = 10_000) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Payments whose plain fraud grows with the time at risk, or soon ends."""
    rng = np.random.default_rng(6)
    features = pd.DataFrame(rng.normal(size=(rows, len(NAMES))).astype(np.float32), columns=list(NAMES))
    days = 7 + rng.exponential(4, rows)
    features["payee_since_legitimate"] = (days * 86_400).astype(np.float32)
    share = 0.012 * days / days.mean() if compromises else 0.06 * np.exp(7 - days)
    labels = rng.random(rows) < np.where(features["amount"] > 2.4, 0.9, share)
    return features, labels.astype(np.float64), np.array([f"M{payee}" for payee in rng.integers(0, 2_000, rows)])


@pytest.mark.parametrize(("compromises", "assumed"), [(True, 1.5), (False, 0.0)])
def test_unreported_fraud_is_assumed_where_payees_held_out_bear_it_out(compromises: bool, assumed: float) -> None:
    chosen = choice(*at_risk(compromises), (0.0, 1.5))
    assert chosen.unreported == assumed


def test_plain_payments_are_ordered_by_their_time_at_risk() -> None:
    features, labels, payees = at_risk(compromises=True)
    since = features["payee_since_legitimate"].to_numpy()
    plain = features["amount"].to_numpy() < 2
    found = fit_trees(features, labels, payees, CARDS, seed=0)
    without = fit_trees(features, labels, payees, CARDS, seed=0, trees=found.trees)
    assert (found.unreported, without.unreported) == (1.5, 0.0)

    def follows(booster: lgb.Booster) -> float:
        raw = np.asarray(booster.predict(features.to_numpy()))[plain]
        return float(pd.Series(raw).corr(pd.Series(since[plain]), method="spearman"))

    assert follows(found.booster) > 0.8 > 1.5 * follows(without.booster)


def test_probabilities_are_those_of_payees_held_out_and_change_no_order() -> None:
    features, labels, payees = at_risk(compromises=True)
    matrix = features.to_numpy()
    found = fit_trees(features, labels, payees, CARDS, seed=0)
    raw, shares = np.asarray(found.booster.predict(matrix, raw_score=True)), found.probabilities(matrix)
    assert (np.diff(shares[np.argsort(raw)]) >= 0).all()
    fresh, its_labels, _ = at_risk(compromises=True, rows=9_000)  # other rows of the same kind
    shares = found.probabilities(fresh.to_numpy())
    assert shares.mean() == pytest.approx(its_labels.mean(), rel=0.15)
    # The raw scores hold the unreported fraud too, and are far too high.
    assert np.asarray(found.booster.predict(fresh.to_numpy())).mean() > 1.5 * its_labels.mean()


def test_with_too_little_fraud_the_number_is_fixed() -> None:
    features, labels, payees = payments(by_heart=False)
    labels[np.flatnonzero(labels)[8:]] = 0
    found = fit_trees(features, labels, payees, CARDS, seed=0, members=1)
    assert (found.trees, found.unreported, found.calibrator) == (TREES_WITHOUT_STOPPING, 0.0, None)
    raw = np.asarray(found.booster.predict(features.to_numpy()))
    assert found.probabilities(features.to_numpy()) == pytest.approx(raw)


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
    found = fit_trees(features, labels, np.arange(amounts.size).astype(str), CARDS, seed=0, members=1)
    scores = np.asarray(found.booster.predict(features.to_numpy()))
    assert found.booster.num_trees() == found.trees
    assert scores[-40:].mean() > 10 * scores[-80:-40].mean()  # in 255 bins both are alike


def test_every_second_booster_has_varied_features_and_more_trees() -> None:
    features, labels, payees = payments(by_heart=False)
    plain = fit_trees(features, labels, payees, CARDS, seed=0, members=1, trees=40).booster
    both = fit_trees(features, labels, payees, CARDS, seed=0, members=2, trees=40).booster
    assert (plain.num_trees(), both.num_trees()) == (40, 90)
    gains = [booster.feature_importance("gain") for booster in (plain, both)]
    most = [gain.max() / gain.sum() for gain in gains]
    assert most[1] < most[0]  # the strongest feature is often not there to be chosen
