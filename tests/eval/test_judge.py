"""The judge: known verdicts give known scores, and a judge that fails is counted, never averaged away."""

import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from eval.errors import EvalInputError
from eval.judge import Judge, JudgeFailure, JudgeUnavailable, find_model, read_reply
from eval.judge_metrics import JUDGE_NAMES, judge_prompts, judge_trials
from eval.rag import run_rag
from eval.trials import ask

_SPEC = importlib.util.spec_from_file_location("judge_server", Path(__file__).with_name("judge_server.py"))
assert _SPEC is not None and _SPEC.loader is not None
judge_server = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(judge_server)

DEAD_PORT = "http://127.0.0.1:9"
# Points to judge on the constructed answers: 5 answers have gold, and all of them are answered.
POINTS = 5


@pytest.fixture
def server():
    running = judge_server.JudgeServer()
    yield running
    running.stop()


@pytest.fixture
def judge(server):
    return Judge("judge", server.url, pause_seconds=0.01, call_seconds=20)


def embed(texts):
    """What the script's judge makes up is the first question word for word, and half way to the others."""
    return np.array([[1.0, 0.0] if text == "holds?" else [0.6, 0.8] for text in texts])


@pytest.fixture
def measure(tracking, questions, judge):
    def run(answerer, **more):
        more = {"judge": judge, "embed": embed, **more}
        return run_rag(answerer, questions, experiment="judge-tests", **tracking, **more)

    return run


def test_known_verdicts_give_known_scores(measure, good, server):
    metrics = measure(good).metrics
    # Three of four statements are borne out.
    assert metrics["faithfulness"] == 0.75
    # One answer is said to answer its very question (cosine 1), four another one (cosine 0.6).
    assert metrics["response_relevancy"] == pytest.approx((1 + 4 * 0.6) / 5)
    # One passage was retrieved for each question, and it helps.
    assert metrics["llm_context_precision"] == pytest.approx(1.0)
    # One of the reference's two claims stands in the passages.
    assert metrics["llm_context_recall"] == 0.5
    # Three right, one wrong, one missing: precision and recall are both 3/4.
    assert metrics["factual_correctness"] == 0.75
    assert metrics["judge_failures"] == 0
    assert metrics["judged_share"] == 1.0
    # 2 + 1 + 1 + 1 + 4 calls for each answer; the same question is not asked for its embedding.
    assert metrics["judge_calls"] == len(server.script.requests) == POINTS * 9
    assert metrics["judge_prompt_tokens"] == 100 * POINTS * 9
    assert metrics["judge_reply_tokens"] == 10 * POINTS * 9
    assert {f"{name}_scored" for name in JUDGE_NAMES} <= set(metrics)


def test_the_order_of_the_useful_passages_counts(measure, good, scripted, server):
    server.script.useful = (0, 1)
    good.answers["holds?"] = scripted.answer_from(scripted.holds, others=("typologies/mule",))
    table = measure(good).per_question.set_index("id")
    # The second of two passages helps: precision at its place is one half.
    assert table.loc["holds", "llm_context_precision"] == pytest.approx(0.5)


def test_a_refusal_scores_nought_by_definition_and_asks_no_judge_about_the_answer(measure, good, scripted, server):
    result = measure(good.changed(lambda answer: scripted.refusal))
    assert result.metrics["factual_correctness"] == 0.0
    assert result.metrics["faithfulness_scored"] == 0
    assert server.script.requests == []


@pytest.mark.parametrize("fault", ["error_500", "not_json", "cut"])
def test_one_call_in_five_failing_is_counted_and_in_no_mean(measure, good, judge, server, fault):
    server.script.fail_every, server.script.fault = 5, fault
    metrics = measure(good, judge=replace(judge, retries=0, concurrency=1)).metrics
    # Nine calls a question in a fixed order, a point ending with its first failed call: the fifth call is the first
    # question's recall, the tenth the second one's faithfulness, the fifteenth its factual correctness, and so on.
    failures = {name: metrics[f"judge_failures_{name}"] for name in JUDGE_NAMES}
    assert failures == {
        "faithfulness": 2.0,
        "response_relevancy": 0.0,
        "llm_context_precision": 0.0,
        "llm_context_recall": 3.0,
        "factual_correctness": 2.0,
    }
    assert metrics["judge_failures"] == server.script.failed == sum(failures.values())
    assert metrics["judged_share"] == pytest.approx(1 - sum(failures.values()) / (5 * POINTS))
    for name in JUDGE_NAMES:
        assert metrics[f"{name}_scored"] == POINTS - failures[name]
        assert metrics[f"{name}_failed"] == failures[name]
    # What was scored is scored as without a failure.
    assert metrics["faithfulness"] == metrics["factual_correctness"] == 0.75


@pytest.mark.parametrize("fault", ["error_500", "not_json", "bad_verdict", "cut"])
def test_further_tries_heal_one_call_in_five(measure, good, judge, server, fault):
    server.script.fail_every, server.script.fault = 5, fault
    # One at a time: beside another one, a point's further tries could fall on every fifth call each time.
    metrics = measure(good, judge=replace(judge, concurrency=1)).metrics
    assert metrics["judge_failures"] == 0
    assert metrics["faithfulness"] == metrics["factual_correctness"] == 0.75
    assert metrics["judge_calls"] == len(server.script.requests)
    if fault != "bad_verdict":  # replies without a verdict in them cannot be spoilt
        assert metrics["judge_retries"] == server.script.failed > 0


