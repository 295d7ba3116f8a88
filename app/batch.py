"""Scoring an uploaded file: checked whole first, then scored with the working payments before it as history."""

from dataclasses import dataclass
from pathlib import Path

from app.desk import Desk
from app.errors import RefusedError
from fraud_model.data import ValidationReport, read_transactions, validate, write_table
from fraud_model.progress import Progress, ProgressCallback


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
    report = check_upload(desk, source)
    if not report.ok:
        wrong = [problem for problem in report.problems if problem.level == "error"]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise RefusedError(f"{wrong[0].message}{more}", 422, "invalid_transactions")
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
