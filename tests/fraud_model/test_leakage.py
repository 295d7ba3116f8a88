"""The leakage gate: each check stops training with a report, and passes what is honest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_model.errors import InputError, LeakageFound
from fraud_model.features import compute_features
from fraud_model.leakage import check_leakage, find_future
from fraud_model.schema import CARDS, TransactionSchema
from fraud_model.tracking import client
from fraud_model.train import train

TOLD = TransactionSchema(
    name="told", time="TX_DATETIME", payer="CUSTOMER_ID", payee="TERMINAL_ID", amount="TX_AMOUNT",
    label="TX_FRAUD", numeric=("refunded", "age"), categorical=("status",), never=("claim",),
)  # fmt: skip


def honest(some: pd.DataFrame) -> pd.DataFrame:
    return compute_features(some, CARDS)


def leaking(some: pd.DataFrame) -> pd.DataFrame:
    return honest(some).assign(share_of_total=some["TX_AMOUNT"] / some["TX_AMOUNT"].sum())


def test_a_column_that_tells_alone_stops_training_with_a_report(payments: pd.DataFrame, tmp_path: Path) -> None:
    fraud = payments["TX_FRAUD"] == 1
    told = payments.assign(
        refunded=np.where(fraud, payments["TX_AMOUNT"], np.nan),
        age=1.0,
        status=np.where(fraud, "blocked", "booked"),
    )
    uri = f"sqlite:///{tmp_path}/m.db"
    with pytest.raises(LeakageFound, match=r"status alone .*1\.00|refunded alone .*1\.00") as stopped:
        train(told, TOLD, tracking_uri=uri, dataset_name="told.csv")
    report = stopped.value.report_markdown
    assert "| status | alone reaches" in report and "| refunded | alone reaches" in report and "| age" not in report
    (run,) = client(uri).search_runs([client(uri).get_experiment_by_name("fraud-desk").experiment_id])
    assert (run.info.status, run.data.tags["stopped_by"]) == ("FAILED", "leakage gate")
    assert [file.path for file in client(uri).list_artifacts(run.info.run_id)] == ["leakage_report.md"]


def test_the_limit_is_a_setting(payments: pd.DataFrame) -> None:
    features, labels = honest(payments), payments["TX_FRAUD"].to_numpy(float)
    strongest = check_leakage(payments, features, labels, CARDS, honest).strongest
    name, reached = next(iter(strongest.items()))
    with pytest.raises(LeakageFound, match=f"{name} alone"):
        check_leakage(payments, features, labels, CARDS, honest, limit=reached - 0.01)
    with pytest.raises(InputError, match="limit"):
        check_leakage(payments, features, labels, CARDS, honest, limit=0)


def test_a_banned_column_stops_training(payments: pd.DataFrame) -> None:
    labels = payments["TX_FRAUD"].to_numpy(float)
    smuggled = honest(payments).assign(TX_FRAUD=0.0)
    with pytest.raises(LeakageFound, match="TX_FRAUD is banned by the schema"):
        check_leakage(payments, smuggled, labels, CARDS, honest)


def test_a_copy_of_a_banned_column_stops_training(payments: pd.DataFrame, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    noise = pd.Series(rng.random(len(payments)))
    told = payments.assign(refunded=noise, claim=noise, age=1.0, status="booked")
    with pytest.raises(LeakageFound, match="refunded is a copy of claim, which the schema bans"):
        train(told, TOLD, tracking_uri=f"sqlite:///{tmp_path}/m.db")


def test_few_frauds_judge_no_column() -> None:
    rows = pd.DataFrame({"TX_DATETIME": pd.to_datetime([0, 1, 2, 3], unit="s", utc=True)})
    features = pd.DataFrame({"amount": [1.0, 2, 3, 9]})
    labels = np.array([0.0, 0, 0, 1])
    report = check_leakage(rows, features, labels, CARDS, lambda some: features.iloc[: len(some)])
    assert report.leaks == () and "fewer than 30 frauds" in report.to_markdown()


def test_a_feature_of_the_future_stops_training(payments: pd.DataFrame) -> None:
    assert find_future(payments, CARDS, honest) == []
    labels = payments["TX_FRAUD"].to_numpy(float)
    with pytest.raises(LeakageFound, match="share_of_total changes when later payments are taken away"):
        check_leakage(payments, leaking(payments), labels, CARDS, leaking)


def test_an_honest_table_passes_and_the_report_says_what_was_looked_at(payments: pd.DataFrame) -> None:
    labels = payments["TX_FRAUD"].to_numpy(float)
    report = check_leakage(payments, honest(payments), labels, replace(CARDS, never=("claim",)), honest)
    assert report.leaks == () and len(report.strongest) == 10
    text = report.to_markdown()
    assert "Nothing leaks." in text and "claim" in text and "average precision" in text
