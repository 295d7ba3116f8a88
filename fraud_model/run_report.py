"""The report of a training run, in Markdown, for people who decide about the model.

Plain sentences with figures come before the tables, so that a search for a question finds its answer in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fraud_model.against import ChampionCheck
from fraud_model.evaluation import Evaluation
from fraud_model.preparation import Prepared
from fraud_model.report_changes import changes, drift, figure_words
from fraud_model.slices import AMOUNT_BAND, SliceRow
from fraud_model.thresholds import ThresholdRow

KNOWN_LIMITS = (
    "Payers and payees without history get a score from the amount, the time and the other side alone.",
    "Labels arrive late: fraud of the last days is not yet in the risk features.",
    "The threshold was set on the validation days; with another volume of payments the number of alerts a day changes.",
    "Fraud of a kind that the training period does not contain is found only as far as it looks unusual.",
    "The thresholds of least cost and of a wanted recall were chosen on the rows that they are judged on here.",
)


@dataclass(frozen=True)
class ReportInput:
    """What the report tells.

    Attributes:
        run_id: MLflow run.
        version: Registered version.
        dataset_name: What the data are called.
        dataset_digest: SHA-256 of the data.
        candidate: The kind of model in words.
        prepared: The data and their split.
        found: What was measured.
        check: The comparison with the champion, or why there is none.
        settings: Of the run, by name.
        importance: Share of each feature, the largest first.
        warnings: What was shortened or is rough.
        missed: Gates missed; empty where all passed.
        selection: How the candidate was chosen, as Markdown lines; empty where it was not compared with others.
    """

    run_id: str
    version: str
    dataset_name: str
    dataset_digest: str
    candidate: str
    prepared: Prepared
    found: Evaluation
    check: ChampionCheck
    settings: Mapping[str, Any]
    importance: Sequence[tuple[str, float]]
    warnings: Sequence[str]
    missed: Sequence[str] = ()
    selection: Sequence[str] = ()


def run_report(report: ReportInput) -> str:
    """The report as Markdown."""
    schema, split = report.prepared.schema, report.prepared.split
    title = f"Training run of fraud-classifier version {report.version}"
    lines = [
        "---",
        f"title: {title}",
        f"published: {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"run_id: {report.run_id}",
        f'model_version: "{report.version}"',
        "---",
        "",
        f"# {title}",
        "",
        f"Run {report.run_id}. Candidate: {report.candidate}. Data: {report.dataset_name or 'not named'}, "
        f"{len(report.prepared.transactions):,} transactions, digest {report.dataset_digest[:16]}. "
        f"Schema {schema.name} ({schema.track} track), label delay {schema.label_delay_days:g} days.",
        "",
        f"Trained on payments from {_moment(split.train_start)} until {_moment(split.train_end)} "
        f"({int(split.train.sum()):,} payments). Validated on payments from {_moment(split.validation_start)} until "
        f"{_moment(split.validation_end)} ({int(split.validation.sum()):,} payments), which the model never saw.",
        "",
        "## Decision",
        "",
        "Gates missed: " + "; ".join(report.missed) + "." if report.missed else "All gates passed.",
        "",
    ]
    lines += changes(report.version, report.check, report.prepared, report.found, report.settings)
    lines += _figures(report)
    lines += _thresholds(report)
    lines += _slices(report.found.slices)
    lines += drift(report.check)
    if report.selection:
        lines += ["## How the candidate was chosen", "", *report.selection, ""]
    lines += ["## What the model looks at", ""]
    if any(share for _, share in report.importance):
        lines += ["| feature | share |", "|---|---|"]
        lines += [f"| {name} | {share:.3f} |" for name, share in report.importance]
    else:
        lines += ["This kind of model does not tell how much each feature counts."]
    lines += unreported_words(report.settings)
    lines += ["", "## Leakage gate", "", "Nothing leaks. Looked at:", ""]
    lines += [f"- {check}" for check in report.prepared.leakage.checks]
    lines += ["", "## Warnings", ""]
    lines += [f"- {warning}" for warning in report.warnings] or ["None."]
    lines += ["", "## Known limits", "", *(f"- {limit}" for limit in KNOWN_LIMITS), ""]
    return "\n".join(lines)


def unreported_words(settings: Mapping[str, Any]) -> list[str]:
    """Markdown lines on the fraud that a model assumes without a report; none for kinds that assume nothing."""
    if "unreported_fraud" not in settings:
        return []
    assumed = float(settings["unreported_fraud"])
    if not assumed:
        return [
            "",
            "No unreported fraud is assumed: nothing shows that payees held out would be ordered better with it.",
        ]
    return [
        "",
        f"Among payments labelled legitimate, {assumed:g} times as much unreported fraud as was reported is assumed, "
        "the more of it the longer a payee's newest known label lies back: payees held out were ordered better so. "
        "Calibration takes the assumed fraud out of the probabilities again.",
    ]


def _figures(report: ReportInput) -> list[str]:
    metrics, version = report.found.metrics, report.version
    return [
        "## Figures on validation",
        "",
        f"Version {version} reaches an average precision of {figure_words(metrics, 'average_precision')} at a base "
        f"rate of {_figure(metrics, 'base_rate', 4)}, and a ROC AUC of {figure_words(metrics, 'roc_auc')}. "
        f"At the alert budget of {report.found.rule.alerts_per_day:g} alerts a day, precision is "
        f"{figure_words(metrics, 'precision_at_budget')} and recall {figure_words(metrics, 'recall_at_budget')}. "
        f"The card precision at 100 is {figure_words(metrics, 'card_precision_at_100')}. The calibration error is "
        f"{_figure(metrics, 'calibration_error', 4)}.",
        "",
        "Figures at the threshold of least cost and of the wanted recall stand in the table of thresholds.",
        "",
        "| figure | value | 95% interval |",
        "|---|---|---|",
        *(
            f"| {name.replace('_', ' ')} | {value:,.4f} | {_interval(metrics, name)} |"
            for name, value in sorted(metrics.items())
            if not name.endswith(("_low", "_high", "_at_cost", "_at_wanted_recall"))
            and not name.startswith("threshold_")
        ),
        "",
    ]


def _thresholds(report: ReportInput) -> list[str]:
    rule, schema = report.found.rule, report.prepared.schema
    words = {
        "budget": f"{rule.alerts_per_day:g} alerts a day",
        "cost": "least cost",
        "recall": f"recall of at least {rule.wanted_recall:g}",
    }
    missed = "its amount" if rule.costs.missed_fraud is None else f"{rule.costs.missed_fraud:g} {schema.currency}"
    head = (
        f"| precision | recall | alerts a day | value caught ({schema.currency}) | share of value "
        f"| cost saved ({schema.currency}) |"
    )
    return [
        "## Threshold and alert budget",
        "",
        f"The threshold is {report.found.threshold:.4f}, chosen by {rule.to_text()}. A false alert costs "
        f"{rule.costs.false_positive:g} {schema.currency}, a missed fraud {missed}. What each rule would choose:",
        "",
        f"| rule | threshold {head}",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {words[row.rule]}{' (chosen)' if row.rule == rule.by else ''} | {row.threshold:.4f} {_found(row)}"
            for row in report.found.thresholds
        ),
        "",
        "What other alert budgets would find:",
        "",
        f"| threshold {head}",
        "|---|---|---|---|---|---|---|",
        *(f"| {row.threshold:.4f} {_found(row)}" for row in report.found.budgets),
        "",
    ]


def _found(row: ThresholdRow) -> str:
    return (
        f"| {row.precision:.3f} | {row.recall:.3f} | {row.alerts_per_day:,.1f} | {row.value_caught:,.0f} "
        f"| {row.value_caught_share:.3f} | {row.cost_saved:,.0f} |"
    )


def _slices(rows: Sequence[SliceRow]) -> list[str]:
    lines: list[str] = []
    for by in dict.fromkeys(row.by for row in rows):
        lines += [f"## By {by}", "", f"| {by} | payments | frauds | precision | recall | average precision |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [
            f"| {row.name} | {row.payments:,} | {row.frauds:,} | {_or_dash(row.precision)} | {_or_dash(row.recall)} "
            f"| {_or_dash(row.average_precision)} |"
            for row in rows
            if row.by == by
        ]
        if by == AMOUNT_BAND:
            lines += ["", "Precision and recall are those at the threshold."]
        lines.append("")
    return lines


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _figure(metrics: Mapping[str, float], name: str, digits: int = 3) -> str:
    return f"{metrics[name]:.{digits}f}" if name in metrics else "unknown"


def _interval(metrics: Mapping[str, float], name: str) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return f"{low:,.4f} to {high:,.4f}" if low is not None and high is not None else ""


def _or_dash(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"
