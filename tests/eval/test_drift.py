"""The drift check: planted drifts are caught and named, quiet windows raise no alarm, no broken column is outvoted."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from eval.drift import run_drift
from eval.errors import EvalInputError

TYPES = ["CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER"]


def payments(rows: int, seed: int, fraud_rate: float = 0.01) -> pd.DataFrame:
    """Features and score of a steady world."""
    rng = np.random.default_rng(seed)
    fraud = rng.random(rows) < fraud_rate
    return pd.DataFrame(
        {
            "amount": rng.lognormal(4, 1, rows).astype(np.float32),
            "count_1d": rng.poisson(0.3, rows).astype(np.float32),
            "hour": rng.integers(0, 24, rows).astype(np.float32),
            "is_new_payee": (rng.random(rows) < 0.05).astype(np.float32),
            "days_since_last": np.where(rng.random(rows) < 0.1, np.nan, rng.exponential(5, rows)),
            "type": rng.choice(TYPES, rows, p=[0.3, 0.02, 0.5, 0.18]),
            "fraud_probability": np.clip(rng.beta(1, 60, rows) + fraud * rng.beta(4, 2, rows), 0, 1),
            "fraud": fraud.astype(float),
        }
    )


@pytest.fixture
def check(tracking, request):
    """A drift check in an experiment of this test's own."""
    name = f"drift-{request.node.name}"[:100].replace("[", "-").replace("]", "")

    def run(current, reference=None, **more):
        more = {"label_column": "fraud", "threshold": 0.3, "model_version": "3", **more}
        return run_drift(
            payments(6_000, 0) if reference is None else reference, current, experiment=name, **tracking, **more
        )

    return run


def test_a_steady_world_raises_no_alarm(check):
    result = check(payments(9_000, 1))
    assert result.verdict == "stable"
    assert {drift.verdict for drift in result.columns} == {"stable"}
    assert result.checks == ()
    assert "No, the model is not drifting: for fraud-classifier version 3" in result.report_markdown


def in_cents(frame):
    frame["amount"] *= 100


def with_a_new_category(frame):
    frame.loc[frame.index[::10], "type"] = "INSTANT"


def with_a_rare_new_category(frame):
    frame.loc[frame.index[::100], "type"] = "INSTANT"


def with_missing_amounts(frame):
    frame.loc[frame.index[::4], "amount"] = np.nan


def with_a_few_missing_amounts(frame):
    frame.loc[frame.index[::30], "amount"] = np.nan


def without_any_amount(frame):
    frame["amount"] = np.nan


def with_text_for_amounts(frame):
    frame["amount"] = "n/a"


def with_one_type(frame):
    frame["type"] = "PAYMENT"


def with_higher_scores(frame):
    frame["fraud_probability"] = np.clip(frame["fraud_probability"] * 3, 0, 1)


@pytest.mark.parametrize(
    ("plant", "column", "verdict", "words"),
    [
        (in_cents, "amount", "act", ""),
        (with_a_new_category, "type", "act", "do not|does not have: INSTANT"),
        (with_a_rare_new_category, "type", "watch", "does not have: INSTANT"),
        (with_missing_amounts, "amount", "act", r"missing values rose from 0\.0% to 25\.0%"),
        (with_a_few_missing_amounts, "amount", "watch", r"missing values rose from 0\.0% to 3\.3%"),
        (without_any_amount, "amount", "act", "every value is missing"),
        (with_text_for_amounts, "amount", "act", "text where the reference has numbers"),
        (with_one_type, "type", "act", "one value only"),
        (with_higher_scores, "fraud_probability", "act", ""),
    ],
)
def test_a_planted_drift_is_caught_and_named_and_nothing_else_is(check, plant, column, verdict, words):
    current = payments(9_000, 1)
    plant(current)
    result = check(current)
    found = {drift.column: drift for drift in result.columns if drift.verdict != "stable"}
    assert list(found) == [column]
    assert found[column].verdict == verdict
    assert re.search(words, found[column].note)
    # The first window of it: to be watched, and named, however many columns are quiet.
    assert result.verdict == "watch"
    assert result.metrics["drift.share"] == pytest.approx((verdict == "act") / 7)
    assert column in result.report_markdown.split("##")[0]


def test_act_needs_the_same_column_in_two_windows_in_a_row(check):
    def window(seed, column="amount"):
        current = payments(9_000, seed)
        current[column] *= 100
        return check(current)

    first, again, second = window(1), window(1), window(2)
    assert [first.verdict, again.verdict, second.verdict] == ["watch", "watch", "act"]
    assert again.previous_run_id is None  # the same window once more is no second window
    assert second.previous_run_id == again.run_id
    assert [drift.column for drift in second.columns if drift.confirmed] == ["amount"]
    assert "Yes, the model is drifting: fraud-classifier version 3 moved in amount" in second.report_markdown
    assert f"The window before is MLflow run {again.run_id}" in second.report_markdown
    # Another column is another matter, and a quiet window ends the row.
    assert window(3, "days_since_last").verdict == "watch"
    assert check(payments(9_000, 4)).verdict == "stable"
    assert window(5).verdict == "watch"


