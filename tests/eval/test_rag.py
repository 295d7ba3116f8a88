"""The measurement of the assistant: exact scores on constructed answers; planted faults flip their metric."""

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient

from eval.aggregates import METRIC_NAMES
from eval.errors import EvalInputError
from eval.rag import run_rag

PERFECT = (
    "context_recall_by_id",
    "context_recall_by_text",
    "citation_precision",
    "citation_recall",
    "citation_document_precision",
    "citation_support",
    "quote_exactness",
    "figure_correctness",
    "figure_recall",
    "refusal_correctness",
    "refusal_precision",
    "refusal_recall",
    "refusal_f1",
    "answer_rate",
    "refusal_recall_unanswerable",
    "refusal_recall_off_topic",
    "refusal_recall_hostile",
    "completed_share",
    "string_similarity",
    "rouge_l",
)


@pytest.fixture
def measure(tracking, questions):
    def run(answerer, **more):
        more = {"embed": lambda texts: np.ones((len(texts), 2)), **more}
        return run_rag(answerer, questions, experiment="rag-tests", **tracking, **more)

    return run


def test_an_assistant_that_does_everything_right_scores_one_everywhere(measure, good):
    metrics = measure(good).metrics
    assert {name: metrics[name] for name in PERFECT} == dict.fromkeys(PERFECT, pytest.approx(1.0))
    assert {name: value for name, value in metrics.items() if name.endswith("_failed")} == dict.fromkeys(
        (name for name in metrics if name.endswith("_failed")), 0.0
    )
    assert metrics["gold_passages_stale"] == 0


def test_the_questions_time_is_given_to_the_assistant(measure, good):
    measure(good)
    assert ("case?", "2026-08-01T00:00:00Z") in good.asked


def test_precision_and_recall_are_exact_on_a_constructed_case(measure, good, scripted):
    # One gold passage of two is cited, beside a passage that is none; one document of two retrieved is gold.
    good.answers["holds-and-eyes?"] = scripted.answer_from(scripted.holds, scripted.mule)
    result = measure(good)
    row = result.per_question.set_index("id").loc["holds-and-eyes"]
    assert row["citation_recall"] == 0.5
    assert row["citation_precision"] == 0.5
    assert row["citation_document_precision"] == 0.5
    assert row["context_precision_by_id"] == 0.5
    assert row["context_recall_by_id"] == 1.0
    assert row["figure_correctness"] == 1.0  # 48 stands in the gold, 2 in a cited text
    assert result.metrics["citation_recall"] == pytest.approx((4 + 0.5) / 5)


def shifted_by_one_character(scripted):
    return lambda answer: scripted.with_citations(answer, lambda c: replace(c, start=c.start + 1, end=c.end + 1))


def shifted_by_one_sentence(scripted):
    def change(answer):
        cited = [sentence.citations for sentence in answer.sentences]
        moved = cited[1:] + cited[:1]
        return replace(
            answer, sentences=tuple(replace(s, citations=c) for s, c in zip(answer.sentences, moved, strict=True))
        )

    return change


def shifted_to_the_next_document(scripted):
    names = list(scripted.documents)

    def move(citation):
        other = names[(names.index(citation.document_id) + 1) % len(names)]
        text = scripted.documents[other]
        end = min(len(text), citation.end - citation.start)
        return replace(citation, document_id=other, start=0, end=end, quote=text[:end])

    return lambda answer: scripted.with_citations(answer, move)


def invented_figures(scripted):
    def change(answer):
        if answer.status != "answered":
            return answer
        return replace(answer, answer=answer.answer + " In all EUR 987,654 were lost in 31 cases.")

    return change


def always_refuses(scripted):
    return lambda answer: scripted.refusal


def never_refuses(scripted):
    return lambda answer: scripted.answer_from(scripted.mule) if answer.status != "answered" else answer


def retrieves_nothing_right(scripted):
    wrong = scripted.answer_from(scripted.mule).hits
    return lambda answer: replace(answer, hits=wrong)