def test_fewer_verdicts_than_statements_are_no_score(measure, good, judge, server):
    server.script.fail_every, server.script.fault = 1, "too_few"
    metrics = measure(good, judge=replace(judge, retries=0)).metrics
    assert metrics["judge_failures_faithfulness"] == POINTS
    assert metrics["judge_failures_factual_correctness"] == POINTS
    assert math.isnan(metrics["faithfulness"])


def test_no_claims_at_all_are_no_score(measure, good, judge, server):
    server.script.statements = ()
    metrics = measure(good, judge=replace(judge, retries=0)).metrics
    assert metrics["judge_failures_faithfulness"] == metrics["judge_failures_factual_correctness"] == POINTS


def test_a_slow_judge_is_left_after_its_time(measure, good, judge, server):
    server.script.fail_every, server.script.fault = 1, "slow"
    result = measure(good, judge=replace(judge, retries=0, call_seconds=0.2, concurrency=8))
    assert result.metrics["judge_failures"] == 5 * POINTS
    assert "no answer within 0.2 s" in result.per_question.loc[0, "reasons"]


def test_all_judging_ends_at_its_time(measure, good, judge, server):
    metrics = measure(good, judge=replace(judge, total_seconds=1e-6)).metrics
    assert metrics["judge_failures"] == 5 * POINTS
    assert server.script.requests == []


def test_a_judge_that_goes_away_is_not_asked_for_ever(good, questions, judge, server):
    server.stop()
    text_of = good.index.document_text
    trials = [ask(good, question, text_of) for question in questions]
    verdicts = judge_trials(trials, replace(judge, give_up_seconds=0.05, retries=1), embed)
    assert verdicts.metrics()["judge_failures"] == 5 * POINTS
    assert verdicts.usage.calls < 5 * POINTS
    assert any("not asked any more" in reason for reason in verdicts.scores.reasons.values())


def test_gates_on_verdicts(measure, good, questions, tracking):
    result = measure(good, fail_under={"faithfulness": 0.8, "judged_share": 1.0})
    assert [gate.metric for gate in result.gates if not gate.passed] == ["faithfulness"]
    with pytest.raises(EvalInputError, match="needs a judge"):
        run_rag(good, questions, fail_under={"faithfulness": 0.8}, **tracking)


def test_the_run_tells_who_judged_and_with_which_words(measure, good, judge, server, tracking):
    result = measure(good)
    client = MlflowClient(tracking["tracking_uri"])
    params = client.get_run(result.run_id).data.params
    assert params["judge"] == "ollama:judge"
    assert params["judge_seed"] == "0"
    assert params["judge_model_digest"] == "0123456789ab"
    folder = client.download_artifacts(result.run_id, "judge_prompts.json")
    prompts = json.loads(Path(folder).read_text(encoding="utf-8"))
    assert set(prompts) == set(JUDGE_NAMES) == set(judge_prompts())
    assert len(prompts["faithfulness"]) == len(prompts["factual_correctness"]) == 2
    options = server.script.requests[0]["options"]
    assert (options["seed"], options["temperature"], options["num_ctx"]) == (0, 0.0, 8192)
    assert "## By the judge" in result.report_markdown
    assert "0 points got no verdict" in result.report_markdown


def test_verdicts_are_held_against_an_earlier_run(measure, good, server):
    before = measure(good)
    server.script.verdicts = (1,)
    changes = {change.metric: change for change in measure(good, against=before.run_id).against.changes}
    assert changes["faithfulness"].difference.value == 0.25
    assert changes["faithfulness"].beyond_chance
    assert not changes["llm_context_recall"].beyond_chance


def test_a_judge_that_is_not_there_stops_before_anything_is_asked(measure, good, judge, server):
    with pytest.raises(JudgeUnavailable, match="ollama serve"):
        measure(good, judge=replace(judge, url=DEAD_PORT))
    with pytest.raises(JudgeUnavailable, match="ollama pull other"):
        measure(good, judge=replace(judge, model="other"))
    assert good.asked == []
    assert find_model(judge) == "0123456789ab"


@pytest.mark.parametrize("wrong", ["llama3", "openai:gpt", "ollama:", ""])
def test_a_judge_of_another_form_is_refused(wrong):
    with pytest.raises(EvalInputError, match="write ollama:MODEL"):
        Judge.parse(wrong)


@pytest.mark.parametrize("url", ["localhost:11434", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(EvalInputError, match="write it like http"):
        Judge("m", url)


def test_a_password_in_the_address_stays_out_of_the_run():
    assert Judge("m", "http://me:secret@judge:11434").params()["judge_url"] == "http://judge:11434"


def test_a_fenced_reply_is_read_and_a_wrong_one_named():
    from ragas.metrics.collections.context_precision.util import ContextPrecisionOutput

    assert read_reply('```json\n{"reason": "r", "verdict": 1}\n```', ContextPrecisionOutput).verdict == 1
    with pytest.raises(JudgeFailure, match="verdict is 2, neither 0 nor 1"):
        read_reply('{"reason": "r", "verdict": 2}', ContextPrecisionOutput)
    with pytest.raises(JudgeFailure, match=r"verdict: Field required"):
        read_reply('{"reason": "r"}', ContextPrecisionOutput)