def test_a_column_that_grows_with_the_calendar_is_judged_by_its_own_pace(check):
    def aged(frame, from_day):
        return frame.assign(account_age=from_day + np.arange(len(frame)) * 14 / len(frame))

    reference = aged(payments(6_000, 0), 100)
    result = check(aged(payments(9_000, 1), 114), reference)
    age = next(drift for drift in result.columns if drift.column == "account_age")
    assert result.verdict == "stable"
    assert age.psi > 0.25
    assert "moves as far by nature" in age.note
    broken = check(aged(payments(9_000, 2), 114).assign(account_age=np.nan), reference)
    assert broken.verdict == "watch"
    assert broken.columns[0].note == "every value is missing"


def seasonal(rows, seed, first_day, days):
    """Payments of some days in a world of weekends: then there are fewer, larger and riskier ones."""
    made = payments(rows, seed)
    rng = np.random.default_rng(seed)
    pull = np.array([0.5 if (first_day + day) % 7 >= 5 else 1.0 for day in range(days)])
    day = first_day + rng.choice(days, rows, p=pull / pull.sum())
    weekend = day % 7 >= 5
    made["amount"] *= np.where(weekend, 1.8, 1.0).astype(np.float32)
    made["hour"] = np.where(weekend, np.clip(made["hour"] + 3, 0, 23), made["hour"]).astype(np.float32)
    made["fraud_probability"] = np.clip(made["fraud_probability"] * np.where(weekend, 1.5, 1.0), 0, 1)
    return made.iloc[np.argsort(day, kind="stable")].reset_index(drop=True)


def test_the_weeks_own_rhythm_is_no_drift(check):
    reference = seasonal(8_000, 0, 0, 28)
    for week in range(4):
        result = check(seasonal(5_000, 10 + week, 28 + 7 * week, 7), reference=reference)
        assert result.verdict == "stable", [drift for drift in result.columns if drift.verdict != "stable"]
    # The same days without their weekends are another world, and are told apart.
    weekdays = seasonal(5_000, 20, 28, 5)
    assert check(weekdays, reference=reference).metrics["psi.amount"] > result.metrics["psi.amount"]


def test_performance_is_measured_on_older_payments_whose_labels_are_in(check):
    rng = np.random.default_rng(4)
    fraud = rng.random(4_000) < 0.05
    old = pd.DataFrame(
        {
            "fraud_probability": np.clip(0.1 + 0.6 * fraud + rng.normal(0, 0.05, 4_000), 0, 1),
            "label": fraud.astype(float),
            "matured": np.arange(4_000) < 3_000,
        }
    )
    old.loc[3_500:, "label"] = np.nan  # too young, and nobody has decided on them
    result = check(
        payments(6_000, 1).drop(columns="fraud"),
        reference=payments(6_000, 0).drop(columns="fraud"),
        label_column="label",
        matured_column="matured",
        labelled=old,
        labelled_days=10.0,
        reference_average_precision=0.8,
    )
    assert (result.performance.rows, result.provisional.rows) == (3_000, 500)
    assert result.performance.average_precision > 0.99
    assert result.metrics["performance.reference_average_precision"] == 0.8
    assert "(reference: 0.800) on 3,000 matured labels" in result.report_markdown
    assert "Provisional, not part of the verdict" in result.report_markdown


def test_windows_of_another_model_version_do_not_count(check):
    verdicts = []
    for seed, version in ((1, "3"), (2, "4")):
        current = payments(9_000, seed)
        current["amount"] *= 100
        verdicts.append(check(current, model_version=version).verdict)
    assert verdicts == ["watch", "watch"]


def test_two_hundred_rows_are_insufficient_and_no_window(check):
    few = payments(200, 1)
    few["amount"] *= 100
    result = check(few)
    assert result.verdict == "insufficient"
    assert {drift.verdict for drift in result.columns} == {"insufficient"}
    assert result.checks[0].message == "200 rows in the current data, but 1,000 are needed for a verdict"
    assert "too few transactions" in result.report_markdown
    current = payments(9_000, 2)
    current["amount"] *= 100
    assert check(current).previous_run_id is None


def test_an_absent_column_is_acted_on_at_once(check):
    result = check(payments(9_000, 1).drop(columns="hour"))
    assert result.verdict == "act"
    assert result.columns[0].column == "hour"
    assert result.to_dict()["columns"][0]["psi"] is None


def test_no_rows_at_all_are_insufficient_and_written_down(check, tracking):
    result = check(payments(0, 1))
    assert result.verdict == "insufficient"
    assert result.html_path is None
    assert MlflowClient(tracking["tracking_uri"]).get_run(result.run_id).data.metrics["rows.current"] == 0


def test_alert_volume_is_held_against_the_reference(check):
    more_fraud = payments(9_000, 1, fraud_rate=0.03)
    result = check(more_fraud, days=7)
    assert result.alerts.verdict == "act"
    assert result.verdict == "watch"
    assert result.metrics["alerts.per_day"] == pytest.approx((more_fraud["fraud_probability"] >= 0.3).sum() / 7)
    assert "The number of alerts has changed" in result.report_markdown


