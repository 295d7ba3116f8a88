"""The monitor report in Markdown: written to be read, and to be found by "is the model drifting?"."""

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import yaml

from eval.drift_checks import AlertVolume, ColumnDrift
from eval.drift_performance import Performance
from eval.drift_text import TextDrift
from eval.markdown import harmless
from eval.psi import ACT, INSUFFICIENT, STABLE, WATCH

if TYPE_CHECKING:
    from eval.drift import DriftResult

_MOST_NAMED = 5
_ADVICE = {
    STABLE: "Nothing needs to be done.",
    WATCH: "Look at the columns named below; the next window decides whether they call for action.",
    ACT: "Find out what changed in the columns named below, mend the data or train a new candidate.",
    INSUFFICIENT: "Check again with a longer window.",
}


def write_report(
    result: "DriftResult", *, rows: tuple[int, int], model: str, window: str, moment: datetime, run_id: str = ""
) -> str:
    """The report, with front matter for the index.

    Args:
        result: The check; its run id may not be known yet.
        rows: Rows of the reference and of the current window.
        model: Name and version.
        window: The window in words; empty where not known.
        moment: When it was checked, UTC.
        run_id: Of the run in MLflow; empty where not known yet.
    """
    stamp = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    front = {"title": f"Drift check of {model}, {stamp[:10]}", "published": stamp, "verdict": result.verdict}
    if run_id:
        front["mlflow_run"] = run_id
    span = f" ({window})" if window else ""
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000).strip(),
        "---",
        f"# Is {model} drifting?",
        "",
        f"{_answer(result, model)} {_ADVICE[result.verdict]}",
        "",
        f"{rows[1]:,} transactions{span} were held against a reference of {rows[0]:,}, checked {stamp}.",
        _runs(result, run_id),
        "",
    ]
    if result.checks:
        lines += ["## The data", ""]
        lines += [f"- {harmless(check.subject)}: {harmless(check.message)}" for check in result.checks] + [""]
    lines += ["## Alerts and score", "", _alerts(result.alerts), ""]
    lines += ["## Performance", "", *_performance(result.performance, result.provisional), ""]
    lines += ["## Columns", "", *_columns(result.columns), ""]
    if result.texts:
        lines += ["## Questions and documents", "", *map(_texts, result.texts), ""]
    if result.skipped:
        lines += [
            f"Not compared: {'; '.join(f'{harmless(name)} ({why})' for name, why in result.skipped.items())}.",
            "",
        ]
    lines += [
        "The population stability index compares shares of rows in bins fixed by the reference: under 0.1 a column is "
        'stable, to 0.25 it is watched, above that it is acted on once two windows in a row agree. "By chance" is '
        "what the index stays under, 95 times in 100, for samples of these sizes in which nothing changed; "
        '"by nature" is how far the column moves between the halves of the reference, or from windows before it, and '
        "only beyond one and a half times that is it judged.",
        "",
    ]
    return "\n".join(lines)


def _answer(result: "DriftResult", model: str) -> str:
    acted = [drift for drift in result.columns if drift.verdict == ACT]
    watched = [drift for drift in result.columns if drift.verdict == WATCH]
    if result.verdict == INSUFFICIENT:
        return f"It cannot be said whether the model is drifting: too few transactions for {model}."
    if result.verdict == STABLE:
        return f"No, the model is not drifting: for {model}, none of {len(result.columns)} columns moved unusually."
    if result.verdict == ACT:
        return f"Yes, the model is drifting: {model} moved in {_named(acted) or 'the number of alerts'}."
    # Short sentences: each may be quoted alone as the answer to "is the model drifting?".
    parts = [f"The model may be drifting: the verdict on {model} is watch."]
    if acted:
        parts.append(f"Above 0.25 for the first time: {_named(acted)}.")
    if watched:
        parts.append(f"To be watched: {_named(watched)}.")
    return " ".join(parts) if len(parts) > 1 else f"{parts[0]} The number of alerts has changed."


def _named(drifts: list[ColumnDrift]) -> str:
    shown = [f"{harmless(drift.column)} ({_index(drift)})" for drift in drifts[:_MOST_NAMED]]
    more = len(drifts) - _MOST_NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _index(drift: ColumnDrift) -> str:
    return f"index {drift.psi:.2f}" if np.isfinite(drift.psi) else "absent"


def _runs(result: "DriftResult", run_id: str) -> str:
    this = f"MLflow run {run_id} in experiment {result.experiment}." if run_id else ""
    before = f" The window before is MLflow run {result.previous_run_id}." if result.previous_run_id else ""
    return (this + (before or " There is no earlier window to hold it against.")).strip()


def _alerts(alerts: AlertVolume | None) -> str:
    if alerts is None:
        return "The number of alerts was not compared: no threshold was given."
    a_day = f", {alerts.per_day:,.0f} a day" if np.isfinite(alerts.per_day) else ""
    return (
        f"{alerts.current_rate:.3%} of transactions reach the alert threshold{a_day}, against "
        f"{alerts.reference_rate:.3%} of the reference: {alerts.verdict}."
    )


def _performance(matured: Performance | None, provisional: Performance | None) -> list[str]:
    if matured is None:
        lines = ["No labels have matured in this window, so performance is not known yet."]
    else:
        lines = [_figures(matured, "matured labels"), *_budgets(matured)]
    if provisional is not None:
        note = _figures(provisional, "labels that may still change")
        lines += ["", f"Provisional, not part of the verdict: {note}"]
    return lines


def _figures(found: Performance, labels: str) -> str:
    precision = f"{found.average_precision:.3f}" if np.isfinite(found.average_precision) else "undefined"
    before = f" (reference: {found.reference:.3f})" if np.isfinite(found.reference) else ""
    return f"average precision is {precision}{before} on {found.rows:,} {labels} with {found.frauds:,} frauds."


def _budgets(found: Performance) -> list[str]:
    if found.budgets.empty:
        return []
    lines = ["", "| alerts a day | threshold | precision | recall |", "|---:|---:|---:|---:|"]
    for row in found.budgets.itertuples(index=False):
        cells = [_number(row.threshold), _number(row.precision), _number(row.recall)]
        lines.append(f"| {row.alerts_per_day} | {' | '.join(cells)} |")
    return lines


def _columns(drifts: tuple[ColumnDrift, ...]) -> list[str]:
    lines = [
        "| column | index | by chance | by nature | verdict | missing | note |",
        "|---|---:|---:|---:|---|---:|---|",
    ]
    for drift in drifts:
        verdict = f"{drift.verdict}, second window" if drift.confirmed else drift.verdict
        lines.append(
            f"| {harmless(drift.column)} | {_number(drift.psi)} | {_number(drift.noise)} "
            f"| {_number(drift.usual)} | {verdict} "
            f"| {drift.missing_current:.1%} | {harmless(drift.note)} |"
        )
    return lines


def _texts(found: TextDrift) -> str:
    if found.verdict == INSUFFICIENT:
        return f"- {found.kind}: too few to tell ({found.current:,} against {found.reference:,})."
    line = (
        f"- {found.kind}: {found.verdict}, index {found.psi:.2f}; the median similarity to the nearest known one is "
        f"{found.similarity_current:.2f}, {found.similarity_reference:.2f} among the known ones."
    )
    if found.verdict == STABLE:
        return line
    return f"{line} Least like anything known: {'; '.join(harmless(text[:120]) for text in found.farthest)}."


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "n/a"
