"""Scores: order, thresholds, reasons, files in chunks, and models that do not fit."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_model.data import write_table
from fraud_model.definitions import features_of
from fraud_model.errors import DataError, InputError, ModelError
from fraud_model.progress import Progress
from fraud_model.reasons import describe
from fraud_model.schema import CARDS, PAYSIM
from fraud_model.scorer import Scorer


@pytest.fixture(scope="module")
def scorer(trained, tracking_uri: str) -> Scorer:
    return Scorer.load("candidate", schema="cards", tracking_uri=tracking_uri)


def test_one_row_per_transaction_in_input_order(scorer: Scorer, payments: pd.DataFrame) -> None:
    shuffled = payments.sample(frac=1, random_state=3)
    scores = scorer.score(shuffled)
    assert list(scores.columns) == ["transaction_id", "fraud_probability", "alert", "model_version"]
    assert list(scores["transaction_id"]) == list(shuffled["TRANSACTION_ID"].astype(str))
    assert scores["fraud_probability"].between(0, 1).all()
    assert (scores["alert"] == (scores["fraud_probability"] >= scorer.threshold)).all()
    straight = scorer.score(payments).set_index("transaction_id")["fraud_probability"]
    np.testing.assert_array_equal(straight[scores["transaction_id"]], scores["fraud_probability"])


def test_history_gives_the_same_scores_as_one_table(scorer: Scorer, payments: pd.DataFrame) -> None:
    whole = scorer.score(payments)["fraud_probability"].to_numpy()[5000:]
    late = scorer.score(payments.iloc[5000:], history=payments.iloc[:5000])["fraud_probability"]
    np.testing.assert_array_equal(whole, late)


def test_reasons_for_alerts_only(scorer: Scorer, payments: pd.DataFrame) -> None:
    scores = scorer.score(payments, reasons=2)
    alerts = scores["alert"]
    assert scores.loc[alerts, "reason_1"].notna().all()
    assert scores.loc[~alerts, "reason_1"].isna().all()
    assert (scores.loc[alerts, "reason_1_effect"] >= scores.loc[alerts, "reason_2_effect"].fillna(0)).all()


def test_explanations_add_up(scorer: Scorer, payments: pd.DataFrame) -> None:
    every = len(scorer.feature_names)
    explained = scorer.explain(payments.tail(3), history=payments.head(5000), top=every)
    features = scorer.features(payments.tail(3), payments.head(5000)).to_numpy(np.float32)
    booster = scorer._model.booster
    base = booster.predict(features, pred_contrib=True)[:, -1]
    raw = booster.predict(features, raw_score=True)
    for row, reasons in enumerate(explained):
        assert sum(reason.effect for reason in reasons) + base[row] == pytest.approx(raw[row])
        assert abs(reasons[0].effect) >= abs(reasons[1].effect)


@pytest.mark.parametrize(
    ("chunk_rows", "suffix"), [(7_000, ".parquet"), (997, ".parquet"), (2_500, ".parquet"), (2_500, ".csv")]
)
def test_files_score_the_same_whatever_the_chunks(
    scorer: Scorer, payments: pd.DataFrame, tmp_path: Path, chunk_rows: int, suffix: str
) -> None:
    source, earlier, out = tmp_path / f"in{suffix}", tmp_path / f"before{suffix}", tmp_path / "out.parquet"
    now, before = payments.iloc[1000:].sample(frac=1, random_state=1), payments.iloc[:1000]
    write_table(now, source)
    write_table(before, earlier)
    summary = scorer.score_file(source, out, history=earlier, reasons=1, chunk_rows=chunk_rows)
    expected = scorer.score(now, history=before, reasons=1)
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, check_dtype=False)
    assert (summary.rows, summary.alerts) == (len(now), int(expected["alert"].sum()))


def test_a_folder_scores_like_its_files_one_after_the_other(
    scorer: Scorer, payments: pd.DataFrame, tmp_path: Path
) -> None:
    write_table(payments.iloc[:2000], tmp_path / "in" / "a.parquet")
    write_table(payments.iloc[2000:], tmp_path / "in" / "b.csv")
    scorer.score_file(tmp_path / "in", tmp_path / "out.csv", chunk_rows=1_500)
    scored = pd.read_csv(tmp_path / "out.csv", dtype={"transaction_id": str, "model_version": str})
    pd.testing.assert_frame_equal(scored, scorer.score(payments), check_dtype=False)


def test_a_bad_file_leaves_nothing_behind(scorer: Scorer, payments: pd.DataFrame, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    payments.astype({"TX_AMOUNT": object}).assign(TX_AMOUNT="ten").to_csv(source, index=False)
    with pytest.raises(DataError, match="TX_AMOUNT"):
        scorer.score_file(source, tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


# Run in a process of its own, on one thread: one that has used more cannot be copied by fork any more.
KILLING = """
import os, random, signal, sys, time
from fraud_model.scorer import Scorer
uri, source, out = sys.argv[1:]
scorer = Scorer.load("candidate", tracking_uri=uri)
for _ in range(2):  # the first time loads code; the second tells how long a job takes on this machine now
    started = time.monotonic()
    scorer.score_file(source, out + ".warm.csv", reasons=1, chunk_rows=100)
    took = time.monotonic() - started
