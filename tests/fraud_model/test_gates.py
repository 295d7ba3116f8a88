"""Gates, intervals, and the comparison with the champion."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_model.gates import Gates
from fraud_model.intervals import compare, compare_figures, interval_over_days, intervals
from fraud_model.metrics import average_precision, roc_auc
from fraud_model.registry import Registry
from fraud_model.train import train

RARE = {"average_precision": 0.5, "card_precision_at_100": 0.1}


@pytest.mark.parametrize(
    ("reached", "missed"),
    [
        ({"recall_at_threshold": 0.8, "f1_at_threshold": 0.7}, 0),
        ({"recall_at_threshold": 0.8, "f1_at_threshold": 0.7, "base_rate": 0.3}, 0),
        (RARE | {"base_rate": 0.001}, 0),
        (RARE | {"base_rate": 0.1}, 2),  # fraud is not rare here
        (RARE | {"recall_at_threshold": 0.8, "f1_at_threshold": 0.1, "base_rate": 0.1}, 1),
        ({"recall_at_threshold": 0.8, "f1_at_threshold": 0.1, "average_precision": 0.5}, 2),
        ({}, 4),
        ({"recall_at_threshold": float("nan"), "f1_at_threshold": 0.7, "card_precision_at_100": 0.3}, 2),
        ({"recall_at_budget": 0.8, "f1_at_budget": 0.7}, 0),  # of a version made before thresholds had rules
    ],
)
def test_gates(reached: dict[str, float], missed: int) -> None:
    assert len(Gates().failures(reached)) == missed


def test_gates_are_settings() -> None:
    reached = {"recall_at_threshold": 0.5, "f1_at_threshold": 0.5, "base_rate": 0.01}
    assert Gates(recall=0.4, f1=0.4).failures(reached) == ()
    assert Gates(recall=0.4, f1=0.6).failures(reached)[0] == "f1 at threshold is 0.500, below 0.600"


def test_intervals_hold_the_figures() -> None:
    rng = np.random.default_rng(2)
    labels = (rng.random(4_000) < 0.05).astype(float)
    scores = 1 / (1 + np.exp(-(2 * labels + rng.normal(size=4_000))))
    amounts = rng.lognormal(3, 1, 4_000)
    found = intervals(labels, scores, {"budget": 0.8, "cost": 0.5}, amounts)
    assert found == intervals(labels, scores, {"budget": 0.8, "cost": 0.5}, amounts)
    caught = (scores >= 0.5) & (labels == 1)
    plain = {
        "average_precision": average_precision(labels, scores),
        "roc_auc": roc_auc(labels, scores),
        "recall_at_cost": caught.sum() / labels.sum(),
        "value_caught_share_at_cost": amounts[caught].sum() / amounts[labels == 1].sum(),
    }
    for name, value in plain.items():
        low, high = found[name]
        assert low < value < high
        assert high - low < 0.2


def test_interval_over_days() -> None:
    low, high = interval_over_days(np.array([0.2, 0.4, 0.3, 0.3]))
    assert low < 0.3 < high
    assert np.isnan(interval_over_days(np.array([0.3]))).all()


def test_a_better_model_is_told_from_a_level_one() -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random(5_000) < 0.05).astype(float)
    weak, strong = labels + rng.normal(size=5_000), 3 * labels + rng.normal(size=5_000)
    assert compare(labels, weak, strong).verdict == "better"
    assert compare(labels, strong, weak).verdict == "worse"
    assert compare(labels, weak, weak + 1e-9 * rng.normal(size=5_000)).verdict == "level"


def test_parts_are_compared_at_the_same_number_of_alerts() -> None:
    rng = np.random.default_rng(4)
    labels = (rng.random(6_000) < 0.05).astype(float)
    part = np.arange(6_000) < 3_000
    # The challenger sees the fraud of the first half only as well, that of the second half much better.
    champion = labels + rng.normal(size=6_000)
    challenger = champion + np.where(part, 0, 2 * labels)
    found = compare_figures(labels, champion, challenger, 300, {"first": part, "second": ~part, "none": part & ~part})
    assert set(found) == {"first", "second"}
    assert found["second"]["recall_at_budget"].verdict == "better"
    assert found["first"]["average_precision"].verdict == "level"


def test_a_handful_of_fraud_is_compared_as_a_whole_only() -> None:
    rng = np.random.default_rng(4)
    labels, half = np.zeros(500), np.arange(500) < 250
    labels[[3, 300]] = 1
    scores = rng.normal(size=500)
    found = compare_figures(labels, scores, scores, 20, {"all": half | ~half, "half": half})
    assert set(found) == {"all"} and found["all"]["average_precision"].verdict == "level"


def test_a_failed_gate_makes_no_candidate_beside_a_champion(payments: pd.DataFrame, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/m.db"
    strict = Gates(recall=2.0, average_precision=2.0)
    first = train(payments, "cards", tracking_uri=uri, alert_budget_per_day=20, gates=strict)
    registry = Registry(uri)
    assert any("gate missed" in warning for warning in first.warnings)
    assert registry.version("1").status == "candidate"
    registry.promote("1", by="ada", reason="there is no other")
    second = train(payments, "cards", tracking_uri=uri, alert_budget_per_day=20, gates=strict)
    assert registry.version("2").status == "archived"
    assert "Gates missed" in second.report_markdown
    assert "version 1, reaches an average precision" in second.report_markdown
    assert second.metrics["gain_over_champion"] == pytest.approx(0)
    assert registry.champion().version == "1"
