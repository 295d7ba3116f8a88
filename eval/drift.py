"""Is the world still the one that the model was trained in? Evidently over reference and current data.

    from eval.drift import run_drift
    result = run_drift(scorer.reference, last_days, tracking_uri=..., model_version="3", threshold=scorer.threshold)
    result.verdict, [drift.column for drift in result.columns if drift.verdict == "act"]

Data checks first, then every feature, the score and the number of alerts; performance only on labels that have had the
time to come in, those still coming in shown apart. One broken column is never outvoted by the others, and "act" needs
the same column in two windows in a row, since one odd day is no drift.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eval.drift_checks import AlertVolume, ColumnDrift, DataCheck, alert_volume, compare_columns, plain
from eval.drift_evidently import evidently_report
from eval.drift_performance import Performance, measure_performance
from eval.drift_report import write_report
from eval.drift_text import TextDrift
from eval.drift_verdict import LEVELS, confirm, earlier_window, fingerprint, level_name, overall, psi_name
from eval.errors import EvalInputError
from eval.psi import ACT, WATCH
from eval.tracking import LoggedRun, RunRecord, log_run, safe_name
from fraud_model.progress import Progress, ProgressCallback

__all__ = ["EXPERIMENT", "ColumnDrift", "DataCheck", "DriftResult", "run_drift"]

EXPERIMENT = "fraud-desk-drift"
MINIMUM_ROWS = 1_000
_HTML, _MARKDOWN, _JSON, _EVIDENTLY_JSON = "drift.html", "monitor.md", "drift.json", "evidently.json"


@dataclass(frozen=True)
class DriftResult:
    """One drift check.

    Attributes:
        run_id: Of the run in MLflow.
        verdict: stable, watch, act or insufficient; the worst that any column or the alerts call for.
        columns: One record a column, worst first.
        checks: What is wrong with the data themselves.
        metrics: Figures by stable name: `psi.<column>`, `level.<column>` (-1 insufficient, 0 stable, 1 watch,
            2 act), `missing.<column>` (share), `drift.share`, `rows.current`, `verdict.level` ...
        report_markdown: The monitor report, to be indexed.
        html_path: Evidently's report on this machine; None where artifacts are elsewhere or there was nothing to draw.
        previous_run_id: The window that this one was held against; None for a first one.
        alerts: Alert volume; None where no threshold was given.
        performance: On matured labels; None where there are none.
        provisional: On labels still coming in, for information only; None where there are none.
        skipped: Columns that cannot be compared, with the reason.
        texts: Drift of questions and documents by their embeddings.
    """

    run_id: str
    verdict: str
    columns: tuple[ColumnDrift, ...]
    checks: tuple[DataCheck, ...]
    metrics: dict[str, float]
    report_markdown: str
    html_path: Path | None = None
    previous_run_id: str | None = None
    alerts: AlertVolume | None = None
    performance: Performance | None = None
    provisional: Performance | None = None
    skipped: Mapping[str, str] | None = None
    texts: tuple[TextDrift, ...] = ()
    experiment: str = EXPERIMENT

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON; NaN becomes None."""
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "verdict": self.verdict,
            "columns": [drift.to_dict() for drift in self.columns],
            "checks": [{"subject": c.subject, "level": c.level, "message": c.message} for c in self.checks],
            "metrics": {name: plain(value) for name, value in self.metrics.items()},
            "html_path": None if self.html_path is None else str(self.html_path),
            "previous_run_id": self.previous_run_id,
            "skipped": dict(self.skipped or {}),
            "texts": [
                {name: plain(value) if isinstance(value, float) else value for name, value in asdict(each).items()}
                for each in self.texts
            ],
        }


