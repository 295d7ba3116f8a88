"""The form for one payment, the report on a file and the preview of its scores as HTML."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from app.access import User
from app.jobs import Job
from app.records import Scored
from app.ui import format as show
from app.ui.grid import Num, grid
from fraud_model import TransactionSchema
from fraud_model.data import ValidationReport

PREVIEW_ROWS = 100
"""Payments shown of a scored file."""

_MOVES_SHOWN = 5
# Contributions in log-odds: smaller moves are noise to a reader.
_LEAST_MOVE = 0.01


def payment_form(schema: TransactionSchema, values: Mapping[str, Any]) -> str:
    """One field per column that the model reads.

    Args:
        schema: The champion's schema.
        values: What stands in the fields at first.
    """
    generated = {schema.transaction_id}
    fields = "".join(
        _field(schema, column, values.get(column)) for column in schema.required if column not in generated
    )
    return (
        "<form class='fd-form' aria-label='One payment'><div class='fd-load'><label for='score-load'>Start from "
        "a known "
        "payment</label><div><input id='score-load' name='known' type='text' maxlength='200' placeholder='Payment id' "
        "autocomplete='off'><button type='button' class='fd-button' data-do='load'>Load</button></div></div>"
        f"<div class='fd-fields'>{fields}</div><div class='fd-decide-end'><button type='submit' "
        "class='fd-button fd-primary'>Score payment</button><span class='fd-soft'>After the first score, a "
        "changed field "
        "scores again.</span></div></form>"
    )


def _field(schema: TransactionSchema, column: str, value: Any) -> str:
    name, shown_value = show.text(column), show.text("" if value is None else _plain(value))
    label, hint = _label(schema, column)
    field_id = f"score-{name}"
    known = schema.categories.get(column)
    if known:
        options = "".join(
            f"<option{' selected' if str(value) == option else ''}>{show.text(option)}</option>" for option in known
        )
        control = f"<select id='{field_id}' name='{name}'>{options}</select>"
    else:
        number = column == schema.amount or column in schema.numeric or (column == schema.time and schema.step_seconds)
        kind = "number' step='any" if number else "text"
        least = " min='0'" if column == schema.amount else ""
        control = (
            f"<input id='{field_id}' name='{name}' type='{kind}'{least} value='{shown_value}' maxlength='200' "
            "autocomplete='off' required>"
        )
    return f"<div><label for='{field_id}'>{label} <span class='fd-soft'>{hint}</span></label>{control}</div>"


def _label(schema: TransactionSchema, column: str) -> tuple[str, str]:
    """The name of a column in words, and what goes into it."""
    if column == schema.time:
        if schema.step_seconds:
            unit = "hours" if schema.step_seconds == 3_600 else f"steps of {schema.step_seconds} s"
            return "Time", f"{show.text(column)}, in {unit} from {show.moment(schema.origin)} UTC"
        return "Time", f"{show.text(column)}, UTC, such as 2026-06-01T09:30:00Z"
    roles = {schema.payer: "Payer", schema.payee: "Payee", schema.amount: "Amount"}
    if column == schema.amount:
        return "Amount", f"{show.text(column)}, {show.text(schema.currency)}"
    return roles.get(column, show.plain_name(column)), show.text(column) if column in roles else ""


def _plain(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def report_view(report: ValidationReport, name: str) -> str:
    """What is wrong with a file, or that nothing is."""
    errors = [problem for problem in report.problems if problem.level == "error"]
    rows = "".join(
        "<li "
        f"class='fd-problem-{show.text(problem.level)}'><b>{'Error' if problem.level == 'error' else 'Warning'}</b> "
        f"{show.text(problem.message)}{_rows(problem.rows, problem.count)}</li>"
        for problem in report.problems
    )
    if errors:
        head = f"<strong>{len(errors)} {'error' if len(errors) == 1 else 'errors'} to correct in "
        f"{show.text(name)}</strong>"
    else:
        head = f"<strong>✓ {report.row_count:,} payments in {show.text(name)}, ready to score</strong>"
    return f"<section class='fd-report' role='status'>{head}<ul>{rows}</ul></section>"


def _rows(rows: tuple[int, ...], count: int) -> str:
    if not rows:
        return ""
    more = f" and {count - len(rows):,} more" if count > len(rows) else ""
    return f" <span class='fd-soft'>rows {', '.join(f'{row:,}' for row in rows)}{more}</span>"


def result_view(top: pd.DataFrame, job: Job) -> str:
    """What came of a scored file, the way to all of it, and the payments with the highest scores."""
    result = job.result
    texts = [column for column in top.columns if column.startswith("reason_") and not column.endswith("_effect")]
    rows = "".join(
        f"<tr><td class='fd-num'>{show.score(float(row['fraud_probability']))}</td><th scope='row' class='fd-id'>"
        f"{show.text(row['transaction_id'])}</th><td class='fd-keep'>{'▲ alert' if row['alert'] else '–'}</td>"
        + "".join(f"<td>{show.cell(None if pd.isna(row[column]) else row[column])}</td>" for column in texts)
        + "</tr>"
        for row in top.to_dict("records")
    )
    run = (
        f"<div><dt>Run in MLflow</dt><dd class='fd-id'>{show.text(result['run_id'])}</dd></div>"
        if result.get("run_id")
        else ""
    )
    return (
        f"<section class='fd-result'><h3>{show.text(job.title)}</h3><dl class='fd-figures'><div><dt>Payments</dt>"
        f"<dd class='fd-big'>{result['rows']:,}</dd></div><div><dt>Alerts</dt><dd class='fd-big'>{result['alerts']:,}"
        f"</dd></div><div><dt>Model</dt><dd>version {show.text(result['model_version'])}</dd></div>{run}</dl>"
        f"<p><a class='fd-button fd-download' href='/api/jobs/{show.text(job.id)}/result' download>Download all "
        f"{result['rows']:,} scores</a></p><p class='fd-soft'>The {len(top):,} highest scores; the file has every row "
        "in its order.</p>"
        + grid(
            "Highest scores",
            (Num("Score"), "Payment", "Alert", *(column.replace("_", " ").capitalize() for column in texts)),
            rows,
        )
        + "</section>"
    )


def job_view(job: Job) -> str:
    """A job that has no scores to show: how far it is, or what went wrong."""
    if job.state == "failed":
        return show.empty_state(f"{job.title} was not scored", job.error)
    if job.state == "cancelled":
        return show.empty_state(f"{job.title} was stopped", "Nothing of it was kept; score it again.")
    share = f" value='{job.done}' max='{job.total}'" if job.total else ""
    count = f"{job.done:,} of {job.total:,} payments" if job.total else "waiting for its turn"
    return (
        f"<section class='fd-card'><h3>{show.text(job.title)}</h3><div class='fd-progress' role='status'><strong>"
        f"{show.plain_name(job.stage or job.state)}</strong><progress{share} aria-label='Scoring'></progress>"
        f"<span class='fd-soft'>{count}</span></div><p class='fd-soft'>It goes on when you leave this page, and after "
        "a restart of the desk.</p></section>"
    )


def jobs_view(jobs: Sequence[Job], chosen: str, user: User) -> str:
    """The latest files; a click shows one's scores."""
    if not jobs:
        return ""
    rows = "".join(_job(job, job.id == chosen, user) for job in jobs)
    heads = ("File", "State", Num("Submitted (UTC)"), "")
    return f"<section><h3>Files</h3>{grid('Files', heads, rows, 'fd-jobs')}</section>"


