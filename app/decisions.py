"""Who works on an alert and what was decided: claims, decisions, undo, and the labels that follow from them.

Each is one transaction: the change, its line in the audit trail, its entry in the chain of records, and the case note
to be written happen all or not at all.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, or_, select, update

from app import tables
from app.audit import write as write_audit
from app.ledger import NewEntry, append, decision_body, undo_body
from app.note_box import NOTED, order_note, recall_note
from app.records import CONFIRMED_FRAUD, LEGITIMATE, REASON_CODES, STATES, UNDECIDED, Disposition, Label
from app.rows import moment, seconds
from app.store_errors import ConflictError, InvalidDecisionError, NotFoundError

_LABELS = {CONFIRMED_FRAUD: 1, LEGITIMATE: 0}


class Decisions:
    """Claims and decisions in the desk's database.

    Args:
        engine: The desk's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def claim(self, alert_id: int, who: str) -> None:
        """Takes an undecided alert for oneself; claiming one's own again changes nothing.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: it is decided, or somebody else has it.
        """
        alerts = tables.alerts
        now = seconds(datetime.now(UTC))
        with self.engine.begin() as connection:
            row = _alert(connection, alert_id)
            if row["owner"] == who and row["state"] in UNDECIDED:
                return
            free = (alerts.c.id == alert_id) & alerts.c.owner.is_(None) & alerts.c.state.in_(UNDECIDED)
            if connection.execute(update(alerts).where(free).values(owner=who, claimed_at=now)).rowcount != 1:
                raise _taken(_alert(connection, alert_id))
            content = {"alert": alert_id, "owner": who}
            append(connection, [NewEntry(row["transaction_id"], "claim", content, who)])
            write_audit(connection, who, "claim", f"alert {alert_id}")

    def release(self, alert_id: int, who: str, anyones: bool = False) -> None:
        """Gives an alert back to the queue; one that nobody has stays so.

        Args:
            alert_id: The alert.
            who: Who gives it back.
            anyones: Whether it may be somebody else's, as a lead may.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: somebody else has it.
        """
        alerts = tables.alerts
        with self.engine.begin() as connection:
            row = _alert(connection, alert_id)
            if row["owner"] is None:
                return
            mine = (alerts.c.id == alert_id) & (alerts.c.owner == (row["owner"] if anyones else who))
            if connection.execute(update(alerts).where(mine).values(owner=None, claimed_at=None)).rowcount != 1:
                raise _taken(_alert(connection, alert_id))
            content = {"alert": alert_id, "owner": row["owner"]}
            append(connection, [NewEntry(row["transaction_id"], "release", content, who)])
            write_audit(connection, who, "release", f"alert {alert_id}", {"owner": row["owner"]})

    def decide(self, alert_id: int, decision: str, reason_code: str, note: str, analyst: str) -> Disposition:
        """Records a decision on an alert that is open or waits for information, and that nobody else has claimed.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: the alert is already decided, or claimed by somebody else.
            InvalidDecisionError: the decision or the reason code does not exist.
        """
        _check_decision(decision, reason_code)
        alerts, made = tables.alerts, tables.dispositions
        now = seconds(datetime.now(UTC))
        with self.engine.begin() as connection:
            row = _alert(connection, alert_id)
            mine = or_(alerts.c.owner.is_(None), alerts.c.owner == analyst)
            unchanged = (alerts.c.id == alert_id) & (alerts.c.state == row["state"]) & alerts.c.state.in_(UNDECIDED)
            if connection.execute(update(alerts).where(unchanged, mine).values(state=decision)).rowcount != 1:
                raise _taken(_alert(connection, alert_id))
            values = {
                "alert_id": alert_id,
                "decision": decision,
                "reason_code": reason_code,
                "note": note.strip(),
                "analyst": analyst,
                "decided_at": now,
                "previous_state": row["state"],
            }
            key = connection.execute(made.insert().values(**values)).inserted_primary_key
            values["id"] = int(key[0]) if key else 0
            append(connection, [NewEntry(row["transaction_id"], "decision", decision_body(values), analyst)])
            if decision in NOTED:
                order_note(connection, alert_id, values["id"], now)
            write_audit(
                connection, analyst, "decide", f"alert {alert_id}", {"decision": decision, "reason": reason_code}
            )
        del values["previous_state"]
        return Disposition(**{**values, "decided_at": moment(now)})

    def undo(self, alert_id: int, analyst: str) -> None:
        """Takes back the decision in force with its label and case note; it stays in the record, marked as such.

        Raises:
            NotFoundError: there is no such alert.
            ConflictError: there is no decision to take back.
        """
        made = tables.dispositions
        with self.engine.begin() as connection:
            name = _alert(connection, alert_id)["transaction_id"]
            in_force = (made.c.alert_id == alert_id) & made.c.undone_at.is_(None)
            latest = select(made).where(in_force).order_by(made.c.id.desc()).limit(1)
            row = connection.execute(latest).mappings().first()
            now = seconds(datetime.now(UTC))
            taken: dict[str, Any] = {"undone_at": now, "undone_by": analyst}
            if row is None or not _mark(connection, row["id"], taken):
                raise ConflictError(f"alert {alert_id} has no decision to undo")
            connection.execute(
                update(tables.alerts).where(tables.alerts.c.id == alert_id).values(state=row["previous_state"])
            )
            append(connection, [NewEntry(name, "undo", undo_body({**row, **taken}), analyst)])
            recall_note(connection, row["id"], now)
            write_audit(connection, analyst, "undo", f"alert {alert_id}", {"decision": row["decision"]})

    def labels(self, as_of: datetime | None = None) -> list[Label]:
        """What the decisions in force at a time say about their payments, in the order they were made.

        Args:
            as_of: Only decisions made before this time and not taken back by then; UTC where it has no zone, now where
                None.
        """
        when = as_of or datetime.now(UTC)
        limit = seconds(when if when.tzinfo else when.replace(tzinfo=UTC)) + (as_of is None)
        made, alerts = tables.dispositions, tables.alerts
        query = (
            select(alerts.c.transaction_id, made.c.decision, made.c.analyst, made.c.decided_at)
            .join(alerts, alerts.c.id == made.c.alert_id)
            .where(made.c.decision.in_(_LABELS), made.c.decided_at < limit)
            .where(or_(made.c.undone_at.is_(None), made.c.undone_at >= limit))
            .order_by(made.c.id)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        found = {name: Label(name, _LABELS[decision], who, moment(at)) for name, decision, who, at in rows}
        return list(found.values())


def _alert(connection: Connection, alert_id: int) -> Mapping[str, Any]:
    """State and owner of an alert.

    Raises:
        NotFoundError: there is no such alert.
    """
    columns = tables.alerts.c
    query = select(columns.id, columns.transaction_id, columns.state, columns.owner).where(columns.id == alert_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no alert {alert_id}")
    return dict(row)


def _mark(connection: Connection, disposition_id: int, taken: Mapping[str, Any]) -> bool:
    """Marks a decision as taken back; False where somebody else was quicker."""
    made = tables.dispositions
    still = update(made).where(made.c.id == disposition_id, made.c.undone_at.is_(None))
    return connection.execute(still.values(**taken)).rowcount == 1


def _taken(row: Mapping[str, Any]) -> ConflictError:
    """Why an alert cannot be had."""
    if row["state"] not in UNDECIDED:
        state = STATES.get(row["state"], row["state"]).lower()
        return ConflictError(f"alert {row['id']} is already decided ({state}); undo that decision first")
    return ConflictError(f"alert {row['id']} is claimed by {row['owner']}; only who has claimed it works on it")


def _check_decision(decision: str, reason_code: str) -> None:
    if decision not in REASON_CODES:
        raise InvalidDecisionError(f"decision {decision!r} is not one of: {', '.join(REASON_CODES)}")
    if reason_code not in REASON_CODES[decision]:
        known = ", ".join(REASON_CODES[decision])
        raise InvalidDecisionError(f"reason code {reason_code!r} does not go with {decision}; known: {known}")
