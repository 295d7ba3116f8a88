"""Measurements of the desk as it stands: its answers with Ragas, the drift of its payments with Evidently."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.corpus import make_answerer, open_index
from app.files import write_whole
from app.settings import Settings, SettingsError

DAY_SECONDS = 86_400

if TYPE_CHECKING:
    import pandas as pd

    from app.console import ProgressLine
    from eval.drift import DriftResult
    from eval.questions import Question
    from eval.rag import RagResult
    from fraud_model.scorer import Scorer
    from retrieval import Index


def measure_answers(
    settings: Settings,
    questions: Path | None = None,
    *,
    gates: dict[str, float] | None = None,
    most: int | None = None,
    progress: "ProgressLine | None" = None,
) -> "RagResult":
    """Run the assistant over questions, score its answers, log the run to MLflow.

    Args:
        settings: Settings in force.
        questions: A .jsonl file; None for the questions that ship, as far as their documents are in the index.
        gates: Metric name and the least value that passes.
        most: Ask at most so many, the kinds in proportion; all where None.
        progress: Told after each question.
    """
    from eval.questions import load_questions, sample_questions
    from eval.rag import run_rag

    index = open_index(settings, read_only=True)
    asked = load_questions(questions)
    if questions is None:
        asked = _about_indexed_documents(asked, index)
    if most is not None:
        asked = sample_questions(asked, most)
    state = index.status()
    params = {
        "answerer": settings.llm,
        "embedding_model": state.embedding_model,
        "chunking": state.chunking,
        "index_version": index.version,
        "documents": state.documents,
    }
    return run_rag(
        make_answerer(settings, index),
        asked,
        tracking_uri=settings.mlflow_uri,
        artifact_root=settings.mlflow_artifacts,
        params=params,
        fail_under=gates,
        progress=progress,
    )


def measure_drift(settings: Settings, *, progress: "ProgressLine | None" = None) -> "DriftResult":
    """Compare the last days with the champion's reference, log the run to MLflow."""
    from eval.drift import run_drift
    from fraud_model.scorer import Scorer

    scorer = Scorer.load("champion", tracking_uri=settings.mlflow_uri)
    scored, window = score_last_days(settings, scorer)
    result = run_drift(
        scorer.reference,
        scored,
        tracking_uri=settings.mlflow_uri,
        artifact_root=settings.mlflow_artifacts,
        model_version=scorer.model_version,
        threshold=scorer.threshold,
        days=float(settings.alert_days),
        window=window,
        progress=progress,
    )
    write_whole(settings.corpus_written / "run_reports" / f"drift-v{scorer.model_version}.md", result.report_markdown)
    return result


def parse_gates(gates: Sequence[str]) -> dict[str, float]:
    """`metric=value` texts as a table.

    Raises:
        SettingsError: one is not of that form.
    """
    parsed = {}
    for gate in gates:
        name, found, value = gate.partition("=")
        try:
            parsed[name.strip()] = float(value)
        except ValueError:
            found = ""
        if not found or not name.strip():
            raise SettingsError(f"--fail-under {gate!r} is not of the form metric=value, such as citation_recall=0.8")
    return parsed


def _about_indexed_documents(questions: "list[Question]", index: "Index") -> "list[Question]":
    """The questions whose gold passages can be found: shipped case notes are not indexed with the user's payments."""
    known = set(index.document_ids())
    return [question for question in questions if all(gold.document_id in known for gold in question.gold)]


def score_last_days(settings: Settings, scorer: "Scorer") -> "tuple[pd.DataFrame, str]":
    """The working payments' last `alert_days`: features and `fraud_probability`, and the days in words (UTC)."""
    from fraud_model.data import read_transactions
    from fraud_model.features import compute_features

    schema = scorer.schema
    frame = read_transactions(settings.transactions_path, schema)
    times = schema.times(frame)
    recent = times > int(times.max()) - settings.alert_days * DAY_SECONDS
    features = compute_features(frame[recent], schema, history=frame[~recent])
    scores = scorer.score(frame[recent], history=frame[~recent])
    first, last = (datetime.fromtimestamp(int(edge), UTC) for edge in (times[recent].min(), times[recent].max()))
    window = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return features.assign(fraud_probability=scores["fraud_probability"].to_numpy()), window
