"""The narrative of a case: a draft in which each sentence cites the record, and what an analyst has signed.

The references name parts of the record: F1 the payment, S1 score and model, R1 on the reasons, P1 on the precedents, T1
the typology's guide, D1 on the decisions. A draft says nothing that is not in the record.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, select

from app import tables
from app.audit import write as write_audit
from app.case_notes import one_line, outcome_words, payment_line, rising
from app.ledger import NewEntry, append, narrative_body
from app.records import DECIDED, REASON_CODES, Alert
from app.rows import moment, seconds
from app.store_errors import InvalidDecisionError, NotFoundError

LONGEST = 20_000
_OPENINGS = ("The strongest reason", *["A further reason"] * 3)
_REFERENCE = re.compile(r"\[([A-Z]\d{1,3})\]")


@dataclass(frozen=True)
class Signed:
    """A narrative as an analyst signed it; `signed_at` in UTC."""

    id: int
    alert_id: int
    text: str
    signed_by: str
    signed_at: datetime


def references(alert: Alert) -> dict[str, str]:
    """Every part of the record that a sentence can cite, by its reference, in one line each."""
    parts = {
        "F1": payment_line(alert),
        "S1": f"Score {alert.probability:.3f}, threshold {alert.threshold:.3f}, model version {alert.model_version}, "
        f"expected loss {alert.currency} {alert.expected_loss:,.2f}",
        "S2": f"Alert {alert.id}, raised {alert.created_at:%d %b %Y %H:%M} UTC",
    }
    for number, reason in enumerate(alert.reasons, 1):
        parts[f"R{number}"] = f"{one_line(reason.text)} ({reason.feature}, {reason.effect:+.2f})"
    for number, item in enumerate(alert.precedents or (), 1):
        shared = f"; names {', '.join(item.shared_accounts)}" if item.shared_accounts else ""
        parts[f"P{number}"] = (
            f"{item.case_id}, {outcome_words(item.outcome)}, closed {item.closed[:10]}, similarity "
            f"{item.similarity:.2f}{shared}: {one_line(item.title)}"
        )
    if alert.likely is not None:
        parts["T1"] = f"{alert.likely.title} ({alert.likely.document_id}): “{one_line(alert.likely.quote)}”"
    for number, made in enumerate(alert.dispositions, 1):
        undone = f"; taken back by {made.undone_by}" if made.undone_at is not None else ""
        what = REASON_CODES.get(made.decision, {}).get(made.reason_code, "")
        parts[f"D{number}"] = (
            f"{outcome_words(made.decision)}, {made.reason_code} {what}, by {made.analyst} on "
            f"{made.decided_at:%d %b %Y %H:%M} UTC{undone}"
        )
    return {name: one_line(text) for name, text in parts.items()}


def draft(alert: Alert) -> str:
    """A narrative from the record alone; every sentence ends with what it cites."""
    known = references(alert)
    numbers = {id(reason): number for number, reason in enumerate(alert.reasons, 1)}
    lines = [f"{payment_line(alert).rstrip('.')} [F1]."]
    lines.append(
        f"Model version {alert.model_version} scored it {alert.probability:.3f} against a threshold of "
        f"{alert.threshold:.3f}, and alert {alert.id} was raised on {alert.created_at:%d %b %Y %H:%M} UTC [S1] [S2]."
    )
    lines += [
        f"{opening}: {_clause(reason.text)} [R{numbers[id(reason)]}]."
        for opening, reason in zip(_OPENINGS, rising(alert), strict=False)
    ]
    against = [reason for reason in alert.reasons if reason.effect < 0][:2]
    lines += [f"Against it: {_clause(reason.text)} [R{numbers[id(reason)]}]." for reason in against]
    if alert.likely is not None:
        lines.append(f"It looks most like the typology “{one_line(alert.likely.title)}” [T1].")
    for number, item in enumerate(alert.precedents or (), 1):
        same = f", which names {' and '.join(item.shared_accounts)}," if item.shared_accounts else ""
        lines.append(f"The earlier case {item.case_id}{same} ended as {outcome_words(item.outcome)} [P{number}].")
    if alert.precedents == ():
        lines.append("No closed case near it was known when the alert was raised [S2].")
    made = alert.decision
    if made is not None:
        place = alert.dispositions.index(made) + 1
        what = REASON_CODES.get(made.decision, {}).get(made.reason_code, made.reason_code).lower()
        verb = "decided" if made.decision in DECIDED else "noted"
        lines.append(
            f"On {made.decided_at:%d %b %Y %H:%M} UTC {made.analyst} {verb}: {outcome_words(made.decision)}, "
            f"{made.reason_code} {what} [D{place}]."
        )
    assert all(name in known for line in lines for name in cited(line))
    return "\n".join(one_line(line) for line in lines)


def cited(text: str) -> list[str]:
    """The references in a text, in order."""
    return _REFERENCE.findall(text)


def unknown_references(text: str, alert: Alert) -> list[str]:
    """References in a text that the record does not have, each once."""
    known = references(alert)
    return list(dict.fromkeys(name for name in cited(text) if name not in known))


class Narratives:
    """Signed narratives in the desk's database.

    Args:
        engine: The desk's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def sign(self, alert: Alert, text: str, who: str) -> Signed:
        """Keeps what an analyst signs, in the chain of records; an earlier one stays beside it.

        Raises:
            NotFoundError: there is no such alert any more.
            InvalidDecisionError: the text is empty or too long, or cites what the record does not have.
        """
        text = "\n".join(line.rstrip() for line in text.replace("\r", "").split("\n")).strip()
        if not text or len(text) > LONGEST:
            raise InvalidDecisionError(f"a narrative has 1 to {LONGEST:,} characters")
        unknown = unknown_references(text, alert)
        if unknown:
            raise InvalidDecisionError(f"the record has no {', '.join(unknown)}; cite what stands in it")
        values = {"alert_id": alert.id, "text": text, "signed_by": who, "signed_at": seconds(datetime.now(UTC))}
        with self.engine.begin() as connection:
            if connection.scalar(select(tables.alerts.c.id).where(tables.alerts.c.id == alert.id)) is None:
                raise NotFoundError(f"there is no alert {alert.id}")
            key = connection.execute(tables.narratives.insert().values(**values)).inserted_primary_key
            number = int(key[0]) if key else 0
            body = narrative_body({**values, "id": number})
            append(connection, [NewEntry(alert.transaction_id, "narrative", body, who)])
            write_audit(connection, who, "sign", f"alert {alert.id}", {"narrative": number})
        return Signed(number, alert.id, text, who, moment(int(str(values["signed_at"]))))

    def of_alert(self, alert_id: int) -> Signed | None:
        """The narrative signed last; None where there is none."""
        table = tables.narratives
        query = select(table).where(table.c.alert_id == alert_id).order_by(table.c.id.desc()).limit(1)
        with self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Signed(**{**row, "signed_at": moment(row["signed_at"])})


def _clause(text: str) -> str:
    return text[:1].lower() + text[1:]
