"""The audit trail: every read of a case and every change, with who, when and by which request.

    store.trail.record(user, "read", "alert 7")
    store.trail.entries(AuditFilter(subject="alert 7"))

Lines are added and never changed or removed.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, select

from app import context, tables
from app.access import User
from app.rows import moment, seconds


@dataclass(frozen=True)
class AuditEntry:
    """One line: when (UTC), who, what was done, to what, and details such as a decision or the id of the request."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditFilter:
    """Which lines to list.

    Attributes:
        who: Name of a user; empty: all.
        action: What was done; empty: all.
        subject: What it was done to, such as `alert 7`; empty: all.
        since: First moment, UTC where it names no zone; None: from the beginning.
        until: Moment after the last, likewise; None: to the end.
    """

    who: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class AuditPage:
    """Some lines, the latest first; `next_before` asks for those that follow, None at the end."""

    items: tuple[AuditEntry, ...]
    next_before: int | None


class AuditTrail:
    """The audit trail of the desk's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, user: User, action: str, subject: str, detail: dict[str, Any] | None = None) -> None:
        """Adds a line.

        Args:
            user: Who does it.
            action: What is done, such as `read`.
            subject: What it is done to, such as `alert 7` or `conversation 3f2a`.
            detail: What else an auditor wants to know; no texts of notes or questions.
        """
        with self._engine.begin() as connection:
            write(connection, user.name, action, subject, detail)

    def entries(self, wanted: AuditFilter | None = None, before: int | None = None, limit: int = 100) -> AuditPage:
        """Lines, the latest first.

        Args:
            wanted: Which lines; all where None.
            before: Only lines with a lower id: the `next_before` of the page before.
            limit: How many to return at most.
        """
        query = select(tables.audit).where(*_conditions(wanted or AuditFilter()))
        if before is not None:
            query = query.where(tables.audit.c.id < before)
        query = query.order_by(tables.audit.c.id.desc()).limit(limit + 1)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        items = tuple(
            AuditEntry(row["id"], moment(row["at"]), row["who"], row["action"], row["subject"], dict(row["detail"]))
            for row in rows[:limit]
        )
        return AuditPage(items, items[-1].id if len(rows) > limit else None)

    def actions(self) -> list[str]:
        """Everything that was ever done, by name."""
        with self._engine.connect() as connection:
            return sorted(connection.scalars(select(tables.audit.c.action).distinct()))


def write(connection: Connection, who: str, action: str, subject: str, detail: dict[str, Any] | None = None) -> None:
    """Adds a line within a transaction, so that a change and its line happen both or not at all."""
    known = {"request": context.request_id.get(), "address": context.address.get()}
    values = {
        "at": seconds(datetime.now(UTC)),
        "who": who[:100],
        "action": action,
        "subject": subject[:200],
        "detail": {**(detail or {}), **{name: value for name, value in known.items() if value}},
    }
    connection.execute(tables.audit.insert().values(**values))


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    columns = tables.audit.c
    conditions: list[ColumnElement[bool]] = [
        columns[name] == value
        for name, value in (("who", wanted.who), ("action", wanted.action), ("subject", wanted.subject))
        if value
    ]
    if wanted.since is not None:
        conditions.append(columns.at >= _utc_seconds(wanted.since))
    if wanted.until is not None:
        conditions.append(columns.at < _utc_seconds(wanted.until))
    return conditions


def _utc_seconds(time: datetime) -> int:
    """Seconds since 1970; a time without a zone is UTC."""
    return seconds(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