def test_labels_that_have_not_matured_stay_out_of_performance(check):
    current = payments(9_000, 1)
    current["matured"] = np.arange(9_000) < 6_000
    current.loc[6_000:, "fraud"] = 0.0  # complaints that have not come in yet
    result = check(current, matured_column="matured", days=9)
    assert result.performance.rows == 6_000
    assert result.performance.average_precision > 0.6
    assert result.provisional.frauds == 0
    assert np.isnan(result.provisional.average_precision)
    assert result.metrics["performance.precision_at_25_a_day"] > 0
    assert "Provisional, not part of the verdict" in result.report_markdown
    assert "performance.average_precision" not in check(current).metrics


def test_the_run_in_mlflow_holds_figures_and_reports(check, tracking, tmp_path):
    current = payments(9_000, 1)
    current["matured"] = True
    result = check(current, matured_column="matured", days=9, window="2026-08-20 to 2026-08-29", params={"data": "x"})
    client = MlflowClient(tracking["tracking_uri"])
    run = client.get_run(result.run_id)
    assert run.data.metrics["psi.amount"] == pytest.approx(result.metrics["psi.amount"])
    assert run.data.metrics["score.psi"] == run.data.metrics["psi.fraud_probability"]
    assert run.data.params["window"] == "2026-08-20 to 2026-08-29"
    assert run.data.tags["verdict"] == "stable"
    names = {artifact.path for artifact in client.list_artifacts(result.run_id)}
    assert names == {"drift.html", "drift.json", "evidently.json", "monitor.md"}
    plain = json.loads(result.html_path.with_name("drift.json").read_text())
    assert plain["verdict"] == "stable"
    evidently = json.loads(result.html_path.with_name("evidently.json").read_text())
    values = {
        metric["config"]["column"]: metric["value"]
        for metric in evidently["metrics"]
        if metric["config"]["type"].endswith("FixedBinPsi")
    }
    assert values == {drift.column: pytest.approx(drift.psi) for drift in result.columns}
    json.dumps(result.to_dict(), allow_nan=False)


def test_the_html_report_asks_nothing_of_the_network_and_lets_no_markup_in(check):
    reference, current = payments(2_000, 0), payments(2_000, 1)
    attack = "</script><script>alert(1)</script>"
    for frame in (reference, current):
        frame[attack] = frame["amount"]
        frame.loc[::5, "type"] = attack
    result = check(current, reference)
    page = result.html_path.read_text(encoding="utf-8")
    assert attack not in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']?(https?:)?//", page)
    assert "<script>alert" not in result.report_markdown


def test_missing_values_that_come_and_go_by_nature_are_no_fault(check):
    """A payee is new to more payers in some weeks than in others; a feature of its past is then missing."""

    def with_gaps(share, rows, seed):
        made = payments(rows, seed)
        return made.assign(gap=made["amount"].where(np.random.default_rng(seed).random(rows) >= share))

    reference, window = with_gaps(0.03, 6_000, 0), with_gaps(0.07, 9_000, 1)
    (alone,) = (drift for drift in check(window, reference).columns if drift.column == "gap")
    assert alone.verdict == "watch" and "missing values rose" in alone.note
    earlier = [with_gaps(0.08, 9_000, 2)]
    (known,) = (drift for drift in check(window, reference, earlier=earlier).columns if drift.column == "gap")
    assert known.verdict == "stable"
    worse = check(with_gaps(0.15, 9_000, 3), reference, earlier=earlier)
    assert next(drift for drift in worse.columns if drift.column == "gap").verdict != "stable"


def test_identifiers_and_times_are_not_compared(check):
    reference, current = payments(2_000, 0), payments(2_000, 1)
    for shift, frame in enumerate((reference, current)):
        frame["payer"] = [f"C{row + shift * 10_000}" for row in range(len(frame))]
        frame["at"] = pd.date_range(f"2026-0{6 + shift}-01", periods=len(frame), freq="min")
    result = check(current, reference)
    assert set(result.skipped) == {"payer", "at"}
    assert result.verdict == "stable"


@pytest.mark.parametrize(
    ("reference", "more", "words"),
    [
        (payments(0, 0), {}, "reference has no rows"),
        (payments(2_000, 0), {"minimum_rows": 0}, "minimum_rows must be at least 1"),
        (payments(2_000, 0), {"columns": ["amont"]}, "amont is not in the reference"),
        (payments(2_000, 0), {"label_column": "isFraud", "columns": ["amount"]}, "isFraud is not in the current"),
        (payments(2_000, 0), {"label_column": "count_1d", "matured_column": "fraud"}, "is neither 0 nor 1"),
        (payments(2_000, 0), {"score_column": "score"}, "score is not in the"),
    ],
)
def test_wrong_input_is_refused_in_one_clear_line(check, reference, more, words):
    with pytest.raises(EvalInputError, match=words):
        check(payments(2_000, 1), reference, **more)


def test_progress_names_the_columns(check):
    seen = []
    check(payments(2_000, 1), progress=seen.append)
    assert [step.done for step in seen if step.stage == "comparing columns"] == list(range(1, 8))
