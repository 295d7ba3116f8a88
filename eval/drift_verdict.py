"""From single columns to one verdict: the worst column counts, and "act" needs two windows in a row."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eval.drift_checks import AlertVolume, ColumnDrift, Compared, DataCheck
from eval.psi import ACT, INSUFFICIENT, STABLE, WATCH
from eval.tracking import latest_runs, safe_name

LEVELS = {INSUFFICIENT: -1, STABLE: 0, WATCH: 1, ACT: 2}


@dataclass(frozen=True)
class EarlierWindow:
    """The last window before this one, of the same model against the same reference."""

    run_id: str
    metrics: Mapping[str, float]

    def acted_on(self, column: str) -> bool:
        """Whether a column called for action then."""
        return self.metrics.get(level_name(column), 0.0) >= LEVELS[ACT]

    @property
    def alerts_acted_on(self) -> bool:
        """Whether the number of alerts was out of bounds then."""
        return self.metrics.get("alerts.level", 0.0) >= LEVELS[ACT]


def psi_name(column: str) -> str:
    """Name in MLflow of a column's index."""
    return f"psi.{safe_name(column)}"


def level_name(column: str) -> str:
    """Name in MLflow of a column's verdict as a number, see `LEVELS`."""
    return f"level.{safe_name(column)}"


def fingerprint(found: Compared, which: str) -> str:
    """Sixteen hex digits of the `reference` or `current` data: rows in every bin of every column.

    Checking the same window again must not count as a second window.
    """
    digest = hashlib.sha256()
    for column in sorted(found.comparisons):
        comparison = found.comparisons[column]
        counts = comparison.reference_counts if which == "reference" else comparison.current_counts
        digest.update(f"{column}\0{comparison.bins.labels}\0{counts.tolist()}\n".encode())
    return digest.hexdigest()[:16]


def earlier_window(found: Compared, *, tracking_uri: str, experiment: str, model_version: str) -> EarlierWindow | None:
    """The last check of another window with enough rows, by the same model against the same reference.

    Raises:
        TrackingError: MLflow cannot be read.
    """
    tags = {"kind": "drift", "model_version": model_version or "unknown", "reference": fingerprint(found, "reference")}
    this = fingerprint(found, "current")
    for run in latest_runs(tracking_uri=tracking_uri, experiment=experiment, tags=tags):
        if run.data.tags.get("window") != this and run.data.tags.get("verdict") != INSUFFICIENT:
            return EarlierWindow(run.info.run_id, run.data.metrics)
    return None


def confirm(drifts: Sequence[ColumnDrift], before: EarlierWindow | None) -> tuple[ColumnDrift, ...]:
    """The columns, with `confirmed` where the window before called for action on them too."""
    return tuple(
        replace(drift, confirmed=drift.verdict == ACT and before is not None and before.acted_on(drift.column))
        for drift in drifts
    )


def overall(
    drifts: Sequence[ColumnDrift], checks: Sequence[DataCheck], alerts: AlertVolume | None, before: EarlierWindow | None
) -> str:
    """One verdict for the window: act, watch, stable or insufficient.

    An absent column is acted on at once, whatever the number of rows: no second window makes it less absent.
    """
    if any(check.level == ACT for check in checks):
        return ACT
    if any(drift.verdict == INSUFFICIENT for drift in drifts) or not drifts:
        return INSUFFICIENT
    called = [_in_force(drift.verdict, drift.confirmed) for drift in drifts]
    if alerts is not None:
        called.append(_in_force(alerts.verdict, before is not None and before.alerts_acted_on))
    return max(called, key=LEVELS.__getitem__)


def _in_force(verdict: str, confirmed: bool) -> str:
    return WATCH if verdict == ACT and not confirmed else verdict
