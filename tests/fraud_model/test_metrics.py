"""Figures against plain definitions and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from fraud_model import metrics
from fraud_model.calibration import Calibrator, fit_calibrator

DAY = 86_400


def labelled(seed: int, rows: int = 500, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.1).astype(float)
    return labels, np.round(np.clip(rng.normal(0.3 + 0.3 * labels, 0.2), 0, 1), digits)


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_ranking_figures_agree_with_scikit_learn_even_with_ties(digits: int) -> None:
    labels, scores = labelled(1, digits=digits)
    assert metrics.average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    assert metrics.roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_undefined_figures_are_nan() -> None:
    nothing = np.zeros(3)
    assert np.isnan(metrics.average_precision(nothing, nothing))
    assert np.isnan(metrics.roc_auc(nothing, nothing))


def test_precision_per_day_takes_the_top_of_each_day() -> None:
    times = np.array([0, 1, 2, DAY, DAY + 1])
    labels, scores = np.array([1, 0, 1, 0, 1.0]), np.array([0.9, 0.8, 0.1, 0.9, 0.2])
    assert metrics.precision_at_k_per_day(labels, scores, times, 1) == 0.5
    assert metrics.precision_at_k_per_day(labels, scores, times, 2) == 0.5


def test_a_card_found_one_day_is_blocked_the_next() -> None:
    times = np.array([0, 1, DAY, DAY + 1])
    payers, labels = np.array([0, 1, 0, 2]), np.array([1, 0, 1, 1.0])
    scores = np.array([0.9, 0.1, 0.9, 0.5])
    assert metrics.card_precision_at_k(labels, scores, times, payers, k=1) == 1.0
    assert metrics.card_precision_at_k(labels, scores, times, payers, k=2) == 0.5


def test_precision_and_recall_of_each_day() -> None:
    times = np.array([0, 1, 2, 86_400, 86_401, 2 * 86_400])
    labels, scores = np.array([1, 0, 1, 0, 0, 1.0]), np.array([0.9, 0.8, 0.1, 0.5, 0.4, 0.3])
    precision, recall = metrics.at_k_per_day(labels, scores, times, k=2)
    assert precision.tolist() == [0.5, 0.0, 0.5]  # of two alerts a day, also on a day with a single payment
    assert recall.tolist() == [0.5, 1.0]  # the day without fraud has no recall
    assert metrics.precision_at_k_per_day(labels, scores, times, 2) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("alerts", "threshold"), [(1, 0.9), (2, 0.5), (0, 0.9), (99, 0.1)])
def test_threshold_lets_the_wanted_number_through(alerts: int, threshold: float) -> None:
    assert metrics.threshold_for_alerts(np.array([0.1, 0.9, 0.5]), alerts) == threshold


@pytest.mark.parametrize("frauds", [5, 50, 2_000])
def test_calibration_follows_the_share_of_fraud_and_keeps_the_ranking(frauds: int) -> None:
    rng = np.random.default_rng(frauds)
    raw = np.concatenate([rng.normal(2, 1, frauds), rng.normal(-1, 1, 20 * frauds)])
    labels = np.repeat([1.0, 0.0], [frauds, 20 * frauds])
    calibrator = fit_calibrator(raw, labels)
    probabilities = calibrator.probabilities(raw)
    assert np.all(np.diff(probabilities[np.argsort(raw, kind="stable")]) >= 0)
    assert np.unique(probabilities).size == np.unique(raw).size
    assert probabilities.mean() == pytest.approx(labels.mean(), rel=0.25)
    assert metrics.calibration_error(labels, probabilities) < 0.06
    assert Calibrator.from_dict(calibrator.to_dict()) == calibrator


def test_calibration_of_perfectly_separated_rows_stays_finite() -> None:
    calibrator = fit_calibrator(np.array([-5.0, -4, 4, 5]), np.array([0.0, 0, 1, 1]))
    assert np.all(np.isfinite(calibrator.probabilities(np.array([-1e9, 0.0, 1e9]))))
