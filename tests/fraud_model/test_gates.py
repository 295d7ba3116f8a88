"""Gates, intervals, the comparison with the champion, and the leakage gate."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_model.errors import DataError
from fraud_model.features import compute_features
from fraud_model.gates import Gates
from fraud_model.intervals import compare, intervals
from fraud_model.leakage import find_future, find_leaks
from fraud_model.metrics import average_precision, roc_auc
from fraud_model.registry import Registry
from fraud_model.schema import CARDS, TransactionSchema
from fraud_model.train import train


@pytest.mark.parametrize(
    ("reached", "missed"),
    [
        ({"recall_at_budget": 0.8, "f1_at_budget": 0.7}, 0),
        ({"average_precision": 0.5, "card_precision_at_100": 0.1}, 0),
        ({"recall_at_budget": 0.8, "f1_at_budget": 0.1, "average_precision": 0.5}, 2),
        ({}, 4),
        ({"recall_at_budget": float("nan"), "f1_at_budget": 0.7, "card_precision_at_100": 0.3}, 2),
    ],
)
def test_a_model_passes_by_either_pair_of_figures(reached: dict[str, float], missed: int) -> None:
    assert len(Gates().failures(reached)) == missed


def test_intervals_hold_the_figures() -> None:
    rng = np.random.default_rng(2)
    labels = (rng.random(4_000) < 0.05).astype(float)
    scores = 1 / (1 + np.exp(-(2 * labels + rng.normal(size=4_000))))
    found = intervals(labels, scores, 0.8)
    assert found == intervals(labels, scores, 0.8)
    for name, value in (("average_precision", average_precision(labels, scores)), ("roc_auc", roc_auc(labels, scores))):
        low, high = found[name]
        assert low < value < high
        assert high - low < 0.2


def test_a_better_model_is_told_from_a_level_one() -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random(5_000) < 0.05).astype(float)
    weak, strong = labels + rng.normal(size=5_000), 3 * labels + rng.normal(size=5_000)
    assert compare(labels, weak, strong).verdict == "better"
    assert compare(labels, strong, weak).verdict == "worse"
    assert compare(labels, weak, weak + 1e-9 * rng.normal(size=5_000)).verdict == "level"


def test_a_column_that_tells_alone_stops_training(payments: pd.DataFrame, tmp_path: Path) -> None:
    schema = TransactionSchema(
        name="leaky", time="TX_DATETIME", payer="CUSTOMER_ID", payee="TERMINAL_ID", amount="TX_AMOUNT",
        label="TX_FRAUD", numeric=("refunded", "age"), categorical=("status",),
    )  # fmt: skip
    fraud = payments["TX_FRAUD"] == 1
    told = payments.assign(
        refunded=np.where(fraud, payments["TX_AMOUNT"], np.nan),
        age=1.0,
        status=np.where(fraud, "blocked", "booked"),
    )
    with pytest.raises(DataError, match=r"status alone .*1\.00.*refunded alone"):
        train(told, schema, tracking_uri=f"sqlite:///{tmp_path}/m.db")
    assert not (tmp_path / "m.db").exists()


def test_few_frauds_judge_no_column() -> None:
    features = pd.DataFrame({"amount": [1.0, 2, 3, 9]})
    assert find_leaks(features, np.array([0.0, 0, 0, 1]), CARDS) == []


def test_a_feature_of_the_future_is_found(payments: pd.DataFrame) -> None:
    def honest(some: pd.DataFrame) -> pd.DataFrame:
        return compute_features(some, CARDS)

    def leaking(some: pd.DataFrame) -> pd.DataFrame:
        return honest(some).assign(share_of_total=some["TX_AMOUNT"] / some["TX_AMOUNT"].sum())

    assert find_future(payments, CARDS, honest) == []
    assert [leak.feature for leak in find_future(payments, CARDS, leaking)] == ["share_of_total"]


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
