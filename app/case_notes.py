"""The note of a closed case, from the alert's frozen record and the decision: what the next like alert will find.

Everything that people or payments brought in stands behind a bar or in quotes, so that it is never a heading, a list or
front matter of the note.
"""

import json
import re
from typing import Any

from app.records import (
    CONFIRMED_FRAUD,
    LEGITIMATE,
    OPEN,
    REASON_CODES,
    STATES,
    Alert,
    Disposition,
    iso,
)

FOLDER = "case_notes"
ORIGIN = "desk"

_REASONS = 6
_BY_CODE = {
    "F01": "account_takeover",
    "F02": "mule_chain",
    "F03": "credential_testing",
    "F04": "merchant_collusion",
    "F05": "structuring",
    "F06": "social_engineering",
    "F07": "first_party_fraud",
    "F08": "synthetic_identity",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")


def note_text(alert: Alert, made: Disposition, case_id: str) -> str:
    """The note as Markdown with front matter, in the form of the other case notes.

    Args:
        alert: The alert with its frozen record.
        made: The decision that closed it.
        case_id: Id of the case.
    """
    what = REASON_CODES.get(made.decision, {}).get(made.reason_code, made.reason_code)
    title = f"{payment_kind(alert)} of {amount(alert)} from {alert.payer} to {alert.payee}: {what.lower()}"
    front = {
        "case_id": case_id,
        "title": one_line(title),
        "typology": typology_of(alert, made),
        "outcome": made.decision,
        "opened": iso(alert.created_at),
        "closed": iso(made.decided_at),
        "analyst": made.analyst,
        "transactions": [alert.transaction_id],
        "accounts": [alert.payer, alert.payee],
        "amount": round(alert.amount, 2),
        "currency": alert.currency,
        "origin": ORIGIN,
        "alert": alert.id,
    }
    # JSON is YAML: no name or note can end its value and start another.
    lines = ["---", *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in front.items()), "---", ""]
    lines += [
        f"**Reason for the alert.** {one_line(payment_line(alert))} Model version {one_line(alert.model_version)} gave "
        f"it {alert.probability:.3f}, above the threshold of {alert.threshold:.3f}; the expected loss was "
        f"{alert.currency} {alert.expected_loss:,.0f}.",
        "",
        "**What raised the score.**",
        "",
        *[f"- {one_line(_sentence(reason.text))} ({reason.effect:+.2f})" for reason in rising(alert)[:_REASONS]],
        "",
    ]
    if alert.likely is not None:
        lines += [f"**Looked like.** {one_line(alert.likely.title)}: {one_line(alert.likely.why)}.", ""]
    if alert.precedents:
        near = "; ".join(f"{one_line(item.case_id)} ({outcome_words(item.outcome)})" for item in alert.precedents)
        lines += [f"**Nearest closed cases at the time.** {near}.", ""]
    lines += [
        f"**Disposition.** {outcome_words(made.decision)}, {made.reason_code} {what.lower()}, decided on "
        f"{made.decided_at:%d %b %Y %H:%M} UTC by {one_line(made.analyst)}.",
        "",
    ]
    if made.note:
        lines += ["**Note of the analyst.**", "", *quoted(made.note), ""]
    return "\n".join(lines)


def typology_of(alert: Alert, made: Disposition) -> str:
    """What a case was: by the reason code, else what it looked like; `none` where it was no fraud."""
    if made.decision == LEGITIMATE:
        return "none"
    likely = alert.likely.name if alert.likely is not None else "none"
    return _BY_CODE.get(made.reason_code, likely) if made.decision == CONFIRMED_FRAUD else likely


def payment_line(alert: Alert) -> str:
    """The payment in one sentence."""
    return (
        f"{payment_kind(alert)} {alert.transaction_id} of {amount(alert)} from {alert.payer} to {alert.payee} on "
        f"{alert.event_time:%d %b %Y %H:%M} UTC."
    )


def payment_kind(alert: Alert) -> str:
    """The kind of payment where the record has one, such as Cash out."""
    kind: Any = alert.transaction.get("type")
    return _sentence(one_line(str(kind)).replace("_", " ").lower()) if kind else "Payment"


def amount(alert: Alert) -> str:
    """The amount as the other notes write it: 12,480.00 EUR."""
    return f"{alert.amount:,.2f} {alert.currency}"


def rising(alert: Alert) -> list[Any]:
    """The reasons that raise the score, strongest first."""
    return [reason for reason in alert.reasons if reason.effect > 0]


def outcome_words(outcome: str) -> str:
    """An outcome in words: confirmed fraud."""
    return STATES.get(outcome or OPEN, outcome).lower()


def one_line(text: str) -> str:
    """Any text on one line, without what a terminal or a parser would take for a command."""
    return " ".join(_CONTROL.sub(" ", text).split())


def quoted(text: str) -> list[str]:
    """Free text as lines of a quotation: none of them can be a heading, a list or front matter."""
    return [f"> {one_line(line)}" for line in text.replace("\r", "\n").split("\n") if line.strip()]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
