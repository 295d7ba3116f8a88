"""One payment on the page: amount, score against threshold, reasons as signed bars, nearest closed cases."""

from collections.abc import Sequence

from app.records import DECIDED, REASON_CODES, STATES, Alert, Precedent, ReasonRecord, Scored
from app.ui import format as show

_VERDICTS = {
    "confirmed_fraud": "Fraud",
    "legitimate": "Legitimate",
    "needs_information": "Needs info",
    "inconclusive": "Inconclusive",
}


def case_page(alert: Alert, precedents: Sequence[Precedent] | None, problem: str = "") -> str:
    """An opened alert.

    Args:
        alert: The alert.
        precedents: The nearest closed cases; None where they could not be looked up.
        problem: Why they could not, in one sentence.
    """
    kind = alert.transaction.get("type")
    tag = f"<span class='fd-tag'>{show.plain_name(str(kind).lower())}</span>" if kind else ""
    return (
        f"<article class='fd-case' data-alert='{alert.id}' aria-label='Alert {alert.id}'>"
        f"<header class='fd-case-head'><div><h2>{show.money(alert.amount, alert.currency)}</h2>"
        f"<p class='fd-flow'><span class='fd-id'>{show.text(alert.payer)}</span>"
        f"<span class='fd-arrow' aria-label='pays'>→</span><span class='fd-id'>{show.text(alert.payee)}</span></p>"
        f"<p class='fd-soft'>{show.moment(alert.event_time)} UTC · <span class='fd-id'>"
        f"{show.text(alert.transaction_id)}</span></p></div>"
        f"<div class='fd-case-tags'>{tag}{state_badge(alert.state)}</div></header>"
        f"{score_block(alert)}{reasons_block(alert.reasons)}{precedents_block(precedents, problem)}"
        f"{columns_block(alert.transaction)}{_record_line(alert)}</article>"
    )


def scored_page(scored: Scored, precedents: Sequence[Precedent] | None, problem: str = "") -> str:
    """A payment just scored, which is no alert of the queue."""
    verdict = "Would raise an alert" if scored.alert else "Below the threshold: no alert"
    mark = "fd-state-confirmed_fraud" if scored.alert else "fd-state-legitimate"
    glyph = "▲" if scored.alert else "✓"
    return (
        f"<article class='fd-case'><header class='fd-case-head'><div><h2>{show.money(scored.amount, scored.currency)}"
        f"</h2><p class='fd-flow'><span class='fd-id'>{show.text(scored.payer)}</span><span class='fd-arrow' "
        f"aria-label='pays'>→</span><span class='fd-id'>{show.text(scored.payee)}</span></p>"
        f"<p class='fd-soft'>{show.moment(scored.event_time)} UTC</p></div><div class='fd-case-tags'>"
        f"<span class='fd-state {mark}'><i aria-hidden='true'>{glyph}</i>{verdict}</span></div></header>"
        f"{score_block(scored)}{reasons_block(scored.reasons)}{precedents_block(precedents, problem)}</article>"
    )


def state_badge(state: str, label: str = "") -> str:
    """An alert's state; glyph and word tell it, colour only helps."""
    glyphs = {"open": "○", "needs_information": "…", "confirmed_fraud": "▲", "legitimate": "✓", "inconclusive": "?"}
    label = label or STATES.get(state, state)
    return (
        f"<span class='fd-state fd-state-{show.text(state)}'><i aria-hidden='true'>{glyphs.get(state, '•')}</i>"
        f"{show.text(label)}</span>"
    )


def score_block(case: Alert | Scored) -> str:
    """The score on a line from 0 to 1 with the threshold marked, and the figures beside it."""
    value, threshold = case.probability, case.threshold
    over = "fd-over" if value >= threshold else "fd-under"
    spoken = f"Score {show.score(value)}, threshold {show.score(threshold)}"
    return (
        f"<section class='fd-score {over}'><div class='fd-gauge' role='img' aria-label='{spoken}'>"
        f"<span class='fd-gauge-fill' style='width:{value * 100:.1f}%'></span>"
        f"<span class='fd-gauge-mark' style='left:{threshold * 100:.1f}%'></span></div>"
        "<dl class='fd-figures'>"
        f"<div><dt>Score</dt><dd class='fd-big'>{show.score(value)}</dd></div>"
        f"<div><dt>Threshold</dt><dd>{show.score(threshold)}</dd></div>"
        f"<div><dt>Expected loss</dt><dd>{show.whole_money(case.expected_loss, case.currency)}</dd></div>"
        f"<div><dt>Model</dt><dd>version {show.text(case.model_version)}</dd></div></dl></section>"
    )


def reasons_block(reasons: Sequence[ReasonRecord], title: str = "Why this score") -> str:
    """Contributions as bars to the right (raise) and left (lower) of a middle line, strongest first."""
    if not reasons:
        return ""
    largest = max(abs(reason.effect) for reason in reasons) or 1.0
    rows = "".join(_reason_row(reason, largest) for reason in reasons)
    return (
        f"<section class='fd-reasons'><h3>{show.text(title)}</h3>"
        "<div class='fd-legend' aria-hidden='true'><span>▼ lowers</span><span>raises ▲</span></div>"
        f"<ul>{rows}</ul></section>"
    )


