"""Two configurations in service: shares of each with intervals over conversations, and whether they differ."""

import numpy as np
import pytest
from mlflow import MlflowClient

from eval.arms import Served, measure_arms
from eval.errors import EvalInputError
from eval.intervals import difference_of_ratios

HOLD = "A hold is lifted after 48 hours unless the payer confirms the fraud."


def embed(texts):
    return np.ones((len(texts), 2))


def served(number, arm, helpful, *, exact=True, documents, status="answered"):
    start = documents["policies/holds"].index(HOLD)
    quote = HOLD if exact else HOLD.replace("48", "72")
    answer = {
        "status": status,
        "response": HOLD,
        "sentences": [[HOLD, [["policies/holds", start, start + len(HOLD), quote]]]],
        "contexts": [["policies/holds", HOLD]],
        "seconds": 0.1 * number,
        "answerer": "extractive" if arm == "default" or number % 4 == 0 else "ollama:m",
    }
    return Served(number, f"c{number // 2}", arm, "When is a hold lifted?", answer, helpful, helpful is False)


@pytest.fixture
def both(scripted):
    """Of the default, half were called helpful and all quotes are exact; of the second, all and none."""
    documents = scripted.documents
    first = [served(n, "default", n % 2 == 0 if n < 30 else None, documents=documents) for n in range(40)]
    second = [served(n, "second", True, exact=False, documents=documents) for n in range(40, 60)]
    return [*second, *first]


@pytest.fixture
def measured(both, scripted, tracking):
    return measure_arms(both, scripted.documents.get, embed, **tracking)


def test_figures_of_each_arm(measured):
    default, second = measured.arms
    assert (default.arm, second.arm) == ("default", "second")
    assert default.metrics["answers"] == 40 and default.metrics["conversations"] == 20
    assert default.metrics["helpful_share"] == 0.5
    assert default.metrics["rated_share"] == 0.75
    assert default.metrics["corrected_share"] == 15 / 40
    assert default.metrics["quote_exactness"] == default.metrics["citation_support"] == 1.0
    assert second.metrics["helpful_share"] == 1.0
    assert second.metrics["quote_exactness"] == 0.0
    assert second.metrics["citation_support"] == 1.0


def test_each_run_tells_who_gave_its_answers(measured, tracking):
    client = MlflowClient(tracking["tracking_uri"])
    told = [client.get_run(arm.run_id).data.params["answerer"] for arm in measured.arms]
    assert told == ["extractive 40", "ollama:m 15, extractive 5"]


def test_differences_beyond_chance(measured):
    held = measured.to_dict()["arms"][1]["difference_to_first"]
    assert held["helpful_share"]["value"] == 0.5 and held["helpful_share"]["beyond_chance"]
    assert held["quote_exactness"]["value"] == -1.0 and held["quote_exactness"]["beyond_chance"]
    assert not held["citation_support"]["beyond_chance"]
    assert "-1.000 beyond chance" in measured.report_markdown


def test_each_arm_is_a_run_under_one_parent(measured, tracking):
    client = MlflowClient(tracking["tracking_uri"])
    for arm in measured.arms:
        run = client.get_run(arm.run_id)
        assert run.data.tags["mlflow.parentRunId"] == measured.run_id
        assert run.data.params["arm"] == arm.arm
        assert run.data.metrics["helpful_share"] == arm.metrics["helpful_share"]


def test_one_arm_alone_is_told_without_a_comparison(both, scripted, tracking):
    result = measure_arms(
        [entry for entry in both if entry.arm == "default"], scripted.documents.get, embed, **tracking
    )
    assert result.arms[0].differences == {}
    assert "Only one configuration has answered" in result.report_markdown


def test_no_answers_are_nothing_to_measure(scripted, tracking):
    with pytest.raises(EvalInputError, match="no answers"):
        measure_arms([], scripted.documents.get, embed, **tracking)


def test_an_interval_of_a_difference_is_wider_where_conversations_are_few():
    ones = np.ones(200)
    rng = np.random.default_rng(0)
    many = difference_of_ratios((rng.random(200), ones), (rng.random(200), ones))
    few = difference_of_ratios((rng.random(10), ones[:10]), (rng.random(10), ones[:10]))
    assert many.high - many.low < few.high - few.low
    empty = np.zeros(0)
    assert np.isnan(difference_of_ratios((empty, empty), (ones, ones)).value)
