"""Model versions side by side on the same later payments: a parent run in MLflow, a child run for each.

Metric names are those of training runs, so that MLflow lines them up. The first version is what the others are held
against; a difference counts where its 95% interval, drawn over the same payments for both, leaves out zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.errors import EvalInputError
from eval.markdown import harmless
from eval.rag_result import plain_number
from eval.tracking import RunRecord, begin_run, comparison_address, finish_run, log_run, mark_ended
from fraud_model import metrics as figures
from fraud_model.intervals import Comparison, compare, intervals
from fraud_model.progress import Progress, ProgressCallback

EXPERIMENT = "fraud-desk-model-compare"
SHOWN = ("average_precision", "roc_auc", "precision_at_budget", "recall_at_budget", "card_precision_at_100")

Vector = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Contender:
    """One version and its scores.

    Attributes:
        version: Its number.
        scores: Of the payments, shape (rows,), probabilities in [0, 1].
        params: What is different about it.
        saw_rows: Whether it was trained on some of these payments, which favours it.
    """

    version: str
    scores: Vector
    params: Mapping[str, Any]
    saw_rows: bool = False


@dataclass(frozen=True)
class Payments:
    """The payments that all versions score, labels known.

    Attributes:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        times: UTC epoch seconds, shape (rows,).
        payers: Shape (rows,).
        alerts_per_day: Each version alerts on its so many highest scores a day, over all days together.
        period: In words.
    """

    labels: Vector
    times: Vector
    payers: Vector
    alerts_per_day: float
    period: str


@dataclass(frozen=True)
class ModelRow:
    """A version with its figures, and its gain in average precision over the first (None for the first itself)."""

    version: str
    run_id: str
    metrics: dict[str, float]
    gain: Comparison | None
    saw_rows: bool


@dataclass(frozen=True)
class ModelComparison:
    """All versions, in order; see `eval.compare.Comparison`."""

    run_id: str
    rows: tuple[ModelRow, ...]
    address: str
    report_markdown: str

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain values, ready for JSON."""
        return {
            "run_id": self.run_id,
            "experiment": EXPERIMENT,
            "mlflow": self.address,
            "versions": [
                {
                    "version": row.version,
                    "run_id": row.run_id,
                    "saw_rows": row.saw_rows,
                    "metrics": {name: plain_number(value) for name, value in row.metrics.items()},
                    "gain_over_first": None
                    if row.gain is None
                    else {
                        "average_precision": plain_number(row.gain.gain),
                        "low": plain_number(row.gain.low),
                        "high": plain_number(row.gain.high),
                        "verdict": row.gain.verdict,
                    },
                }
                for row in self.rows
            ],
        }