def _reason_row(reason: ReasonRecord, largest: float) -> str:
    raises = reason.effect > 0
    width = abs(reason.effect) / largest * 50
    side = "fd-raises" if raises else "fd-lowers"
    verb, glyph = ("raises", "▲") if raises else ("lowers", "▼")
    return (
        f"<li class='{side}' title='{show.text(reason.feature)} = {show.cell(reason.value)}'>"
        f"<span class='fd-reason-text'>{show.sentence(reason.text)}</span>"
        f"<span class='fd-bar' aria-hidden='true'><b style='width:{width:.1f}%'></b></span>"
        f"<span class='fd-effect'><i aria-hidden='true'>{glyph}</i>{show.effect(reason.effect)}"
        f"<span class='fd-hidden'> {verb} the score</span></span></li>"
    )


def precedents_block(precedents: Sequence[Precedent] | None, problem: str = "") -> str:
    """The nearest cases that were closed before this payment, with how they ended."""
    if precedents is None:
        inner = f"<p class='fd-note'>{show.text(problem or 'Closed cases could not be looked up.')}</p>"
    elif not precedents:
        inner = "<p class='fd-none'>No case closed before this payment is near it.</p>"
    else:
        inner = f"<ol class='fd-precedents'>{''.join(_precedent(item) for item in precedents)}</ol>"
    return f"<section><h3>Nearest closed cases</h3>{inner}</section>"


def _precedent(item: Precedent) -> str:
    shared = "".join(
        f"<span class='fd-tag fd-tag-strong'>same account {show.text(a)}</span>" for a in item.shared_accounts
    )
    typology = (
        f"<span class='fd-tag'>{show.plain_name(item.typology)}</span>" if item.typology not in ("", "none") else ""
    )
    amount = f" · {show.money(item.amount, item.currency)}" if item.amount is not None else ""
    return (
        f"<li><div class='fd-precedent-head'>{state_badge(item.outcome)}<strong>{show.text(item.title)}</strong></div>"
        f"<blockquote>{show.text(item.quote)}</blockquote><p class='fd-soft'><span class='fd-id'>"
        f"{show.text(item.case_id)}</span> · closed {show.day(item.closed)}{amount} · similarity "
        f"{item.similarity:.2f} {typology}{shared}</p></li>"
    )


def columns_block(transaction: dict[str, object]) -> str:
    """Every column of the payment as it came."""
    rows = "".join(
        f"<div><dt>{show.text(name)}</dt><dd>{show.cell(value)}</dd></div>" for name, value in transaction.items()
    )
    return f"<details class='fd-columns'><summary>All columns of the payment</summary><dl>{rows}</dl></details>"


def _record_line(alert: Alert) -> str:
    return (
        f"<p class='fd-soft fd-record'>Alert {alert.id}, raised {show.moment(alert.created_at)} UTC by model version "
        f"{show.text(alert.model_version)}. Score, reasons and cases stand as they were then.</p>"
    )


def decision_panel(alert: Alert | None) -> str:
    """The decision in force with its undo, or the form to decide."""
    if alert is None:
        return ""
    made = alert.decision
    if made is not None and alert.state in DECIDED:
        return f"<section class='fd-decided' data-alert='{alert.id}'>{_made(alert)}{_decided_buttons()}</section>"
    verdicts = "".join(
        f"<label><input type='radio' name='decision' value='{decision}'>{state_badge(decision, label)}</label>"
        for decision, label in _VERDICTS.items()
    )
    codes = "".join(_reason_codes(decision) for decision in REASON_CODES)
    waiting = f"{_made(alert)}{_undo_button()}" if made is not None else ""
    return (
        f"<form class='fd-decide' data-alert='{alert.id}' aria-label='Decision on alert {alert.id}'>{waiting}"
        f"<fieldset class='fd-verdicts'><legend class='fd-hidden'>Decision</legend>{verdicts}</fieldset>"
        f"<button type='button' class='fd-button' data-do='next'>Next <kbd>n</kbd></button>{codes}"
        "<div class='fd-decide-end'><input name='note' type='text' maxlength='5000' placeholder='Note (optional)' "
        "aria-label='Note' autocomplete='off'><button type='submit' class='fd-button fd-primary' disabled>"
        "Record decision</button></div></form>"
    )


def _reason_codes(decision: str) -> str:
    """The codes that go with a decision; style.css shows them once it is chosen."""
    options = "".join(
        f"<label class='fd-choice'><input type='radio' name='reason' value='{code}' data-decision='{decision}'>"
        f"<span><b>{code}</b> {show.text(label)}</span></label>"
        for code, label in REASON_CODES[decision].items()
    )
    return (
        f"<fieldset class='fd-codes fd-codes-{decision}'><legend class='fd-hidden'>Reason</legend>"
        f"<div>{options}</div></fieldset>"
    )


def _made(alert: Alert) -> str:
    made = alert.decision
    assert made is not None
    label = REASON_CODES.get(made.decision, {}).get(made.reason_code, "")
    note = f"<q>{show.text(made.note)}</q>" if made.note else ""
    return (
        f"<p class='fd-made' role='status'>{state_badge(made.decision)} {show.text(made.reason_code)} "
        f"{show.text(label)}"
        f" <span class='fd-soft'>by {show.text(made.analyst)}, {show.moment(made.decided_at)} UTC</span> {note}</p>"
    )


def _decided_buttons() -> str:
    return (
        f"<div class='fd-decide-end'>{_undo_button()}"
        "<button type='button' class='fd-button fd-primary' data-do='next'>Next alert <kbd>n</kbd></button></div>"
    )


def _undo_button() -> str:
    return "<button type='button' class='fd-button' data-do='undo'>Undo decision</button>"
