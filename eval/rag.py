"""Measures the assistant: asks it every question, scores the answers with Ragas, writes one run to MLflow.

    from eval.questions import load_questions
    from eval.rag import run_rag
    result = run_rag(Answerer(index), load_questions(), tracking_uri="sqlite:////srv/mlflow.db")
    result.metrics["citation_recall"], result.metrics["refusal_precision"], result.run_id

No language model and no network is needed; with `judge=Judge.parse("ollama:llama3.1")` a model gives verdicts beside.
`fail_under={"citation_recall": 0.8}` turns figures into gates.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from eval.against import TABLE, compare_tables, earlier_table
from eval.aggregates import METRIC_NAMES, aggregate, fallback_share, named_interval
from eval.checkpoint import Checkpoint, measurement_key
from eval.errors import EvalInputError
from eval.gates import Gate
from eval.intervals import mean_interval
from eval.judge import Judge, find_model
from eval.judge_metrics import JUDGE_NAMES, judge_prompts, judge_trials
from eval.measures import Embed, Scores, measures_for, score_trials
from eval.questions import KINDS, Question, load_questions, question_set_digest, stale_gold
from eval.rag_report import quality_of, write_report, write_worst
from eval.rag_result import RagResult
from eval.tracking import RunRecord, begin_run, finish_run, mark_ended
from eval.trials import Asks, DocumentText, Trial, run_trials
from fraud_model.progress import Progress, ProgressCallback

__all__ = ["EXPERIMENT", "Gate", "RagResult", "load_questions", "run_rag"]

EXPERIMENT = "fraud-desk-rag"


def run_rag(
    answerer: Asks,
    questions: Sequence[Question],
    *,
    tracking_uri: str,
    artifact_root: str | Path | None = None,
    experiment: str = EXPERIMENT,
    params: Mapping[str, Any] | None = None,
    progress: ProgressCallback | None = None,
    fail_under: Mapping[str, float] | None = None,
    embed: Embed | None = None,
    document_text: DocumentText | None = None,
    against: str | None = None,
    judge: Judge | None = None,
    checkpoints: Path | None = None,
    run_name: str | None = None,
    parent_run_id: str | None = None,
    seed: int = 0,
) -> RagResult:
    """Ask every question, score, and write one run to MLflow.

    Args:
        answerer: The assistant; its `ask(question, as_of=...)` is called once a question.
        questions: What to ask.
        tracking_uri: MLflow's address.
        artifact_root: Where a new experiment keeps its artifacts; MLflow's choice where None.
        experiment: MLflow experiment, created where absent.
        params: Settings of the assistant to log: answerer, embedding, k, index version ...
        progress: Told after each question.
        fail_under: Least value of a metric; see `RagResult.gates`.
        embed: Vectors of texts, for `answer_similarity`; where None, of the packaged MiniLM, whatever the
            index uses: a yardstick must not change with what it measures.
        document_text: Text of a document by id; where None, `answerer.index.document_text`.
        against: Id of an earlier run to compare with, question by question.
        judge: A language model that gives verdicts beside; see `eval.judge_metrics`. None: no model is asked.
        checkpoints: Folder where finished answers are kept until the run is whole, so that a killed one goes on; it
            goes on where questions and `params` are the same, which must tell of everything that changes an answer.
        run_name: In MLflow's list.
        parent_run_id: The run that this one stands under.
        seed: Of the confidence intervals.

    Raises:
        EvalInputError: no questions, a gate on a metric that does not exist, or nothing to compare with.
        JudgeUnavailable: there is no such judge.
        TrackingError: the run could not be written.
    """
    if not questions:
        raise EvalInputError("no questions to ask")
    _check_gates(fail_under, judge)
    before = None if against is None else earlier_table(against, tracking_uri)
    text_of = _forgiving(document_text or _text_source(answerer))
    digest = question_set_digest(questions)
    settings = {**(params or {}), **_question_params(questions), "question_set": digest, "interval_seed": seed}
    if judge is not None:
        settings |= {**judge.params(), "judge_model_digest": find_model(judge)}
    name = run_name or f"assistant, {len(questions)} questions"
    key = measurement_key({**settings, "experiment": experiment, "name": name})
    place = nullcontext(None) if checkpoints is None else Checkpoint(checkpoints, key, tracking_uri)
    with place as kept:
        run = None if kept is None else kept.run
        if run is None:
            run = begin_run(
                name,
                tracking_uri=tracking_uri,
                experiment=experiment,
                artifact_root=artifact_root,
                parent_run_id=parent_run_id,
                params=settings,
                tags={"kind": "rag"},
            )
            if kept is not None:
                kept.begin(run.run_id)
        try:
            trials, scores, metrics = _measured(answerer, questions, text_of, embed, judge, kept, seed, progress)
            stale = tuple(stale_gold(questions, text_of))
            metrics["gold_passages_stale"] = float(len(stale))
            metrics["fallback_share"] = fallback_share(trials, str(settings.get("answerer", "")))
            table = _table(trials, scores)
            # First, since MLflow's comparison opens with the metric that was logged first.
            metrics = {**named_interval("quality", mean_interval(table["quality"].to_numpy(), seed)), **metrics}
            gates = tuple(Gate(gate, least, metrics.get(gate, nan)) for gate, least in (fail_under or {}).items())
            compared = None if against is None or before is None else compare_tables(against, before, table, seed)
            worst = write_worst(trials, scores, table["quality"].to_numpy())
            report = write_report(metrics, trials, gates, stale)
            if compared is not None:
                metrics |= compared.metrics()
                report += "\n" + compared.to_markdown()
            if progress is not None:
                progress(Progress("writing the run to MLflow", 0, None))
            texts = {"report.md": report, "worst_ten.md": worst}
            if judge is not None:
                texts["judge_prompts.json"] = json.dumps(judge_prompts(), indent=1, ensure_ascii=False)
            record = RunRecord(
                name=name,
                params=settings,
                metrics=metrics,
                tags={"kind": "rag", "gates": "none" if not gates else ("passed" if _all(gates) else "failed")},
                texts=texts,
                tables={TABLE: table},
            )
            finish_run(run, record, tracking_uri=tracking_uri, trace_ids=_trace_ids(answerer, trials))
        except BaseException:
            if kept is None:
                mark_ended(run.run_id, tracking_uri, "KILLED")
            raise
        continued = 0 if kept is None else len(kept.answers)
        if kept is not None:
            kept.done()
    return RagResult(run.run_id, metrics, table, report, worst, gates, stale, experiment, digest, compared, continued)


def _measured(
    answerer: Asks,
    questions: Sequence[Question],
    text_of: DocumentText,
    embed: Embed | None,
    judge: Judge | None,
    kept: Checkpoint | None,
    seed: int,
    progress: ProgressCallback | None,
) -> tuple[list[Trial], Scores, dict[str, float]]:
    """Answers, their scores and the figures, going on from what was kept."""
    trials = run_trials(
        answerer,
        questions,
        text_of,
        progress,
        known=None if kept is None else kept.answers,
        on_trial=None if kept is None else kept.answered,
    )
    vectors = embed or _packaged_embedding
    scores = score_trials(trials, measures_for(trials, vectors), progress)
    if judge is None:
        return trials, scores, aggregate(trials, scores, seed)
    verdicts = judge_trials(
        trials,
        judge,
        vectors,
        known=None if kept is None else kept.verdicts,
        on_score=None if kept is None else kept.judged,
        progress=progress,
    )
    scores = scores.beside(verdicts.scores)
    return trials, scores, {**aggregate(trials, scores, seed), **verdicts.metrics()}


def _all(gates: Sequence[Gate]) -> bool:
    return all(gate.passed for gate in gates)


def _check_gates(fail_under: Mapping[str, float] | None, judge: Judge | None) -> None:
    judged = (*JUDGE_NAMES, "judged_share")
    for name in fail_under or {}:
        if name in judged and judge is None:
            raise EvalInputError(f"the gate on {name!r} needs a judge: --judge ollama:MODEL")
        if name not in METRIC_NAMES and name not in judged:
            raise EvalInputError(
                f"no metric {name!r} to gate on; there are: {', '.join(METRIC_NAMES)}; with a judge also "
                f"{', '.join(judged)}"
            )


def _trace_ids(answerer: Asks, trials: Sequence[Trial]) -> list[str]:
    """Traces of the answers, all sent."""
    found = list(dict.fromkeys(trial.trace_id for trial in trials if trial.trace_id))
    tracer = getattr(answerer, "tracer", None)
    if found and tracer is not None:
        tracer.flush()
    return found


def _packaged_embedding(texts: Sequence[str]) -> Any:
    from retrieval.embedding import Embedding

    return Embedding().encode(list(texts))


def _text_source(answerer: Asks) -> DocumentText:
    source = getattr(getattr(answerer, "index", None), "document_text", None)
    if source is None:
        raise EvalInputError("the answerer has no index with document_text; give document_text to run_rag")
    return source


def _forgiving(source: DocumentText) -> DocumentText:
    """The texts, each fetched once; None where the source raises because there is no such document."""
    known: dict[str, str | None] = {}

    def text_of(document_id: str) -> str | None:
        if document_id not in known:
            try:
                known[document_id] = source(document_id)
            except Exception:  # The index says in its own way that a document is absent; here that is an answer.
                known[document_id] = None
        return known[document_id]

    return text_of


def _question_params(questions: Sequence[Question]) -> dict[str, int]:
    kinds = {f"questions_{kind}": sum(question.kind == kind for question in questions) for kind in KINDS}
    return {"questions": len(questions), **kinds}


def _table(trials: Sequence[Trial], scores: Scores) -> pd.DataFrame:
    plain = pd.DataFrame(
        {
            "id": [trial.question.id for trial in trials],
            "kind": [trial.question.kind for trial in trials],
            "question": [trial.question.question for trial in trials],
            "status": [trial.status or "failed" for trial in trials],
            "response": [trial.response for trial in trials],
            "reference_answer": [trial.question.reference_answer for trial in trials],
            "citations": ["; ".join(f"{c.document_id}[{c.start}:{c.end}]" for c in t.citations) for t in trials],
            "tool_text": [trial.tool_text for trial in trials],
            "seconds": [trial.seconds for trial in trials],
            "prompt_tokens": [trial.prompt_tokens for trial in trials],
            "reply_tokens": [trial.reply_tokens for trial in trials],
            "trace_id": [trial.trace_id for trial in trials],
            "error": [trial.error for trial in trials],
            "reasons": [
                "; ".join(f"{name}: {reason}" for (at, name), reason in scores.reasons.items() if at == row)
                for row in range(len(trials))
            ],
            "quality": quality_of(trials, scores),
        }
    )
    return pd.concat([plain, scores.values], axis=1)
