"""The chain of decision records: what was known when an alert was raised, and every step after it.

Each entry's hash is SHA-256 over the hash before it and the entry's own canonical JSON. An entry about an alert, a
narrative or precedents holds the digest of what stands in their table, so that a change there shows too.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from app import tables
from app.rows import moment, seconds

GENESIS = "0" * 64
"""What stands before the first entry."""

_FROZEN = (
    "transaction_id", "event_time", "created_at", "payer", "payee", "amount", "currency", "probability", "threshold",
    "expected_loss", "model_version", "headline", "record",
)  # fmt: skip
_FOUND = ("precedents", "likely")
_DECIDED = ("decision", "reason_code", "note", "analyst", "decided_at", "previous_state")
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Entry:
    """One line of the chain.

    Attributes:
        id: Its place, from 1.
        transaction_id: The payment it is about.
        kind: alert, found, claim, release, decision, undo, narrative or withdrawn.
        at: When it was written, UTC.
        who: Who did it; empty for the desk itself.
        hash: SHA-256 over the entry before and this one.
    """

    id: int
    transaction_id: str
    kind: str
    at: datetime
    who: str
    hash: str


def canonical(values: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces: the same values always give the same text."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()


def alert_digest(row: Mapping[str, Any]) -> str:
    """Digest of what is frozen when an alert is raised; `row` as in the table of alerts."""
    return digest({name: _exact(row[name]) for name in _FROZEN})


def found_digest(row: Mapping[str, Any]) -> str:
    """Digest of the precedents and the typology found for an alert."""
    return digest({name: row[name] for name in _FOUND})


def decision_body(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the chain says of a decision; `row` as in the table of dispositions, with its `id`."""
    return {"disposition": int(row["id"]), **{name: row[name] for name in _DECIDED}}


def narrative_body(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the chain says of a signed narrative; `row` as in its table, with its `id`."""
    text = hashlib.sha256(str(row["text"]).encode()).hexdigest()
    return {"narrative": int(row["id"]), "text": text, "signed_by": row["signed_by"], "signed_at": row["signed_at"]}


@dataclass(frozen=True)
class NewEntry:
    """An entry to append: what it is about, its kind, who did it, and what it says."""

    transaction_id: str
    kind: str
    content: Mapping[str, Any]
    who: str = ""


def append(connection: Connection, entries: Iterable[NewEntry]) -> None:
    """Appends entries within a transaction that also makes the change they tell of."""
    new = list(entries)
    if not new:
        return
    head = tables.ledger_head
    # Taking the row first makes whoever appends at the same time wait for the end of this transaction.
    connection.execute(update(head).where(head.c.id == 1).values(entries=head.c.entries + len(new)))
    count, previous = connection.execute(select(head.c.entries, head.c.hash).where(head.c.id == 1)).one()
    now = seconds(datetime.now(UTC))
    rows = []
    for number, entry in enumerate(new, int(count) - len(new) + 1):
        facts = {"kind": entry.kind, "transaction": entry.transaction_id, "at": now, "who": entry.who}
        body = canonical({**entry.content, **facts})
        sealed = seal(previous, body)
        rows.append(
            {
                "id": number,
                "transaction_id": entry.transaction_id,
                "kind": entry.kind,
                "body": body,
                "previous": previous,
                "hash": sealed,
            }
        )
        previous = sealed
    connection.execute(insert(tables.ledger), rows)
    connection.execute(update(head).where(head.c.id == 1).values(hash=previous))


def seal(previous: str, body: str) -> str:
    """The hash of an entry: SHA-256 over the hash before it, a line break, and its canonical JSON."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


class Ledger:
    """Reads the chain; `ledger_check` verifies it.

    Args:
        engine: The desk's database.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def adopt(self) -> int:
        """Takes records that are older than the chain into it, once; they are sealed as they stand now.

        Returns:
            How many alerts were taken in.
        """
        with self.engine.connect() as connection:
            if connection.scalar(select(tables.ledger_head.c.id)) is not None:
                return 0
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(tables.ledger_head).values(id=1, entries=0, hash=GENESIS))
                return self._take_in(connection)
        except IntegrityError:
            # Another process opened the database at the same moment and did it.
            return 0

    def entries_of(self, transaction_id: str) -> tuple[Entry, ...]:
        """The entries about one payment, in order."""
        query = select(tables.ledger).where(tables.ledger.c.transaction_id == transaction_id)
        with self.engine.connect() as connection:
            return tuple(_entry(row) for row in connection.execute(query.order_by(tables.ledger.c.id)).mappings())

    @staticmethod
    def _take_in(connection: Connection) -> int:
        new: list[NewEntry] = []
        names: dict[int, str] = {}
        for row in stream(connection, tables.alerts):
            names[row["id"]] = row["transaction_id"]
            new.append(NewEntry(row["transaction_id"], "alert", {"digest": alert_digest(row)}))
            if row["precedents"] is not None:
                new.append(NewEntry(row["transaction_id"], "found", {"digest": found_digest(row)}))
        for row in stream(connection, tables.dispositions):
            name = names[row["alert_id"]]
            new.append(NewEntry(name, "decision", decision_body(row), row["analyst"]))
            if row["undone_at"] is not None:
                new.append(NewEntry(name, "undo", undo_body(row), row["undone_by"]))
        append(connection, new)
        return len(names)


def undo_body(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the chain says of a decision taken back."""
    return {"disposition": int(row["id"]), "undone_at": row["undone_at"], "undone_by": row["undone_by"]}


def _exact(value: Any) -> Any:
    # A column of floats gives 100.0 back for a 100 that was put in.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _entry(row: RowMapping) -> Entry:
    body = json.loads(row["body"])
    return Entry(row["id"], row["transaction_id"], row["kind"], moment(body["at"]), body["who"], row["hash"])


def stream(connection: Connection, table: Table, condition: Any = None) -> Iterator[dict[str, Any]]:
    """Rows in the order of their id, a part at a time, so that a large table stays on disk."""
    last = 0
    while True:
        query = select(table).where(table.c.id > last).order_by(table.c.id).limit(_AT_ONCE)
        asked = query if condition is None else query.where(condition)
        rows = [dict(row) for row in connection.execute(asked).mappings()]
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1]["id"]
