"""Scoring an uploaded file: checked whole first, then scored with the working payments before it as history."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.desk import Desk
from app.errors import RefusedError
from app.jobs import Job
from fraud_model.data import ValidationReport, iter_transactions, read_transactions, validate, write_table
from fraud_model.progress import Progress, ProgressCallback

log = logging.getLogger(__name__)

EXPERIMENT = "fraud-desk-scoring"
_CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class UploadSummary:
    """What came of a file: rows scored, how many reach the threshold, with which model."""

    rows: int
    alerts: int
    model_version: str


def check_upload(desk: Desk, source: Path) -> ValidationReport:
    """Everything that is wrong with a file, or nothing."""
    return validate(source, desk.scorer.schema)


def score_upload(
    desk: Desk, source: Path, target: Path, reasons: int = 0, progress: ProgressCallback | None = None
) -> UploadSummary:
    """Scores a file into a table, one row per payment in input order.

    Working payments before the file's first are history; later ones are left out, since the file may hold them too.

    Raises:
        RefusedError: the file does not fit the schema; says what is wrong first.
    """
    scorer = desk.scorer
    schema = scorer.schema
    if progress is not None:
        progress(Progress("Checking", 0, 3))
    _require_valid(desk, source)
    if progress is not None:
        progress(Progress("Scoring", 1, 3))
    history = desk.history
    payments = history.aligned(read_transactions(source, schema))
    first = int(schema.times(payments).min())
    around = history.around(payments)
    before = around[schema.times(around) < first]
    scores = scorer.score(payments, history=before, reasons=reasons)
    if progress is not None:
        progress(Progress("Writing", 2, 3))
    write_table(scores, target)
    return UploadSummary(len(scores), int(scores["alert"].sum()), str(scorer.model_version))


def score_job_file(
    desk: Desk, job: Job, source: Path, target: Path, tell: Callable[[Progress], None]
) -> dict[str, Any]:
    """The same for a job: in bounded memory, told step by step, and going on where an earlier attempt ended.

    Args:
        desk: The parts to work with.
        job: What was asked for.
        source: The uploaded file.
        target: The table to make; everything else that is made stays in its folder.
        tell: Told how far it is; what it raises ends the job.

    Returns:
        Rows, alerts, model version, seconds, and the run in MLflow (empty where MLflow was not reached).

    Raises:
        RefusedError: the file does not fit the schema; says what is wrong first.
    """
    scorer = desk.scorer
    tell(Progress("Checking", 0, None))
    _require_valid(desk, source)
    # Made once: the scores of a job that goes on after a restart rest on the same history.
    earlier = target.with_name("history.parquet")
    if not earlier.exists():
        tell(Progress("Collecting history", 0, None))
        schema = scorer.schema
        first = min(
            int(schema.times(chunk.frame).min())
            for chunk in iter_transactions(source, schema, _CHUNK_ROWS)
            if len(chunk.frame)
        )
        known = desk.history.before(first)
        if len(known):
            write_table(known, earlier)
    summary = scorer.score_file(
        source,
        target,
        history=earlier if earlier.exists() else None,
        reasons=int(job.options["reasons"]),
        chunk_rows=_CHUNK_ROWS,
        progress=tell,
    )
    result = {
        "rows": summary.rows,
        "alerts": summary.alerts,
        "model_version": summary.model_version,
        "seconds": summary.seconds,
    }
    return result | {"run_id": _logged(desk, job, result, float(summary.threshold))}


def _require_valid(desk: Desk, source: Path) -> None:
    report = check_upload(desk, source)
    if not report.ok:
        wrong = [problem for problem in report.problems if problem.level == "error"]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise RefusedError(f"{wrong[0].message}{more}", 422, "invalid_transactions")


def _logged(desk: Desk, job: Job, result: dict[str, Any], threshold: float) -> str:
    """A run in MLflow with the figures of a scored file, none of its rows; its id."""
    from mlflow import MlflowClient

    try:
        client = MlflowClient(desk.settings.mlflow_uri)
        known = client.get_experiment_by_name(EXPERIMENT)
        number = (
            known.experiment_id
            if known is not None
            else client.create_experiment(EXPERIMENT, desk.settings.mlflow_artifacts)
        )
        run = client.create_run(number, run_name=f"{job.title}, {result['rows']} payments", tags={"kind": "score"})
        for name, value in (("file", job.title), ("model_version", result["model_version"]), ("job", job.id)):
            client.log_param(run.info.run_id, name, value)
        rows = max(int(result["rows"]), 1)
        figures = {
            "rows": result["rows"],
            "alerts": result["alerts"],
            "alert_share": result["alerts"] / rows,
            "seconds": result["seconds"],
            "threshold": threshold,
        }
        for name, value in figures.items():
            client.log_metric(run.info.run_id, name, float(value))
        client.set_terminated(run.info.run_id)
        return str(run.info.run_id)
    except Exception as error:
        # The scores are made; a tracking store that is away must not take them away again.
        log.warning("the scoring of %s is not in MLflow: %s", job.id, error)
        return ""