def run_drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    tracking_uri: str,
    artifact_root: str | Path | None = None,
    experiment: str = EXPERIMENT,
    model_version: str = "",
    model_name: str = "fraud-classifier",
    score_column: str = "fraud_probability",
    threshold: float | None = None,
    columns: Sequence[str] | None = None,
    label_column: str | None = None,
    matured_column: str | None = None,
    days: float | None = None,
    labelled: pd.DataFrame | None = None,
    labelled_days: float | None = None,
    reference_average_precision: float | None = None,
    texts: Sequence[TextDrift] = (),
    earlier: Sequence[pd.DataFrame] = (),
    window: str = "",
    minimum_rows: int = MINIMUM_ROWS,
    params: Mapping[str, Any] | None = None,
    progress: ProgressCallback | None = None,
) -> DriftResult:
    """Compare, judge, and write one run to MLflow.

    Args:
        reference: What the model was validated on: features and score, one row a transaction, in the order of time.
        current: The last days scored, with the same columns.
        tracking_uri: MLflow's address.
        artifact_root: Where a new experiment keeps its artifacts; MLflow's choice where None.
        experiment: MLflow experiment, created where absent.
        model_version: Version that gave the scores; windows are held against earlier ones of the same version.
        model_name: Name of the model, for the report.
        score_column: Column with the fraud probability, in [0, 1].
        threshold: The model's alert threshold in [0, 1]; None leaves alert volume out.
        columns: Columns to compare; all of the reference but label and maturity where None.
        label_column: Column with 1 fraud, 0 legitimate, missing for not yet known; None leaves performance out.
        matured_column: Column that is true where a label has had the time to come in; without it every label is
            provisional.
        days: Length of the current window in days, for figures a day.
        labelled: Score, label and maturity of other payments, where the current ones are too young to be labelled;
            performance is then measured on these.
        labelled_days: Days that the matured ones among them span.
        reference_average_precision: What performance is held against where the reference has no labels, in [0, 1].
        texts: Drift of questions and documents, for figures and report; it leaves the verdict on the model alone.
        earlier: Windows before the reference, as long as the current one, such as those that the model was trained on:
            they tell how far a column moves by nature.
        window: The window in words, such as "2026-08-20 to 2026-08-27", for the report.
        minimum_rows: Fewer rows, in either, give the verdict insufficient.
        params: More to log.
        progress: Told after each column and step.

    Raises:
        EvalInputError: an empty reference, a column that is not there, a setting out of range.
        TrackingError: MLflow cannot be read or written.
    """
    compared_columns = _checked_columns(reference, columns, label_column, matured_column, minimum_rows)
    found = compare_columns(
        reference, current, compared_columns, minimum_rows=minimum_rows, earlier=earlier, progress=progress
    )
    alerts = _alerts(reference, current, score_column, threshold, days)
    matured, provisional = measure_performance(
        reference,
        current if labelled is None else labelled,
        label_column=label_column,
        matured_column=matured_column,
        score_column=score_column,
        days=days if labelled is None else labelled_days,
        reference_average_precision=reference_average_precision,
    )
    before = earlier_window(found, tracking_uri=tracking_uri, experiment=experiment, model_version=model_version)
    drifts = confirm(found.columns, before)
    verdict = overall(drifts, found.checks, alerts, before)
    _tell(progress, "drawing Evidently's report")
    html, evidently_json = evidently_report(
        reference,
        current,
        [drift.column for drift in drifts if drift.column in found.comparisons],
        score_column=score_column,
        label_column=label_column if labelled is None else None,
        matured_column=matured_column if labelled is None else None,
        days=days,
    )
    moment = datetime.now(UTC)
    result = DriftResult(
        run_id="",
        verdict=verdict,
        columns=drifts,
        checks=found.checks,
        metrics={},
        report_markdown="",
        previous_run_id=before.run_id if before else None,
        alerts=alerts,
        performance=matured,
        provisional=provisional,
        skipped=found.skipped,
        texts=tuple(texts),
        experiment=experiment,
    )
    metrics = _metrics(result, reference, current, score_column)
    result = replace(result, metrics=metrics)

    def report(run: LoggedRun | None) -> str:
        return write_report(
            result,
            rows=(len(reference), len(current)),
            model=f"{model_name} version {model_version}" if model_version else model_name,
            window=window,
            moment=moment,
            run_id=run.run_id if run else "",
        )

    _tell(progress, "writing the run to MLflow")
    artifacts = {_MARKDOWN: report(None), _JSON: json.dumps(result.to_dict(), indent=1, allow_nan=False)}
    if html:
        artifacts |= {_HTML: html, _EVIDENTLY_JSON: evidently_json}
    logged = log_run(
        RunRecord(
            name=f"drift, {window}" if window else "drift",
            params={
                **(params or {}),
                "model_name": model_name,
                "model_version": model_version,
                "window": window,
                "minimum_rows": minimum_rows,
                "columns": len(drifts),
                "threshold": "" if threshold is None else threshold,
            },
            metrics=metrics,
            tags={
                "kind": "drift",
                "model_version": model_version or "unknown",
                "reference": fingerprint(found, "reference"),
                "window": fingerprint(found, "current"),
                "verdict": verdict,
            },
            texts=artifacts,
        ),
        tracking_uri=tracking_uri,
        experiment=experiment,
        artifact_root=artifact_root,
    )
    return replace(
        result,
        run_id=logged.run_id,
        report_markdown=report(logged),
        html_path=logged.local_path(_HTML) if html else None,
    )


