"""Whether the chain of decision records holds: its own links, and every record that it tells of.

    check_ledger(engine).intact

An entry is broken where it does not follow the one before, where its text was changed, or where the record it sealed
now reads otherwise. A record without an entry is broken too, and so is a chain that lost its end.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select

from app import tables
from app.ledger import (
    GENESIS,
    alert_digest,
    decision_body,
    found_digest,
    narrative_body,
    seal,
    stream,
    undo_body,
)

_TOLD_EVERY = 2_000


@dataclass(frozen=True)
class Broken:
    """The first place where records and chain differ: `entry` is its number, 0 where a record has none."""

    entry: int
    transaction_id: str
    problem: str


@dataclass(frozen=True)
class ChainReport:
    """What a check of the chain found.

    Attributes:
        entries: Entries read.
        alerts: Alerts whose frozen record was compared with its digest.
        head: Hash of the last entry; noted elsewhere, it proves later that nothing before it was changed.
        broken: The first broken link; None where everything holds.
    """

    entries: int
    alerts: int
    head: str
    broken: Broken | None = None

    @property
    def intact(self) -> bool:
        """Whether everything holds."""
        return self.broken is None


def check_ledger(engine: Engine, noted: str = "", progress: Callable[[int, int], None] | None = None) -> ChainReport:
    """Checks the whole chain against itself and against the tables.

    Args:
        engine: The desk's database.
        noted: A head noted earlier; it must still be in the chain.
        progress: Told entries read and entries in all.
    """
    with _one_moment(engine) as connection:
        check = _Check(connection, None)
        head = connection.execute(select(tables.ledger_head)).mappings().first()
        total = int(head["entries"]) if head else 0
        previous, last, seen = GENESIS, 0, not noted
        for row in stream(connection, tables.ledger):
            if row["id"] != last + 1:
                check.fail(row["id"], row["transaction_id"], f"entry {last + 1} is missing")
            check.link(row, previous)
            seen = seen or row["hash"] == noted
            previous, last = row["hash"], row["id"]
            if progress is not None and last % _TOLD_EVERY == 0:
                progress(last, total)
        if head is not None and (last, previous) != (total, head["hash"]):
            check.fail(last + 1, "", f"the chain ends at entry {last}, but {total} were written")
        if not seen:
            check.fail(0, "", "the noted hash is not in the chain: entries were replaced")
        check.compare_records()
    return check.report()


def check_payment(engine: Engine, transaction_id: str) -> ChainReport:
    """Checks the entries about one payment, each with its link to the entry before it."""
    ledger = tables.ledger
    mine = select(ledger).where(ledger.c.transaction_id == transaction_id).order_by(ledger.c.id)
    with _one_moment(engine) as connection:
        rows = [dict(row) for row in connection.execute(mine).mappings()]
        before = select(ledger.c.id, ledger.c.hash).where(ledger.c.id.in_([row["id"] - 1 for row in rows]))
        known = {row.id: row.hash for row in connection.execute(before)}
        check = _Check(connection, transaction_id)
        for row in rows:
            check.link(row, known.get(row["id"] - 1, GENESIS))
        check.compare_records()
    return check.report()


@contextmanager
def _one_moment(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is now, whatever is written meanwhile."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


class _Check:
    """Compares entries with each other and with what they tell of; keeps the earliest difference.

    Args:
        connection: To the desk's database.
        transaction_id: The one payment to look at; None for all.
    """

    def __init__(self, connection: Connection, transaction_id: str | None) -> None:
        self.broken: Broken | None = None
        self.entries = 0
        self._last = GENESIS
        # What the chain says is there, by payment or by key: the number of the entry and what it sealed.
        self._sealed: dict[tuple[str, str], tuple[int, str]] = {}
        self._told: dict[tuple[str, int], tuple[int, dict[str, Any]]] = {}
        alerts = tables.alerts
        only = None if transaction_id is None else alerts.c.transaction_id == transaction_id
        self._stands: dict[tuple[str, str], str] = {}
        self._names: dict[int, str] = {}
        for row in stream(connection, alerts, only):
            name = str(row["transaction_id"])
            self._names[row["id"]] = name
            self._stands[("alert", name)] = alert_digest(row)
            if row["precedents"] is not None:
                self._stands[("found", name)] = found_digest(row)
        one = None if transaction_id is None else next(iter(self._names), 0)
        self._rows: dict[tuple[str, int], dict[str, Any]] = {}
        self._owners: dict[tuple[str, int], str] = {}
        for kind, table in (("decision", tables.dispositions), ("narrative", tables.narratives)):
            for row in stream(connection, table, None if one is None else table.c.alert_id == one):
                self._add(kind, row)

    def fail(self, entry: int, transaction_id: str, problem: str) -> None:
        """Keeps a problem where it is the earliest; entry 0, a record without one, comes last."""
        if self.broken is None or (entry and (entry < self.broken.entry or not self.broken.entry)):
            self.broken = Broken(entry, transaction_id, problem)

    def link(self, row: Mapping[str, Any], previous: str) -> None:
        """One entry: its place in the chain and its own hash; what it tells is kept to be compared at the end."""
        self.entries += 1
        self._last = str(row["hash"])
        number, name = int(row["id"]), str(row["transaction_id"])
        if row["previous"] != previous:
            self.fail(number, name, "it does not follow the entry before it")
        if seal(row["previous"], row["body"]) != row["hash"]:
            self.fail(number, name, "its text was changed after it was sealed")
            return
        body = json.loads(row["body"])
        kind = str(body["kind"])
        if (kind, body["transaction"]) != (row["kind"], name):
            self.fail(number, name, "its kind or payment was changed after it was sealed")
        elif kind in ("alert", "found"):
            self._sealed[(kind, name)] = (number, str(body["digest"]))
        elif kind == "withdrawn":
            for each in ("alert", "found"):
                self._sealed.pop((each, name), None)
        elif kind in ("decision", "undo"):
            self._told[(kind, int(body["disposition"]))] = (number, body)
        elif kind == "narrative":
            self._told[(kind, int(body["narrative"]))] = (number, body)

    def compare_records(self) -> None:
        """What the chain tells against what stands in the tables, both ways."""
        words = {"alert": "the alert's frozen record", "found": "its precedents and typology"}
        for key, (number, sealed) in self._sealed.items():
            stands = self._stands.get(key)
            if stands is None:
                self.fail(number, key[1], f"{words[key[0]]} was removed")
            elif stands != sealed:
                self.fail(number, key[1], f"{words[key[0]]} was changed")
        for key in self._stands.keys() - self._sealed.keys():
            self.fail(0, key[1], f"{words[key[0]]} is not in the chain")
        for place, (number, body) in self._told.items():
            row = self._rows.get(place)
            if row is None:
                self.fail(number, body["transaction"], f"{place[0]} {place[1]} was removed")
            elif any(body.get(name) != value for name, value in row.items()):
                self.fail(number, body["transaction"], f"{place[0]} {place[1]} was changed")
        for place in self._rows.keys() - self._told.keys():
            self.fail(0, self._owners[place], f"{place[0]} {place[1]} is not in the chain")

    def report(self) -> ChainReport:
        """What was found."""
        return ChainReport(self.entries, len(self._names), self._last, self.broken)

    def _add(self, kind: str, row: Mapping[str, Any]) -> None:
        key = int(row["id"])
        bodies = {kind: decision_body(row) if kind == "decision" else narrative_body(row)}
        if kind == "decision" and row["undone_at"] is not None:
            bodies["undo"] = undo_body(row)
        for each, body in bodies.items():
            self._rows[(each, key)] = body
            self._owners[(each, key)] = self._names.get(row["alert_id"], "")
