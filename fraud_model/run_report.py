"""The report of a training run, in Markdown, for people who decide about the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fraud_model.metrics import BudgetRow
from fraud_model.schema import TransactionSchema
from fraud_model.splits import Split

KNOWN_LIMITS = (
    "Payers and payees without history get a score from the amount, the time and the other side alone.",
    "Labels arrive late: fraud of the last days is not yet in the risk features.",
    "The threshold was set on the validation days; with another volume of payments the number of alerts a day changes.",
    "Fraud of a kind that the training period does not contain is found only as far as it looks unusual.",
)


@dataclass(frozen=True)
class SliceRow:
    """Figures of one part of the validation rows."""

    name: str
    payments: int
    frauds: int
    precision: float
    recall: float
    average_precision: float


@dataclass(frozen=True)
class ReportInput:
    """What the report tells."""

    run_id: str
    version: str
    dataset_name: str
    dataset_digest: str
    rows: int
    schema: TransactionSchema
    split: Split
    metrics: Mapping[str, float]
    budget_per_day: float
    budgets: Sequence[BudgetRow]
    slices: Mapping[str, Sequence[SliceRow]]
    importance: Sequence[tuple[str, float]]
    warnings: Sequence[str]
    gates: Sequence[str] = ()
    against: str = ""


def run_report(report: ReportInput) -> str:
    """The report as Markdown."""
    schema, split, metrics = report.schema, report.split, report.metrics
    lines = [
        "---",
        f"title: Training run of fraud-classifier version {report.version}",
        f"published: {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"run_id: {report.run_id}",
        f'model_version: "{report.version}"',
        "---",
        "",
        f"# Training run of fraud-classifier version {report.version}",
        "",
        f"Run {report.run_id}. Data: {report.dataset_name or 'not named'}, {report.rows:,} transactions, digest "
        f"{report.dataset_digest[:16]}. Schema {schema.name} ({schema.track} track), label delay "
        f"{schema.label_delay_days:g} days.",
        "",
        f"Trained on payments from {_moment(split.train_start)} until {_moment(split.train_end)} "
        f"({int(split.train.sum()):,} payments). Validated on payments from {_moment(split.validation_start)} until "
        f"{_moment(split.validation_end)} ({int(split.validation.sum()):,} payments), which the model never saw.",
        "",
        "## Decision",
        "",
        "Gates missed: " + "; ".join(report.gates) + "." if report.gates else "All gates passed.",
        "",
        report.against or "There is no champion of the same features to compare with.",
        "",
        "## Figures on validation",
        "",
        f"Version {report.version} reaches an average precision of {_figure(metrics, 'average_precision')} at a base "
        f"rate of {_figure(metrics, 'base_rate', 4)}, and a ROC AUC of {_figure(metrics, 'roc_auc')}. At the threshold "
        f"of {_figure(metrics, 'threshold', 4)} for {report.budget_per_day:g} alerts a day, precision is "
        f"{_figure(metrics, 'precision_at_budget')} and recall {_figure(metrics, 'recall_at_budget')}.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {value:,.4f} |" for name, value in sorted(metrics.items())),
        "",
        "## Threshold and alert budget",
        "",
        f"| alerts a day | threshold | precision | recall | value caught ({schema.currency}) | share of value "
        f"| cost saved ({schema.currency}) |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row.alerts_per_day:,.1f} | {row.threshold:.4f} | {row.precision:.3f} | {row.recall:.3f} "
            f"| {row.value_caught:,.0f} | {row.value_share:.3f} | {row.cost_saved:,.0f} |"
            for row in report.budgets
        ),
        "",
    ]
    for name, rows in report.slices.items():
        lines += [f"## By {name}", "", f"| {name} | payments | frauds | precision | recall | average precision |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [
            f"| {row.name} | {row.payments:,} | {row.frauds:,} | {_or_dash(row.precision)} | {_or_dash(row.recall)} "
            f"| {_or_dash(row.average_precision)} |"
            for row in rows
        ]
        lines.append("")
    lines += ["## What the model looks at", "", "| feature | share of gain |", "|---|---|"]
    lines += [f"| {name} | {share:.3f} |" for name, share in report.importance]
    lines += ["", "## Warnings", ""]
    lines += [f"- {warning}" for warning in report.warnings] or ["None."]
    lines += ["", "## Known limits", "", *(f"- {limit}" for limit in KNOWN_LIMITS), ""]
    return "\n".join(lines)


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _figure(metrics: Mapping[str, float], name: str, digits: int = 3) -> str:
    return f"{metrics[name]:.{digits}f}" if name in metrics else "unknown"


def _or_dash(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"
