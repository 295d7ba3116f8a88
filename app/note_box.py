"""Case notes to be written, indexed or taken back, kept in the database until it is done.

A decision orders its note in the same transaction; whoever serves the desk then writes the file and indexes it. Every
step can be done again, so that an interruption at any moment costs nothing but the time to do it again.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, select, update

from app import tables
from app.records import CONFIRMED_FRAUD, INCONCLUSIVE, LEGITIMATE
from app.rows import moment, seconds

NOTED = (CONFIRMED_FRAUD, LEGITIMATE, INCONCLUSIVE)
"""Decisions that close a case."""

PENDING = "pending"
INDEXED = "indexed"
RECALLED = "recalled"
GONE = "gone"

_CASE_ID = re.compile(r"CN-(\d{4})-(\d+)")


@dataclass(frozen=True)
class NoteTask:
    """A note to write or take back.

    Attributes:
        id: Its key.
        alert_id: The alert that was closed.
        disposition_id: The decision that closed it.
        case_id: CN-YYYY-NNNN; None until it is given.
        state: pending, indexed, recalled or gone.
        attempts: How often it failed.
        problem: Why it failed last; empty where it did not.
        closed: When the case was closed, UTC.
    """

    id: int
    alert_id: int
    disposition_id: int
    case_id: str | None
    state: str
    attempts: int
    problem: str
    closed: datetime


def order_note(connection: Connection, alert_id: int, disposition_id: int, now: int) -> None:
    """Orders the note of a case closed now, within the transaction of the decision."""
    values = {"alert_id": alert_id, "disposition_id": disposition_id, "state": PENDING, "changed_at": now}
    connection.execute(tables.case_notes.insert().values(**values, attempts=0, problem=""))


def recall_note(connection: Connection, disposition_id: int, now: int) -> None:
    """Orders that the note of a decision be taken back, within the transaction that undoes it."""
    notes = tables.case_notes
    mine = update(notes).where(notes.c.disposition_id == disposition_id)
    connection.execute(mine.values(state=RECALLED, changed_at=now, attempts=0, problem=""))


class NoteBox:
    """The notes in the desk's database.

    Args:
        engine: The desk's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def open_tasks(self) -> list[NoteTask]:
        """Notes still to be written or taken back, the oldest first."""
        return self._tasks(tables.case_notes.c.state.in_((PENDING, RECALLED)))

    def of_alert(self, alert_id: int) -> NoteTask | None:
        """The latest note of an alert that was not taken back."""
        notes = tables.case_notes.c
        found = self._tasks((notes.alert_id == alert_id) & notes.state.in_((PENDING, INDEXED)))
        return found[-1] if found else None

    def holds_notes(self) -> bool:
        """Whether any case was closed at this desk."""
        with self.engine.connect() as connection:
            return connection.scalar(select(tables.case_notes.c.id).limit(1)) is not None

    def give_case_id(self, task: NoteTask, taken: Iterable[str]) -> str:
        """The case id of a task, given now where it has none: the number after the highest of its year.

        Args:
            task: The note.
            taken: Ids or names in which case ids of other notes stand.
        """
        if task.case_id is not None:
            return task.case_id
        notes = tables.case_notes
        with self.engine.begin() as connection:
            known = connection.scalars(select(notes.c.case_id).where(notes.c.case_id.is_not(None)))
            numbers = [match for name in (*taken, *known) for match in _CASE_ID.findall(name)]
            year = task.closed.year
            number = max((int(count) for of_year, count in numbers if int(of_year) == year), default=0) + 1
            case_id = f"CN-{year}-{number:04d}"
            connection.execute(update(notes).where(notes.c.id == task.id).values(case_id=case_id))
        return case_id

    def done(self, task: NoteTask) -> None:
        """The note is searchable, or gone; unless something else was ordered meanwhile."""
        after = {PENDING: INDEXED, RECALLED: GONE}[task.state]
        self._change(task, {"state": after, "problem": "", "changed_at": seconds(datetime.now(UTC))})

    def failed(self, task: NoteTask, problem: str) -> None:
        """It did not work this time; it will be tried again."""
        self._change(task, {"attempts": task.attempts + 1, "problem": problem[:1_000]})

    def counts(self) -> dict[str, int]:
        """How many notes are in each state."""
        notes = tables.case_notes
        query = select(notes.c.state, func.count()).group_by(notes.c.state)
        with self.engine.connect() as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def _change(self, task: NoteTask, values: dict[str, object]) -> None:
        notes = tables.case_notes
        with self.engine.begin() as connection:
            connection.execute(update(notes).where(notes.c.id == task.id, notes.c.state == task.state).values(**values))

    def _tasks(self, condition: object) -> list[NoteTask]:
        notes, made = tables.case_notes, tables.dispositions
        query = (
            select(*[column for column in notes.c if column.name != "changed_at"], made.c.decided_at.label("closed"))
            .join(made, made.c.id == notes.c.disposition_id)
            .where(condition)  # type: ignore[arg-type]
            .order_by(notes.c.id)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [NoteTask(**{**row, "closed": moment(row["closed"])}) for row in rows]
