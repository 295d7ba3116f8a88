"""The desk's database: alerts and decisions on them, recorded payments, conversations, the audit trail.

SQLite in write-ahead mode by default, PostgreSQL by its URL. Every method is one transaction: it happens whole or
not at all.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    event,
    func,
    inspect,
    or_,
    select,
    text,
    union,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from app import tables
from app.audit import AuditTrail
from app.audit import write as _audit
from app.conversations import Conversations
from app.decisions import Decisions
from app.jobs import Jobs
from app.ledger import Ledger, NewEntry, alert_digest, append, found_digest
from app.narratives import Narratives
from app.note_box import NoteBox
from app.predictions import PredictionLog
from app.records import (
    NOBODY,
    STATES,
    Alert,
    AlertFilter,
    AlertPage,
    Disposition,
    Label,
    Precedent,
    Scored,
    Typology,
)
from app.rows import SUMMARY, alert_of, alert_row, disposition_of, seconds, summary_of
from app.saved_views import SavedViews
from app.store_errors import ConflictError as ConflictError
from app.store_errors import InvalidDecisionError as InvalidDecisionError
from app.store_errors import NotFoundError as NotFoundError
from app.store_errors import StoreError as StoreError
from app.uploaded import UploadedDocuments
from app.users import Users

log = logging.getLogger(__name__)

# SQLite takes at most 32,766 values in one statement.
_IDS_AT_ONCE = 10_000


class Store:
    """The desk's database.

    Attributes:
        engine: The SQLAlchemy engine.
        conversations: Conversations with the assistant, and feedback on them.
        decisions: Claims, decisions and undo.
        jobs: Files to score and models to train.
        ledger: The chain of decision records.
        notes: Case notes to be written or taken back.
        predictions: Every score that the service gave.
        narratives: Narratives that analysts signed.
        views: Filters that users keep.
        trail: The audit trail.
        users: Who may work at the desk.

    Raises:
        StoreError: the address is wrong or the database does not open.
    """

    def __init__(self, database_url: str) -> None:
        self.engine = _open_engine(database_url)
        self.conversations = Conversations(self.engine)
        self.uploaded = UploadedDocuments(self.engine)
        self.decisions = Decisions(self.engine)
        self.ledger = Ledger(self.engine)
        self.notes = NoteBox(self.engine)
        self.narratives = Narratives(self.engine)
        self.views = SavedViews(self.engine)
        self.ledger.adopt()
        self.trail = AuditTrail(self.engine)
        self.users = Users(self.engine)
        self.jobs = Jobs(self.engine)
        self.predictions = PredictionLog(self.engine)

    def add_alerts(self, scored: Iterable[Scored]) -> int:
        """Adds an alert for each payment that has none yet.

        Returns:
            How many were added. A payment that already has an alert keeps the record it was given first.
        """
        incoming = {item.transaction_id: item for item in scored}
        now = seconds(datetime.now(UTC))
        with self.engine.begin() as connection:
            for known in self._known_transactions(connection, list(incoming)):
                incoming.pop(known)
            rows = [alert_row(item, now) for item in incoming.values()]
            if rows:
                connection.execute(tables.alerts.insert(), rows)
                append(
                    connection,
                    (NewEntry(row["transaction_id"], "alert", {"digest": alert_digest(row)}) for row in rows),
                )
        return len(rows)

    def alerts(self, wanted: AlertFilter | None = None, offset: int = 0, limit: int = 50) -> AlertPage:
        """Alerts by expected loss, the largest first.

        Args:
            wanted: Which alerts; all where None.
            offset: How many to pass over.
            limit: How many to return at most.
        """
        conditions = _conditions(wanted or AlertFilter())
        alerts = tables.alerts.c
        order = (alerts.expected_loss.desc(), alerts.id)
        # First only ids, which an index has in full: the records of alerts passed over are never read.
        ids = select(alerts.id).where(*conditions).order_by(*order).offset(offset).limit(limit)
        with self.engine.connect() as connection:
            total = connection.scalar(select(func.count()).select_from(tables.alerts).where(*conditions)) or 0
            chosen = list(connection.scalars(ids))
            listing = select(*SUMMARY).where(alerts.id.in_(chosen)).order_by(*order)
            items = tuple(summary_of(row) for row in connection.execute(listing).mappings())
        return AlertPage(items, int(total), offset, limit)

    def counts(self) -> dict[str, int]:
        """How many alerts are in each state; every state is there."""
        query = select(tables.alerts.c.state, func.count()).group_by(tables.alerts.c.state)
        with self.engine.connect() as connection:
            found = {str(state): int(count) for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in STATES}

    def typologies(self) -> list[str]:
        """Names of the likely typologies that alerts have."""
        column = tables.alerts.c.typology
        query = select(column).where(column.is_not(None), column != "").distinct().order_by(column)
        with self.engine.connect() as connection:
            return [str(name) for name in connection.scalars(query)]

    def alert(self, alert_id: int) -> Alert:
        """One alert with its record and the decisions on it.

        Raises:
            NotFoundError: there is no such alert.
        """
        return self._one_alert(tables.alerts.c.id == alert_id, f"alert {alert_id}")

    def alert_of(self, transaction_id: str) -> Alert | None:
        """The alert on a payment, or None where it has none."""
        try:
            return self._one_alert(tables.alerts.c.transaction_id == transaction_id, transaction_id)
        except NotFoundError:
            return None

    def freeze_found(
        self, alert_id: int, precedents: Sequence[Precedent], likely: Typology | None = None
    ) -> tuple[Precedent, ...]:
        """Stores the precedents and the typology of an alert once; where some are stored already, those stay.

        Returns:
            The precedents that stand in the record.

        Raises:
            NotFoundError: there is no such alert.
        """
        alerts = tables.alerts
        found = {
            "precedents": [asdict(item) for item in precedents],
            "likely": None if likely is None else asdict(likely),
        }
        with self.engine.begin() as connection:
            name = connection.scalar(select(alerts.c.transaction_id).where(alerts.c.id == alert_id))
            open_yet = update(alerts).where(alerts.c.id == alert_id, alerts.c.precedents.is_(None))
            typology = "" if likely is None else likely.name
            if connection.execute(open_yet.values(**found, typology=typology)).rowcount == 1:
                append(connection, [NewEntry(str(name), "found", {"digest": found_digest(found)})])
        return self.alert(alert_id).precedents or ()

    def unfinished(self, limit: int) -> list[int]:
        """Alerts whose precedents were not looked up yet, by expected loss; at most `limit` ids."""
        alerts = tables.alerts.c
        query = select(alerts.id).where(alerts.typology.is_(None)).order_by(alerts.expected_loss.desc()).limit(limit)
        with self.engine.connect() as connection:
            return list(connection.scalars(query))

    def decide(self, alert_id: int, decision: str, reason_code: str, note: str, analyst: str) -> Disposition:
        """Records a decision; see `Decisions.decide`."""
        return self.decisions.decide(alert_id, decision, reason_code, note, analyst)

    def undo(self, alert_id: int, analyst: str) -> Alert:
        """Takes back the decision in force; see `Decisions.undo`."""
        self.decisions.undo(alert_id, analyst)
        return self.alert(alert_id)

    def labels(self, as_of: datetime | None = None) -> list[Label]:
        """What decisions say about payments; see `Decisions.labels`."""
        return self.decisions.labels(as_of)

    def record_transaction(self, transaction_id: str, event_time: datetime, columns: dict[str, Any]) -> bool:
        """Keeps a payment as history to the next ones.

        Returns:
            False where a payment with this id is kept already; that one stays.
        """
        with self.engine.begin() as connection:
            known = select(tables.transactions.c.id).where(tables.transactions.c.transaction_id == transaction_id)
            if connection.scalar(known) is not None:
                return False
            values = {"transaction_id": transaction_id, "event_time": seconds(event_time), "columns": columns}
            connection.execute(tables.transactions.insert().values(**values))
        return True

    def recorded_transactions(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Id and columns of every payment kept, in the order of their time."""
        kept = tables.transactions.c
        query = select(kept.transaction_id, kept.columns).order_by(kept.event_time, kept.id)
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return [name for name, _ in rows], [dict(columns) for _, columns in rows]

    def holds_decisions(self) -> bool:
        """Whether anybody has decided on an alert, or payments were recorded: work that must not be lost."""
        with self.engine.connect() as connection:
            return any(
                connection.execute(select(table.c.id).limit(1)).first() is not None
                for table in (tables.dispositions, tables.transactions)
            )

    def withdraw_alerts(self, who: str, reason: str) -> int:
        """Removes every alert on which nobody has ever decided, and every recorded payment, with a line in the audit.

        Returns:
            How many were removed.
        """
        worked_on = union(select(tables.dispositions.c.alert_id), select(tables.narratives.c.alert_id))
        with self.engine.begin() as connection:
            undecided = tables.alerts.c.id.not_in(worked_on)
            names = list(connection.scalars(select(tables.alerts.c.transaction_id).where(undecided)))
            gone = connection.execute(tables.alerts.delete().where(undecided)).rowcount
            append(connection, (NewEntry(name, "withdrawn", {"reason": reason}, who) for name in names))
            connection.execute(tables.transactions.delete())
            if gone:
                _audit(connection, who, "withdraw_alerts", "", {"alerts": gone, "reason": reason})
            return gone

    def audit(self, who: str, action: str, subject: str, detail: dict[str, Any] | None = None) -> None:
        """Adds a line to the audit trail."""
        with self.engine.begin() as connection:
            _audit(connection, who, action, subject, detail or {})

    def close(self) -> None:
        """Closes every connection; scores on their way are written first."""
        self.predictions.close()
        self.engine.dispose()

    def _known_transactions(self, connection: Connection, ids: list[str]) -> list[str]:
        column = tables.alerts.c.transaction_id
        known: list[str] = []
        for first in range(0, len(ids), _IDS_AT_ONCE):
            known += connection.scalars(select(column).where(column.in_(ids[first : first + _IDS_AT_ONCE])))
        return known

    def _one_alert(self, condition: ColumnElement[bool], name: str) -> Alert:
        with self.engine.connect() as connection:
            row = connection.execute(select(tables.alerts).where(condition)).mappings().first()
            if row is None:
                raise NotFoundError(f"there is no {name}")
            made = connection.execute(
                select(tables.dispositions)
                .where(tables.dispositions.c.alert_id == row["id"])
                .order_by(tables.dispositions.c.id)
            ).mappings()
            return alert_of(row, tuple(disposition_of(item) for item in made))


