"""Measurements of the desk as it stands: its answers with Ragas, the drift of its payments with Evidently."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.answer_quality import measure_answers
from app.files import write_whole
from app.settings import Settings, SettingsError

__all__ = ["measure_answers", "measure_drift", "parse_gates", "score_last_days"]

DAY_SECONDS = 86_400

if TYPE_CHECKING:
    import pandas as pd

    from app.console import ProgressLine
    from eval.drift import DriftResult
    from fraud_model.scorer import Scorer


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
