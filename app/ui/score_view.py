"""The form for one payment, the report on a file and the preview of its scores as HTML."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from app.batch import UploadSummary
from app.ui import format as show
from fraud_model import TransactionSchema
from fraud_model.data import ValidationReport

_PREVIEW_ROWS = 100


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


def result_view(scores: pd.DataFrame, summary: UploadSummary, total: str) -> str:
    """How many alert, and the payments with the highest scores."""
    top = scores.nlargest(_PREVIEW_ROWS, "fraud_probability")
    texts = [column for column in top.columns if column.startswith("reason_") and not column.endswith("_effect")]
    head = "".join(f"<th scope='col'>{show.plain_name(column)}</th>" for column in texts)
    rows = "".join(
        f"<tr><td class='fd-num'>{show.score(float(row['fraud_probability']))}</td><td class='fd-id'>"
        f"{show.text(row['transaction_id'])}</td><td>{'▲ alert' if row['alert'] else '–'}</td>"
        + "".join(f"<td>{show.cell(row[column])}</td>" for column in texts)
        + "</tr>"
        for row in top.to_dict("records")
    )
    return (
        "<section class='fd-result'><dl class='fd-figures'><div><dt>Payments</dt><dd "
        f"class='fd-big'>{summary.rows:,}</dd>"
        f"</div><div><dt>Alerts</dt><dd class='fd-big'>{summary.alerts:,}</dd></div><div><dt>Model</dt><dd>version "
        f"{show.text(summary.model_version)}</dd></div></dl><p class='fd-soft'>{show.text(total)}</p>"
        "<div class='fd-table-box'><table class='fd-plain'><thead><tr><th scope='col' class='fd-num'>Score</th>"
        f"<th scope='col'>Payment</th><th scope='col'>Alert</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        "</section>"
    )