def compare_versions(
    contenders: Sequence[Contender],
    payments: Payments,
    *,
    tracking_uri: str,
    artifact_root: str | Path | None = None,
    params: Mapping[str, Any] | None = None,
    progress: ProgressCallback | None = None,
    seed: int = 0,
) -> ModelComparison:
    """Measure every version on the same payments and hold each against the first.

    Args:
        contenders: At least one; the first is what the others are held against.
        payments: What they scored.
        tracking_uri: MLflow's address.
        artifact_root: Where a new experiment keeps its artifacts.
        params: Further settings for every run.
        progress: Told after each version.
        seed: Of the intervals.

    Raises:
        EvalInputError: no versions, or no fraud or nothing else among the payments.
        TrackingError: a run could not be written.
    """
    if not contenders:
        raise EvalInputError("nothing to compare: there are no versions")
    frauds = int(payments.labels.sum())
    if not 0 < frauds < payments.labels.size:
        raise EvalInputError(f"{frauds} frauds among {payments.labels.size} payments: nothing to measure versions by")
    shared = {
        **(params or {}),
        "period": payments.period,
        "payments": payments.labels.size,
        "frauds": frauds,
        "alerts_per_day": payments.alerts_per_day,
    }
    where = {"tracking_uri": tracking_uri, "experiment": EXPERIMENT, "artifact_root": artifact_root}
    title = f"versions {', '.join(contender.version for contender in contenders)}"
    parent = begin_run(title, params=shared, tags={"kind": "model-comparison"}, **where)  # type: ignore[arg-type]
    rows: list[ModelRow] = []
    try:
        for number, contender in enumerate(contenders):
            if progress is not None:
                progress(Progress("comparing versions", number, len(contenders), contender.version))
            gain = compare(payments.labels, contenders[0].scores, contender.scores, seed) if number else None
            metrics = _measure(contender.scores, payments, seed)
            if gain is not None:
                metrics |= {"gain_over_first": gain.gain, "gain_low": gain.low, "gain_high": gain.high}
            record = RunRecord(
                f"version {contender.version}",
                {**shared, **contender.params, "version": contender.version, "saw_rows": contender.saw_rows},
                metrics,
                {"kind": "model", "version": contender.version},
            )
            logged = log_run(record, parent_run_id=parent.run_id, **where)  # type: ignore[arg-type]
            rows.append(ModelRow(contender.version, logged.run_id, metrics, gain, contender.saw_rows))
        address = comparison_address(tracking_uri, [parent.experiment_id], [row.run_id for row in rows])
        report = _report(rows, payments, address)
        whole = RunRecord(title, shared, {"versions_compared": float(len(rows))}, {}, {"comparison.md": report})
        finish_run(parent, whole, tracking_uri=tracking_uri)
    except BaseException:
        mark_ended(parent.run_id, tracking_uri, "KILLED")
        raise
    return ModelComparison(parent.run_id, tuple(rows), address, report)


def _measure(scores: Vector, payments: Payments, seed: int) -> dict[str, float]:
    """Figures with their bounds, by the names that training runs have."""
    labels, times = payments.labels, payments.times
    days = max((int(times.max()) - int(times.min())) / 86_400, 1.0)
    alerts = min(max(1, round(payments.alerts_per_day * days)), labels.size)
    threshold = float(np.sort(scores)[-alerts])
    alerted = scores >= threshold
    # The figure counts payers by number; a schema's may be text.
    payers = np.unique(payments.payers.astype(str), return_inverse=True)[1]
    found = {
        "average_precision": float(figures.average_precision(labels, scores)),
        "roc_auc": float(figures.roc_auc(labels, scores)),
        "precision_at_budget": float(labels[alerted].mean()),
        "recall_at_budget": float(labels[alerted].sum() / labels.sum()),
        "card_precision_at_100": float(figures.card_precision_at_k(labels, scores, times, payers, 100)),
        "threshold_at_budget": threshold,
    }
    for name, (low, high) in intervals(labels, scores, {"budget": threshold}, seed=seed).items():
        if name in found:
            found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _report(rows: Sequence[ModelRow], payments: Payments, address: str) -> str:
    lines = [
        "# Model versions compared",
        "",
        f"{payments.labels.size:,} payments of {payments.period}, {int(payments.labels.sum()):,} of them fraud, whose "
        f"labels are known; {payments.alerts_per_day:g} alerts a day.",
        "",
        f"| version | {' | '.join(SHOWN)} | gain over the first |",
        f"|---|{'---:|' * len(SHOWN)}---|",
    ]
    for row in rows:
        cells = " | ".join(_cell(row.metrics, name) for name in SHOWN)
        held = "what the others are held against"
        if row.gain is not None:
            held = f"{row.gain.gain:+.3f} ({row.gain.low:+.3f} to {row.gain.high:+.3f}): {row.gain.verdict}"
        mark = " (trained on some of these)" if row.saw_rows else ""
        lines.append(f"| {harmless(row.version)}{mark} | {cells} | {held} |")
    return "\n".join([*lines, "", f"Beside each other in MLflow: {address}", ""])


def _cell(metrics: Mapping[str, float], name: str) -> str:
    value = f"{metrics[name]:.3f}"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return value if low is None or high is None else f"{value} ({low:.3f} to {high:.3f})"