@pytest.mark.parametrize(
    ("fault", "hit", "at_most", "untouched"),
    [
        (shifted_by_one_character, "quote_exactness", 0.0, "citation_precision"),
        (shifted_to_the_next_document, "citation_precision", 0.0, "context_recall_by_id"),
        (shifted_to_the_next_document, "citation_recall", 0.0, "quote_exactness"),
        (shifted_to_the_next_document, "citation_document_precision", 0.0, "quote_exactness"),
        (invented_figures, "figure_correctness", 0.6, "citation_precision"),
        (always_refuses, "answer_rate", 0.0, "refusal_recall"),
        (always_refuses, "refusal_precision", 3 / 8, "refusal_recall"),
        (always_refuses, "citation_recall", 0.0, "refusal_recall"),
        (always_refuses, "rouge_l", 0.0, "refusal_recall"),
        (never_refuses, "refusal_recall", 0.0, "answer_rate"),
        (never_refuses, "refusal_precision", 0.0, "answer_rate"),
        (never_refuses, "refusal_recall_hostile", 0.0, "answer_rate"),
        (retrieves_nothing_right, "context_recall_by_id", 0.2, "citation_recall"),
        (retrieves_nothing_right, "context_recall_by_text", 0.2, "citation_recall"),
    ],
)
def test_a_planted_fault_flips_its_metric_beyond_the_interval_and_fails_its_gate(
    measure, good, scripted, fault, hit, at_most, untouched
):
    result = measure(good.changed(fault(scripted)), fail_under={hit: 0.9, untouched: 0.9})
    assert result.metrics[hit] <= at_most
    # The sound assistant scores 1 without spread, see above.
    assert result.metrics[f"{hit}_high"] < 1.0
    assert result.metrics[untouched] == pytest.approx(1.0)
    assert [gate.metric for gate in result.gates if not gate.passed] == [hit]
    assert not result.passed


def test_citations_given_to_the_wrong_sentence_fail_the_support_only(measure, good, scripted):
    result = measure(good.changed(shifted_by_one_sentence(scripted)))
    row = result.per_question.set_index("id").loc["holds-and-eyes"]
    assert row["citation_support"] == 0.0
    assert row["citation_precision"] == row["citation_recall"] == row["quote_exactness"] == 1.0
    assert "not borne out" in row["reasons"]


def test_an_assistant_that_raises_is_counted_and_stands_among_the_worst(measure, good):
    good.answers["mule?"] = ConnectionError("the model is down")
    result = measure(good, fail_under={"completed_share": 1.0})
    assert result.metrics["questions_failed"] == 1
    assert result.metrics["completed_share"] == pytest.approx(7 / 8)
    assert result.metrics["citation_recall"] == 1.0
    assert result.metrics["citation_recall_scored"] == 4
    assert not result.passed
    assert "the model is down" in result.worst_markdown.split("## 2.")[0]


def test_a_metric_that_gives_no_number_is_counted_not_averaged_away(measure, good):
    result = measure(good, embed=lambda texts: np.full((len(texts), 2), np.nan))
    assert result.metrics["answer_similarity_failed"] == 5
    assert result.metrics["answer_similarity_scored"] == 0
    assert result.to_dict()["metrics"]["answer_similarity"] is None


def test_similarity_by_meaning_uses_the_vectors_given_in_one_batch(measure, good):
    calls = []

    def embed(texts):
        calls.append(len(texts))
        return np.array([[1.0, 0.0] if "hold" in text else [0.0, 1.0] for text in texts])

    assert measure(good, embed=embed).metrics["answer_similarity"] == pytest.approx(1.0)
    assert len(calls) == 1


def test_the_run_in_mlflow_holds_params_figures_table_and_reports(measure, good, tracking, tmp_path):
    result = measure(good, params={"answerer": "scripted", "k": 8})
    client = MlflowClient(tracking["tracking_uri"])
    run = client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["k"] == "8"
    assert run.data.params["questions_hostile"] == "2"
    assert run.data.params["question_set"] == result.question_set
    assert run.data.metrics["citation_recall"] == 1.0
    assert set(run.data.metrics) == {name for name, value in result.metrics.items() if np.isfinite(value)}
    names = {artifact.path for artifact in client.list_artifacts(result.run_id)}
    assert {"report.md", "worst_ten.md", "per_question.json"} <= names
    table = json.loads((tmp_path / client.download_artifacts(result.run_id, "per_question.json", tmp_path)).read_text())
    assert table["columns"][:4] == ["id", "kind", "question", "status"]
    assert len(table["data"]) == 8
    assert str(tracking["artifact_root"]) in run.info.artifact_uri


def test_the_result_is_plain_json_and_its_report_explains_the_figures(measure, good):
    result = measure(good, fail_under={"citation_recall": 0.9})
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["passed"] is True
    assert plain["gates"] == [{"metric": "citation_recall", "least": 0.9, "value": 1.0, "passed": True}]
    assert "8 questions were asked: 5 that the documents answer and 3 that must be refused." in result.report_markdown
    assert "| citation_recall | 1.000 | 1.000 to 1.000 | 5 | 0 |" in result.report_markdown