def _open_engine(database_url: str) -> Engine:
    try:
        url = make_url(database_url)
        if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_pre_ping=True)
        if url.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
        tables.metadata.create_all(engine)
        _add_missing_columns(engine)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(f"setting database_url: {error}") from error
    except (SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        raise StoreError(f"the desk's database does not open ({make_url(database_url)!r}): {reason}") from error
    return engine


def _add_missing_columns(engine: Engine) -> None:
    """Brings a database made by an earlier version up to date: columns that came later, empty in what is there."""
    table = tables.alerts
    there = {column["name"] for column in inspect(engine).get_columns(table.name)}
    missing = [column for column in table.columns if column.name not in there]
    indexed = {index["name"] for index in inspect(engine).get_indexes(table.name)}
    with engine.begin() as connection:
        for column in missing:
            kind = column.type.compile(engine.dialect)
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"))
        if table.c.typology in missing:
            connection.execute(update(table).where(table.c.precedents.is_not(None)).values(typology=""))
        for index in table.indexes:
            if index.name not in indexed:
                index.create(connection, checkfirst=True)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # Readers go on while one writes; a writer waits for another instead of failing.
    for line in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {line}")
    cursor.close()


def _conditions(wanted: AlertFilter) -> list[ColumnElement[bool]]:
    columns = tables.alerts.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(columns.state.in_(wanted.states))
    if wanted.min_probability > 0:
        conditions.append(columns.probability >= wanted.min_probability)
    if wanted.max_probability < 1:
        conditions.append(columns.probability <= wanted.max_probability)
    if wanted.min_amount is not None:
        conditions.append(columns.amount >= wanted.min_amount)
    if wanted.max_amount is not None:
        conditions.append(columns.amount <= wanted.max_amount)
    if wanted.typology:
        conditions.append(columns.typology == wanted.typology)
    if wanted.owner:
        conditions.append(columns.owner.is_(None) if wanted.owner == NOBODY else columns.owner == wanted.owner)
    now = seconds(datetime.now(UTC))
    if wanted.min_age_hours > 0:
        conditions.append(columns.created_at <= now - round(wanted.min_age_hours * 3_600))
    if wanted.max_age_hours is not None:
        conditions.append(columns.created_at >= now - round(wanted.max_age_hours * 3_600))
    start = wanted.search.strip()
    if start:
        named = (columns.transaction_id, columns.payer, columns.payee)
        conditions.append(or_(*(column.istartswith(start, autoescape=True) for column in named)))
    return conditions
