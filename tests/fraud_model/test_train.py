"""Training end to end on a small table: split, figures, MLflow, report, and data that cannot be trained on."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_model.errors import DataError, InputError
from fraud_model.run_report import unreported_words
from fraud_model.splits import time_split
from fraud_model.tracking import client
from fraud_model.train import TrainResult, train

DAY = 86_400


def test_metrics_and_warnings(trained: TrainResult) -> None:
    assert trained.version == "1"
    assert trained.metrics["average_precision"] > 3 * trained.metrics["base_rate"]
    for name in ("roc_auc", "precision_at_budget", "recall_at_budget", "card_precision_at_100", "value_caught",
                 "calibration_error", "threshold"):  # fmt: skip
        assert np.isfinite(trained.metrics[name])
    assert 0 < trained.threshold < 1


def test_run_holds_what_an_auditor_needs(trained: TrainResult, tracking_uri: str) -> None:
    store = client(tracking_uri)
    run = store.get_run(trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["average_precision"] == trained.metrics["average_precision"]
    assert {"feature_fingerprint", "seed", "trees", "unreported_fraud"} <= set(run.data.params)
    assert len(run.data.tags["dataset_digest"]) == 64
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["dataset_digest"][:36]
    names = {file.path for file in store.list_artifacts(trained.run_id)}
    assert {"run_report.md", "figures", "model.json"} <= names
    plots = {Path(file.path).name for file in store.list_artifacts(trained.run_id, "figures")}
    assert plots == {"precision_recall.png", "calibration.png", "budget_curve.png", "importance.png"}


def test_report_names_run_version_and_figures(trained: TrainResult) -> None:
    for text in (trained.run_id, "version 1", "## Threshold and alert budget", "## Known limits", "amount band"):
        assert text in trained.report_markdown
    assert f"{trained.metrics['average_precision']:.3f}" in trained.report_markdown
    assert "unreported fraud" in trained.report_markdown


def test_one_seed_gives_one_model(trained: TrainResult, payments: pd.DataFrame, tmp_path: Path) -> None:
    again = train(payments, "cards", tracking_uri=f"sqlite:///{tmp_path}/m.db", alert_budget_per_day=20, seed=1)
    assert again.metrics == trained.metrics


def test_mlflow_serves_the_registered_model(trained: TrainResult, payments: pd.DataFrame, tracking_uri: str) -> None:
    import mlflow.pyfunc

    from fraud_model.scorer import Scorer

    scorer = Scorer.load(trained.version, tracking_uri=tracking_uri)
    features = scorer.features(payments.head(200))
    source = client(tracking_uri).get_model_version("fraud-classifier", trained.version).source
    served = mlflow.pyfunc.load_model(source).predict(features)
    np.testing.assert_allclose(served["fraud_probability"], scorer.predict(features))


@pytest.mark.parametrize("fraud", [0, 1])
def test_one_class_cannot_be_trained_on(payments: pd.DataFrame, tmp_path: Path, fraud: int) -> None:
    with pytest.raises(DataError, match="cannot train"):
        train(payments.assign(TX_FRAUD=fraud), "cards", tracking_uri=f"sqlite:///{tmp_path}/m.db")


def test_no_rows_before_until(payments: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no transactions before 2001"):
        until = datetime(2001, 1, 1, tzinfo=UTC)
        train(payments, "cards", tracking_uri=f"sqlite:///{tmp_path}/m.db", until=until)


@pytest.mark.parametrize("settings", [{"alert_budget_per_day": 0}, {"train_days": 0}])
def test_settings_out_of_range(payments: pd.DataFrame, tmp_path: Path, settings: dict) -> None:
    with pytest.raises(InputError):
        train(payments, "cards", tracking_uri=f"sqlite:///{tmp_path}/m.db", **settings)


def test_split_waits_one_label_delay() -> None:
    times = np.arange(60) * DAY
    split = time_split(times, (np.arange(60) % 3 == 0).astype(float), 7 * DAY, train_days=20)
    assert split.validation_days == 7
    assert times[split.train].max() < split.validation_start - 7 * DAY
    assert times[split.train].size == 20
    assert split.warnings == ()


def test_short_data_are_split_with_a_warning() -> None:
    times = np.repeat(np.arange(7) * 3600, 50)
    split = time_split(times, (np.arange(350) % 25 == 0).astype(float), 7 * DAY)
    assert split.train.any()
    assert split.validation.any()
    assert times[split.train].max() < times[split.validation].min()
    assert "hours" in split.warnings[0]


def test_fraud_that_stops_early_moves_the_boundary() -> None:
    times = np.arange(100) * DAY
    labels = (np.arange(100) < 10).astype(float)
    split = time_split(times, labels, 7 * DAY)
    assert labels[split.train].sum() >= 1
    assert labels[split.validation].sum() >= 1
    assert "fraud is so rare" in split.warnings[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, ""), ({"unreported_fraud": 0.0}, "No unreported fraud"), ({"unreported_fraud": 1.5}, "1.5 times as much")],
)
def test_the_report_says_how_much_unreported_fraud_was_assumed(settings: dict[str, float], said: str) -> None:
    words = "\n".join(unreported_words(settings))
    assert said in words and bool(said) == bool(words)