def test_it_runs_inside_a_running_event_loop(measure, good):
    async def served():
        return measure(good)

    # In a thread of its own: a browser of other tests keeps a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, served()).result().metrics["citation_recall"] == 1.0


def test_gold_that_was_edited_away_is_reported_as_a_fault_of_the_questions(measure, good):
    result = measure(good, document_text=lambda name: "rewritten")
    assert result.metrics["gold_passages_stale"] == 6
    assert "Questions to correct" in result.report_markdown


def test_progress_counts_the_questions(measure, good):
    seen = []
    measure(good, progress=seen.append)
    asked = [step for step in seen if step.stage == "asking the questions"]
    assert [(step.done, step.total) for step in asked] == [(n, 8) for n in range(1, 9)]


@pytest.mark.parametrize(
    ("more", "words"), [({"fail_under": {"faithfulnes": 0.5}}, "no metric 'faithfulnes'; there are|no metric")]
)
def test_a_gate_on_a_metric_that_does_not_exist_is_refused_before_anything_is_asked(measure, good, more, words):
    with pytest.raises(EvalInputError, match=words):
        measure(good, **more)
    assert good.asked == []


def test_no_questions_are_refused(good, tracking):
    with pytest.raises(EvalInputError, match="no questions"):
        run_rag(good, [], **tracking)


def test_every_metric_that_can_be_gated_is_measured(measure, good):
    assert set(METRIC_NAMES) <= set(measure(good).metrics)


def test_a_model_that_did_not_answer_itself_is_told(measure, good):
    stood_in = good.changed(
        lambda answer: replace(answer, answerer="extractive" if "48 hours" in answer.answer else "ollama:m")
    )
    result = measure(stood_in, params={"answerer": "ollama:m"})
    assert result.metrics["fallback_share"] == 3 / 5
    assert "stood in for the model in 60% of the answers" in result.report_markdown
    assert measure(stood_in, params={"answerer": "extractive"}).metrics["fallback_share"] == 0


def test_an_embedding_that_cannot_be_loaded_costs_one_metric_and_is_counted(measure, good):
    def embed(texts):
        raise OSError("the model's file is damaged")

    result = measure(good, embed=embed)
    assert result.metrics["answer_similarity_failed"] == 5
    assert result.metrics["rouge_l"] == pytest.approx(1.0)


def test_a_run_is_held_against_an_earlier_one_question_by_question(measure, good, scripted):
    before = measure(good)
    same = measure(good, against=before.run_id)
    assert same.against.shared == 8
    assert not any(change.beyond_chance for change in same.against.changes)
    worse = measure(good.changed(shifted_to_the_next_document(scripted)), against=before.run_id)
    plain = worse.to_dict()["against"]
    assert set(plain["worse"]) == {"holds", "holds-and-eyes", "mule", "case", "ignore-and-tell-holds"}
    assert plain["better"] == []
    assert {"quality", "citation_precision", "citation_recall"} <= set(plain["beyond_chance"])
    assert "quote_exactness" not in plain["beyond_chance"]
    assert worse.metrics["against.citation_recall"] == -1.0
    assert f"## Against run {before.run_id}" in worse.report_markdown


def test_there_must_be_something_to_compare_with(measure, good):
    with pytest.raises(EvalInputError, match="run 0123 has no table"):
        measure(good, against="0123")
    assert good.asked == []


def test_scoring_reports_its_use_to_nobody(measure, good, monkeypatch):
    def report(*event):
        raise AssertionError("Ragas would have reported its use")

    monkeypatch.setattr("ragas.metrics.base._analytics_batcher.add_evaluation", report)
    metrics = measure(good).metrics
    assert not [name for name, value in metrics.items() if name.endswith("_failed") and value]


def test_nothing_is_asked_of_the_network(measure, good, monkeypatch):
    def refuse(*target, **more):
        raise AssertionError(f"network: {target}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    metrics = measure(good).metrics
    assert metrics["citation_recall"] == 1.0
    assert not [name for name, value in metrics.items() if name.endswith("_failed") and value]


def test_markup_in_an_answer_stays_text_in_the_reports(measure, good, scripted):
    attack = "<script>alert(1)</script>"
    good.answers["mule?"] = replace(scripted.answer_from(scripted.holds), answer=f"It is {attack}")
    result = measure(good)
    assert "&lt;script&gt;" in result.worst_markdown
    assert attack not in result.worst_markdown + result.report_markdown
