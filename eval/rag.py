"""Measures the assistant: asks it every question, scores the answers with Ragas, writes one run to MLflow.

    from eval.questions import load_questions
    from eval.rag import run_rag
    result = run_rag(Answerer(index), load_questions(), tracking_uri="sqlite:////srv/mlflow.db")
    result.metrics["citation_recall"], result.metrics["refusal_precision"], result.run_id

Nothing here needs a language model or the network. `fail_under={"citation_recall": 0.8}` turns figures into gates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eval.against import TABLE, Against, compare_tables, earlier_table
from eval.aggregates import METRIC_NAMES, aggregate
from eval.errors import EvalInputError
from eval.gates import Gate
from eval.measures import Embed, Scores, measures_for, score_trials
from eval.questions import KINDS, Question, load_questions, question_set_digest, stale_gold
from eval.rag_report import quality_of, write_report, write_worst
from eval.tracking import RunRecord, log_run
from eval.trials import Asks, DocumentText, Trial, run_trials
from fraud_model.progress import Progress, ProgressCallback

__all__ = ["EXPERIMENT", "Gate", "RagResult", "load_questions", "run_rag"]

EXPERIMENT = "fraud-desk-rag"


@dataclass(frozen=True)
class RagResult:
    """One measurement of the assistant.

    Attributes:
        run_id: Of the run in MLflow.
        metrics: Figures by stable name; shares in [0, 1], latencies in seconds, counts as whole numbers.
        per_question: One row a question: what was asked, what came, every score (NaN: does not apply).
        report_markdown: The figures with their intervals, for people.
        worst_markdown: The ten worst answers beside what was expected.
        gates: The bounds asked for and whether they held.
        stale_gold: Gold passages that no longer stand in the documents: the questions need correcting.
        experiment: MLflow experiment of the run.
        question_set: Digest of the questions; runs on the same set can be compared without a second thought.
        against: The comparison with an earlier run; None where none was asked for.
    """

    run_id: str
    metrics: dict[str, float]
    per_question: pd.DataFrame
    report_markdown: str
    worst_markdown: str
    gates: tuple[Gate, ...] = ()
    stale_gold: tuple[str, ...] = ()
    experiment: str = EXPERIMENT
    question_set: str = ""
    against: Against | None = None

    @property
    def passed(self) -> bool:
        """Whether every gate held."""
        return all(gate.passed for gate in self.gates)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON; NaN becomes None."""
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "question_set": self.question_set,
            "questions": len(self.per_question),
            "metrics": {name: _plain(value) for name, value in self.metrics.items()},
            "passed": self.passed,
            "gates": [
                {"metric": gate.metric, "least": gate.least, "value": _plain(gate.value), "passed": gate.passed}
                for gate in self.gates
            ],
            "stale_gold": list(self.stale_gold),
            "against": None
            if self.against is None
            else {
                "run_id": self.against.run_id,
                "shared_questions": self.against.shared,
                "better": list(self.against.better),
                "worse": list(self.against.worse),
                "beyond_chance": [change.metric for change in self.against.changes if change.beyond_chance],
            },
        }


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
        seed: Of the confidence intervals.

    Raises:
        EvalInputError: no questions, a gate on a metric that does not exist, or nothing to compare with.
        TrackingError: the run could not be written.
    """
    if not questions:
        raise EvalInputError("no questions to ask")
    _check_gates(fail_under)
    before = None if against is None else earlier_table(against, tracking_uri)
    text_of = _forgiving(document_text or _text_source(answerer))
    trials = run_trials(answerer, questions, text_of, progress)
    scores = score_trials(trials, measures_for(trials, embed or _packaged_embedding), progress)
    metrics = aggregate(trials, scores, seed)
    stale = tuple(stale_gold(questions, text_of))
    metrics["gold_passages_stale"] = float(len(stale))
    gates = tuple(Gate(name, least, metrics.get(name, float("nan"))) for name, least in (fail_under or {}).items())
    table = _table(trials, scores)
    compared = None if against is None or before is None else compare_tables(against, before, table, seed)
    worst = write_worst(trials, scores, table["quality"].to_numpy())
    report = write_report(metrics, trials, gates, stale)
    if compared is not None:
        metrics |= compared.metrics()
        report += "\n" + compared.to_markdown()
    digest = question_set_digest(questions)
    if progress is not None:
        progress(Progress("writing the run to MLflow", 0, None))
    logged = log_run(
        RunRecord(
            name=f"assistant, {len(questions)} questions",
            params={**(params or {}), **_question_params(questions), "question_set": digest, "interval_seed": seed},
            metrics=metrics,
            tags={"kind": "rag", "gates": "none" if not gates else ("passed" if _all(gates) else "failed")},
            texts={"report.md": report, "worst_ten.md": worst},
            tables={TABLE: table},
        ),
        tracking_uri=tracking_uri,
        experiment=experiment,
        artifact_root=artifact_root,
    )
    return RagResult(logged.run_id, metrics, table, report, worst, gates, stale, experiment, digest, compared)


def _all(gates: Sequence[Gate]) -> bool:
    return all(gate.passed for gate in gates)


def _check_gates(fail_under: Mapping[str, float] | None) -> None:
    for name in fail_under or {}:
        if name not in METRIC_NAMES:
            raise EvalInputError(f"no metric {name!r} to gate on; there are: {', '.join(METRIC_NAMES)}")


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
            "seconds": [trial.seconds for trial in trials],
            "error": [trial.error for trial in trials],
            "reasons": [
                "; ".join(f"{name}: {reason}" for (at, name), reason in scores.reasons.items() if at == row)
                for row in range(len(trials))
            ],
            "quality": quality_of(trials, scores),
        }
    )
    return pd.concat([plain, scores.values], axis=1)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
