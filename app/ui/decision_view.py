"""The decision on a case as HTML: the form, the decision in force with its undo, or who has the case."""

from app.access import User
from app.records import DECIDED, REASON_CODES, Alert
from app.ui import format as show
from app.ui.case_view import state_badge

_VERDICTS = {
    "confirmed_fraud": "Fraud",
    "legitimate": "Legitimate",
    "needs_information": "Needs info",
    "inconclusive": "Inconclusive",
}


def decision_panel(alert: Alert | None, user: User) -> str:
    """The decision in force with its undo, or the form to decide."""
    if alert is None:
        return ""
    made = alert.decision
    if made is not None and alert.state in DECIDED:
        return f"<section class='fd-decided' data-alert='{alert.id}'>{_made(alert)}{_decided_buttons(user)}</section>"
    if not user.may("decide"):
        told = f"{_made(alert)}" if made is not None else "<p class='fd-made'>Not decided yet.</p>"
        return f"<section class='fd-decided' data-alert='{alert.id}'>{told}{_next_button()}</section>"
    if alert.owner not in (None, user.name):
        return (
            f"<section class='fd-decided' data-alert='{alert.id}'><p class='fd-made' role='status'>Claimed by "
            f"<b>{show.text(alert.owner)}</b>, {show.moment(alert.claimed_at)} UTC: only who has claimed it decides."
            f"</p>{_next_button()}</section>"
        )
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


def _decided_buttons(user: User) -> str:
    undo = _undo_button() if user.may("decide") else ""
    return f"<div class='fd-decide-end'>{undo}{_next_button()}</div>"


def _next_button() -> str:
    return "<button type='button' class='fd-button fd-primary' data-do='next'>Next alert <kbd>n</kbd></button>"


def _undo_button() -> str:
    return "<button type='button' class='fd-button' data-do='undo'>Undo decision <kbd>u</kbd></button>"
