"""Configurations and versions side by side: parent and child runs, the same names in all, differences with chance."""

import time
from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient

from eval.compare import Variant, compare_answers, grid, variant_name
from eval.compare_models import Contender, Payments, compare_versions
from eval.errors import EvalInputError
from eval.tracking import comparison_address


def embed(texts):
    return np.ones((len(texts), 2))


@pytest.fixture
def compared(good, questions, scripted, tracking):
    worse = good.changed(lambda answer: scripted.refusal)
    variants = [
        Variant("as it is", {"passages": 8}, good, {"index_version": "1"}),
        Variant("refuses", {"passages": 0}, worse, {"index_version": "1"}),
    ]
    return compare_answers(variants, questions, experiment="compare-tests", embed=embed, **tracking)


def test_every_combination_once_the_first_values_first():
    found = grid({"passages": [4, 8, 4], "llm": ["extractive"]})
    assert found == [{"passages": 4, "llm": "extractive"}, {"passages": 8, "llm": "extractive"}]
    assert variant_name(found[0]) == "passages 4, llm extractive"
    with pytest.raises(EvalInputError, match="100 combinations"):
        grid({"a": list(range(10)), "b": list(range(10))})
    with pytest.raises(EvalInputError, match="passages: give at least one"):
        grid({"passages": []})


def test_children_stand_under_one_parent_with_the_same_names(compared, tracking):
    client = MlflowClient(tracking["tracking_uri"])
    parent = client.get_run(compared.run_id)
    assert parent.info.status == "FINISHED"
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{compared.run_id}'", order_by=["start_time ASC"]
    )
    assert {child.info.run_id for child in children} == {row.result.run_id for row in compared.rows}
    assert all(child.info.status == "FINISHED" for child in children)
    names = [set(child.data.params) for child in children]
    assert names[0] == names[1] >= {"passages", "index_version", "question_set"}
    measured = [set(child.data.metrics) for child in children]
    # Only what cannot be measured at all (a citation's precision where nothing is cited) may be missing.
    assert measured[1] <= measured[0]
    assert {"quality", "citation_recall", "refusal_recall", "latency_p95_seconds"} <= measured[1]


def test_a_model_that_its_stand_in_answered_for_is_told(good, questions, tracking):
    stood_in = good.changed(lambda answer: replace(answer, answerer="extractive"))
    variants = [
        Variant("plain", {"llm": "extractive"}, stood_in, {"answerer": "extractive"}),
        Variant("model", {"llm": "ollama:m"}, stood_in, {"answerer": "ollama:m"}),
    ]
    report = compare_answers(variants, questions, experiment="compare-tests", embed=embed, **tracking).report_markdown
    assert "In model the extractive answerer stood in for the model in 100% of the answers" in report
    assert "In plain" not in report


def test_loading_is_no_part_of_a_latency(good, questions, tracking):
    class Loads:
        def __init__(self):
            self.index, self.ready = good.index, False

        def ask(self, question, as_of=None, where=None):
            if not self.ready:
                time.sleep(0.5)
                self.ready = True
            return good.ask(question, as_of)

    variants = [Variant("cold", {"passages": 8}, Loads()), Variant("warm", {"passages": 4}, good)]
    found = compare_answers(variants, questions, experiment="compare-tests", embed=embed, **tracking)
    assert max(row.result.metrics["latency_max_seconds"] for row in found.rows) < 0.5


def test_each_is_held_against_the_first(compared):
    plain = compared.to_dict()["variants"]
    assert plain[0]["against_first"] is None
    held = plain[1]["against_first"]
    assert set(held["worse"]) == {"holds", "holds-and-eyes", "mule", "case", "ignore-and-tell-holds"}
    assert {"quality", "citation_recall", "rouge_l"} <= set(held["beyond_chance"])
    assert "| refuses | 0.375 |" in compared.report_markdown
    assert "citation_recall -1.000" in compared.report_markdown
    assert plain[0]["run_id"] in compared.address and plain[1]["run_id"] in compared.address


def test_the_address_is_that_of_the_server_or_of_one_to_start():
    assert comparison_address("http://mlflow:5000/", ["1"], ["a", "b"]) == (
        "http://mlflow:5000/#/compare-runs?runs=%5B%22a%22%2C%22b%22%5D&experiments=%5B%221%22%5D"
    )
    assert "mlflow ui --backend-store-uri sqlite:////x.db" in comparison_address("sqlite:////x.db", ["1"], ["a"])


def test_a_comparison_that_breaks_off_is_marked(good, questions, tracking):
    class Dies(BaseException):
        pass

    class Dying:
        index, warm = good.index, False

        def ask(self, question, as_of=None, where=None):
            if self.warm:
                raise Dies
            self.warm = True
            return good.ask(question, as_of)

    with pytest.raises(Dies):
        compare_answers([Variant("dies", {}, Dying())], questions, experiment="broken", embed=embed, **tracking)
    client = MlflowClient(tracking["tracking_uri"])
    runs = client.search_runs([client.get_experiment_by_name("broken").experiment_id])
    assert {run.info.status for run in runs} == {"KILLED"} and len(runs) == 2
    with pytest.raises(EvalInputError, match="nothing to compare"):
        compare_answers([], questions, **tracking)


@pytest.fixture
def payments():
    rng = np.random.default_rng(1)
    labels = (rng.random(3_000) < 0.05).astype(np.int64)
    times = np.sort(rng.integers(0, 10 * 86_400, 3_000))
    payers = np.array([f"C{number}" for number in rng.integers(0, 400, 3_000)], dtype=object)
    return Payments(labels, times, payers, 20.0, "ten days")


def test_versions_are_measured_on_the_same_payments(payments, tracking):
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(2, payments.labels.size))
    good = 1 / (1 + np.exp(-(3 * payments.labels + noise[0])))
    poor = 1 / (1 + np.exp(-(1 * payments.labels + noise[1])))
    found = compare_versions(
        [
            Contender("7", good, {"features": 50}),
            Contender("8", poor, {"features": 40}, True),
            Contender("9", good, {}),
        ],
        payments,
        **tracking,
    )
    first, second, same = found.to_dict()["versions"]
    assert first["gain_over_first"] is None
    assert second["gain_over_first"]["verdict"] == "worse"
    assert same["gain_over_first"]["average_precision"] == 0.0
    assert same["gain_over_first"]["verdict"] == "level"
    metrics = first["metrics"]
    assert metrics["average_precision_low"] < metrics["average_precision"] < metrics["average_precision_high"]
    # 20 alerts a day over ten days.
    alerted = good >= metrics["threshold_at_budget"]
    assert alerted.sum() == 200
    assert metrics["precision_at_budget"] == pytest.approx(payments.labels[alerted].mean())
    assert "| 8 (trained on some of these) |" in found.report_markdown
    run = MlflowClient(tracking["tracking_uri"]).get_run(second["run_id"])
    assert run.data.tags["mlflow.parentRunId"] == found.run_id
    assert run.data.params["saw_rows"] == "True"


def test_payments_without_fraud_measure_nothing(payments, tracking):
    none = Payments(np.zeros_like(payments.labels), payments.times, payments.payers, 20.0, "ten days")
    with pytest.raises(EvalInputError, match="0 frauds among 3000 payments"):
        compare_versions([Contender("7", np.zeros(3_000), {})], none, **tracking)