def _checked_columns(
    reference: pd.DataFrame,
    columns: Sequence[str] | None,
    label_column: str | None,
    matured_column: str | None,
    minimum_rows: int,
) -> list[str]:
    if len(reference) == 0:
        raise EvalInputError("the reference has no rows; train a model first, or give its reference sample")
    if minimum_rows < 1:
        raise EvalInputError(f"minimum_rows must be at least 1, not {minimum_rows}")
    twice = sorted({str(column) for column in reference.columns[reference.columns.duplicated()]})
    if twice:
        raise EvalInputError(f"the reference has column {', '.join(twice)} twice")
    if columns is not None:
        return list(columns)
    return [column for column in reference.columns if column not in (label_column, matured_column)]


def _alerts(
    reference: pd.DataFrame, current: pd.DataFrame, score_column: str, threshold: float | None, days: float | None
) -> AlertVolume | None:
    if threshold is None:
        return None
    for name, frame in (("reference", reference), ("current data", current)):
        if score_column not in frame.columns:
            raise EvalInputError(f"column {score_column} is not in the {name}; alert volume needs it")
    return alert_volume(reference[score_column], current[score_column], threshold, days)


def _metrics(
    result: DriftResult, reference: pd.DataFrame, current: pd.DataFrame, score_column: str
) -> dict[str, float]:
    drifts = result.columns
    found = {  # MLflow's comparison opens with the first.
        "drift.psi_max": max((drift.psi for drift in drifts if np.isfinite(drift.psi)), default=float("nan")),
        "verdict.level": float(LEVELS[result.verdict]),
        "rows.reference": float(len(reference)),
        "rows.current": float(len(current)),
        "drift.columns": float(len(drifts)),
        "drift.act": float(sum(drift.verdict == ACT for drift in drifts)),
        "drift.watch": float(sum(drift.verdict == WATCH for drift in drifts)),
        "drift.confirmed": float(sum(drift.confirmed for drift in drifts)),
        "drift.share": sum(drift.verdict == ACT for drift in drifts) / max(len(drifts), 1),
    }
    for drift in drifts:
        found[psi_name(drift.column)] = drift.psi
        found[level_name(drift.column)] = float(LEVELS[drift.verdict])
        found[f"missing.{safe_name(drift.column)}"] = drift.missing_current
        if drift.column == score_column:
            found["score.psi"] = drift.psi
    if result.alerts is not None:
        found["alerts.rate_reference"] = result.alerts.reference_rate
        found["alerts.rate_current"] = result.alerts.current_rate
        found["alerts.per_day"] = result.alerts.per_day
        found["alerts.level"] = float(LEVELS[result.alerts.verdict])
    for prefix, performance in (("performance", result.performance), ("provisional", result.provisional)):
        if performance is not None:
            found |= performance.metrics(prefix)
    for each in result.texts:
        found |= each.metrics()
    return found


def _tell(progress: ProgressCallback | None, stage: str) -> None:
    if progress is not None:
        progress(Progress(stage, 0, None))