def _job(job: Job, chosen: bool, user: User) -> str:
    state = show.plain_name(job.state)
    if job.state == "running" and job.total:
        state = f"{job.done / job.total:.0%}"
    if job.cancelling and job.open:
        state = "Stopping"
    number = show.text(job.id)
    button = f"<button type='button' class='fd-button' data-job='{number}' aria-pressed='{str(chosen).lower()}'>Show"
    button += f"<span class='fd-hidden'> {show.text(job.title)}</span></button>"
    if job.open and not job.cancelling and user.may("score"):
        button += f" <button type='button' class='fd-button' data-cancel='{number}'>Stop</button>"
    return (
        f"<tr><th scope='row'>{show.text(job.title)}</th><td>{state}</td>"
        f"<td class='fd-num'>{show.moment(job.created_at)}</td><td class='fd-num'>{button}</td></tr>"
    )


def what_if_view(first: Scored, now: Scored) -> str:
    """What changed fields did to the score and to its reasons."""
    moved = now.probability - first.probability
    if first.alert == now.alert:
        verdict = "still an alert" if now.alert else "still no alert"
    else:
        verdict = "now an alert" if now.alert else "no alert any more"
    before = {reason.feature: reason for reason in first.reasons}
    after = {reason.feature: reason for reason in now.reasons}
    moves = sorted(
        (
            (
                (after[name].effect if name in after else 0.0) - (before[name].effect if name in before else 0.0),
                after[name].text if name in after else f"{before[name].text} (before)",
            )
            for name in before.keys() | after.keys()
        ),
        key=lambda move: -abs(move[0]),
    )
    rows = "".join(
        f"<li><span class='fd-effect'><i aria-hidden='true'>{'▲' if effect > 0 else '▼'}</i>{show.effect(effect)}"
        f"</span> {show.sentence(words)}</li>"
        for effect, words in moves[:_MOVES_SHOWN]
        if abs(effect) >= _LEAST_MOVE
    )
    changed = [
        f"{show.text(column)}: {show.cell(first.transaction.get(column))} → {show.cell(value)}"
        for column, value in now.transaction.items()
        if str(first.transaction.get(column)) != str(value)
    ]
    return (
        f"<section class='fd-card fd-what-if' role='status'><h3>What if</h3><p><strong>"
        f"{show.score(first.probability)} → {show.score(now.probability)}</strong> "
        f"<span class='fd-soft'>({show.effect(moved)}, {verdict})</span></p>"
        f"<p class='fd-soft'>{'; '.join(changed) or 'as it was'}</p><ul class='fd-moves'>{rows}</ul></section>"
    )