os.remove(out + ".warm.csv")
draw = random.Random(5)
for _ in range(10):
    child = os.fork()
    if child == 0:
        scorer.score_file(source, out, reasons=1, chunk_rows=100)
        os._exit(0)
    time.sleep(draw.uniform(0.05, 0.5) * took)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_job_killed_ten_times_goes_on_and_gives_the_same_file(
    scorer: Scorer, payments: pd.DataFrame, tracking_uri: str, tmp_path: Path, suffix: str
) -> None:
    source, clean, out = tmp_path / "in.parquet", tmp_path / f"clean{suffix}", tmp_path / f"out{suffix}"
    write_table(payments, source)
    scorer.score_file(source, clean, reasons=1, chunk_rows=100)
    command = [sys.executable, "-c", KILLING, tracking_uri, str(source), str(out)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert out.exists() or list(tmp_path.glob(".out.*.parts/*.parquet")), "no process came as far as one part"
    scorer.score_file(source, out, reasons=1, chunk_rows=100)
    assert out.read_bytes() == clean.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"clean{suffix}", "in.parquet", f"out{suffix}"]


def test_parts_of_another_job_are_not_used(scorer: Scorer, payments: pd.DataFrame, tmp_path: Path) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    write_table(payments.head(500), source)

    def stop(progress: Progress) -> None:
        if progress.stage == "scoring" and progress.done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scorer.score_file(source, out, chunk_rows=100, progress=stop)
    parts = tmp_path / ".out.parquet.parts"
    assert len(list(parts.glob("*.parquet"))) == 2
    write_table(payments.tail(500), source)
    scorer.score_file(source, out, chunk_rows=100)
    expected = scorer.score(payments.tail(500))
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected, check_dtype=False)
    assert not parts.exists()


def test_empty_table(scorer: Scorer, payments: pd.DataFrame) -> None:
    assert scorer.score(payments.iloc[:0], reasons=1).empty


def test_reference_has_features_and_probability(scorer: Scorer) -> None:
    assert list(scorer.reference.columns) == [*scorer.feature_names, "fraud_probability"]
    np.testing.assert_allclose(scorer.predict(scorer.reference), scorer.reference["fraud_probability"])


def test_a_model_of_another_schema_is_refused(trained, tracking_uri: str) -> None:
    with pytest.raises(ModelError, match="trained on schema cards"):
        Scorer.load("1", schema="paysim", tracking_uri=tracking_uri)


def test_no_store_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train one first"):
        Scorer.load(tracking_uri=f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()


def test_missing_feature_columns_are_named(scorer: Scorer) -> None:
    with pytest.raises(InputError, match="payer_count_1d"):
        scorer.predict(scorer.reference.drop(columns="payer_count_1d"))


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        ("payer_ratio_30d", 14.2, "amount is 14 times this payer's 30-day mean"),
        ("pair_first", 1.0, "first payment from this payer to this payee"),
        ("amount", 1234.5, "amount is EUR 1,234.50"),
        ("payee_fraud_count_7d", 1.0, "1 known fraud at this payee in the last 7 days with complete labels"),
        ("payee_since_fraud", float("nan"), "no known fraud at this payee so far"),
        ("payer_since_last", 7200.0, "2 hours after the last payment of this payer"),
        ("type", 4.0, "type is TRANSFER"),
        ("payee_others_30d", 0.0, "no other payment to this payee in the last 30 days"),
        ("payee_others_30d", 1.0, "1 different payer of this payee in the last 30 days"),
        ("payer_count_1d", float("nan"), "first payment of this payer in the last day"),
        (
            "payer_median_spreads",
            -1.3,
            "amount is 1.3 interquartile ranges below the median of this payer's recent payments",
        ),
        ("payer_ratio_30d", 0.04, "amount is 4% of this payer's 30-day mean"),
        ("payer_large_count_7d", 0.0, "no payment of this payer in the last 7 days was far above the usual amount"),
        ("payer_hour_share", 0.0, "none of this payer's payments fall within an hour of this time of day"),
        ("payee_fraud_run", 1.0, "the latest payment at this payee whose label is known was fraud"),
        ("payee_since_last", 1.0, "1 second after the last payment to this payee"),
    ],
)
def test_reasons_read_like_an_analyst_wrote_them(feature: str, value: float, words: str) -> None:
    assert describe(feature, value, {}, PAYSIM) == words


@pytest.mark.parametrize("value", [0.0, 1.0, 3.5, float("nan")])
def test_every_feature_has_words(value: float) -> None:
    for schema in (CARDS, PAYSIM):
        for feature in features_of(schema):
            assert len(describe(feature.name, value, {}, schema)) > 5
