"""The manifest: what the index holds, in SQLite, and the truth that the other two views follow.

Documents with their text, passages with offsets, terms and vectors, failures of the last sync, and a journal of
passage numbers on their way into or out of Chroma, by which an interrupted sync is put right.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.documents import Document, Metadata, ReadFailure
from retrieval.errors import RetrievalError

FORMAT = "1"
"""Changes when the tables or the meaning of their bytes change."""

_TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL, text TEXT NOT NULL,
    metadata TEXT NOT NULL, visible_from REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_by_source ON documents (source);
CREATE TABLE IF NOT EXISTS passages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, document_id TEXT NOT NULL, ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, heading TEXT NOT NULL, length INTEGER NOT NULL,
    terms BLOB NOT NULL, counts BLOB NOT NULL, vectors BLOB NOT NULL, scales BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS passages_by_document ON passages (document_id);
CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS failures (source TEXT PRIMARY KEY, reason TEXT NOT NULL, time TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class StoredDocument:
    """A document as the index keeps it: masked, with its hash."""

    id: str
    title: str
    source: str
    text: str
    metadata: Metadata
    visible_from: float


@dataclass(frozen=True)
class StoredPassage:
    """A passage as the index keeps it.

    Attributes:
        number: Its unique number; never used again after the passage is gone.
        terms: Hashes of its distinct terms, uint64, sorted.
        counts: How often each term occurs, uint16.
        length: Its terms in all.
        vectors: int8, shape (1 + windows, dimension): the passage, then its windows.
        scales: float32, what to multiply each row by.
    """

    number: int
    document_id: str
    ordinal: int
    start: int
    end: int
    heading: str
    length: int
    terms: np.ndarray
    counts: np.ndarray
    vectors: np.ndarray
    scales: np.ndarray

    @property
    def id(self) -> str:
        """The passage's public id: its document's id and its place in it."""
        return f"{self.document_id}#{self.ordinal}"


class Manifest:
    """One SQLite file; one connection, used by one thread at a time (the index sees to that)."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        try:
            mode = "rw" if read_only else "rwc"
            self._db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                timeout=30,
                isolation_level=None,
                check_same_thread=False,
            )
            if read_only:
                self._db.execute("PRAGMA query_only=1")
            else:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(_TABLES)
        except sqlite3.Error as problem:
            raise RetrievalError(f"{path}: {problem}; the index cannot be opened") from None

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing.

        Raises:
            RetrievalError: If the database refuses, as on a full disk; nothing of the block is kept then.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as problem:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(problem, sqlite3.Error):
                raise RetrievalError(f"{self.path}: {problem}; nothing of this step was kept") from problem
            raise

    def setting(self, name: str) -> str | None:
        """A recorded fact such as the embedding model; None where it was never recorded."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set(self, name: str, value: str) -> None:
        """Record a fact."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def hashes(self) -> dict[str, str]:
        """Content hash of every document, by id."""
        return dict(self._db.execute("SELECT id, hash FROM documents"))

    def sources(self) -> dict[str, str]:
        """Source of every document, by id."""
        return dict(self._db.execute("SELECT id, source FROM documents"))

    def ids_of_source(self, source: str) -> list[str]:
        """Documents with this id, or whose source is this path (for tables: the path before `#`)."""
        rows = self._db.execute(
            "SELECT id FROM documents WHERE id = ?1 OR source = ?1 OR substr(source, 1, length(?1) + 1) = ?1 || '#'",
            (source,),
        )
        return [row[0] for row in rows]

    def document(self, document_id: str) -> StoredDocument | None:
        """One document, or None."""
        row = self._db.execute(
            "SELECT id, title, source, text, metadata, visible_from FROM documents WHERE id = ?", (document_id,)
        ).fetchone()
        if row is None:
            return None
        return StoredDocument(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5])

    def outlines(self) -> list[tuple[str, float, Metadata]]:
        """Id, time from which it is visible, and metadata of every document, by id."""
        rows = self._db.execute("SELECT id, visible_from, metadata FROM documents ORDER BY id")
        return [(row[0], row[1], json.loads(row[2])) for row in rows]

    def documents(self) -> Iterator[tuple[Document, str]]:
        """Every document with its content hash; safe while passages are being written elsewhere."""
        for (key,) in self._db.execute("SELECT id FROM documents ORDER BY id").fetchall():
            row = self._db.execute("SELECT title, text, metadata, hash FROM documents WHERE id = ?", (key,)).fetchone()
            yield Document(key, row[0], row[1], json.loads(row[2])), row[3]

    def numbers(self) -> list[tuple[int, str]]:
        """Number and document of every passage, by number."""
        return list(self._db.execute("SELECT number, document_id FROM passages ORDER BY number"))

    def term_rows(self, above: int) -> list[tuple[int, int, bytes, bytes]]:
        """Number, length, terms and counts of the passages numbered above `above`."""
        return list(
            self._db.execute(
                "SELECT number, length, terms, counts FROM passages WHERE number > ? ORDER BY number", (above,)
            )
        )

    def passages(self, numbers: Sequence[int]) -> dict[int, StoredPassage]:
        """Passages by number; numbers that are gone are left out."""
        found = {}
        for begin in range(0, len(numbers), 500):
            part = [int(number) for number in numbers[begin : begin + 500]]
            marks = ",".join("?" * len(part))
            for row in self._db.execute(f"SELECT * FROM passages WHERE number IN ({marks})", part):
                found[row[0]] = _passage(row)
        return found

    def every_passage(self) -> Iterator[StoredPassage]:
        """All passages by number."""
        for row in self._db.execute("SELECT * FROM passages ORDER BY number"):
            yield _passage(row)

    def next_number(self) -> int:
        """A number above every passage's that is, was, or was about to be."""
        used = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'passages'").fetchone()
        journaled = self._db.execute("SELECT max(number) FROM journal").fetchone()
        return max(used[0] if used else 0, journaled[0] or 0) + 1

    def replace(self, document: StoredDocument, content_hash: str, passages: Sequence[StoredPassage]) -> list[int]:
        """Put a document and its passages in place of its older version; returns the numbers that are gone."""
        gone = self.remove(document.id)
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                document.id,
                document.title,
                document.source,
                content_hash,
                document.text,
                json.dumps(document.metadata, ensure_ascii=False),
                document.visible_from,
            ),
        )
        self._db.executemany(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    entry.number,
                    entry.document_id,
                    entry.ordinal,
                    entry.start,
                    entry.end,
                    entry.heading,
                    entry.length,
                    entry.terms.tobytes(),
                    entry.counts.tobytes(),
                    entry.vectors.tobytes(),
                    entry.scales.tobytes(),
                )
                for entry in passages
            ),
        )
        return gone

    def remove(self, document_id: str) -> list[int]:
        """Delete a document and its passages; returns their numbers."""
        rows = self._db.execute("SELECT number FROM passages WHERE document_id = ?", (document_id,)).fetchall()
        self._db.execute("DELETE FROM passages WHERE document_id = ?", (document_id,))
        self._db.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        return [row[0] for row in rows]

    def journal(self, numbers: Iterable[int]) -> None:
        """Note passage numbers whose vectors are about to be written or removed."""
        self._db.executemany("INSERT OR IGNORE INTO journal VALUES (?)", ((number,) for number in numbers))

    def journaled(self) -> list[int]:
        """Numbers noted and not yet cleared."""
        return [row[0] for row in self._db.execute("SELECT number FROM journal ORDER BY number")]

    def clear_journal(self, numbers: Iterable[int]) -> None:
        """Forget numbers whose vectors are where they belong."""
        self._db.executemany("DELETE FROM journal WHERE number = ?", ((number,) for number in numbers))

    def set_failures(self, failures: Iterable[ReadFailure], time: str) -> None:
        """Replace the failures of the last sync."""
        self._db.execute("DELETE FROM failures")
        self._db.executemany(
            "INSERT OR REPLACE INTO failures VALUES (?, ?, ?)",
            ((entry.source, entry.reason, time) for entry in failures),
        )

    def failures(self) -> list[tuple[str, str]]:
        """Source and reason of what the last sync could not read."""
        return list(self._db.execute("SELECT source, reason FROM failures ORDER BY source"))

    def counts(self) -> tuple[int, int]:
        """Documents and passages."""
        row: tuple[Any, ...] = self._db.execute(
            "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)"
        ).fetchone()
        return row[0], row[1]


def _passage(row: tuple[Any, ...]) -> StoredPassage:
    scales = np.frombuffer(row[10], dtype=np.float32)
    vectors = np.frombuffer(row[9], dtype=np.int8).reshape(len(scales), -1)
    terms, counts = np.frombuffer(row[7], dtype=np.uint64), np.frombuffer(row[8], dtype=np.uint16)
    return StoredPassage(row[0], row[1], row[2], row[3], row[4], row[5], row[6], terms, counts, vectors, scales)
