"""Documents and the walk over a corpus folder.

A folder's first level names the collection (`case_notes`, `typologies`, `policies`, `run_reports`); a document's id is
its path below the corpus folder without extension.  The formats themselves are in `retrieval.readers`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import InputError

if TYPE_CHECKING:
    from retrieval.columns import Columns

COLLECTIONS = ("case_notes", "typologies", "policies", "run_reports")

Metadata = dict[str, Any]
"""JSON values: texts, numbers, booleans, and lists of them; times as ISO 8601 in UTC."""


@dataclass(frozen=True)
class Document:
    """One document to index.

    Attributes:
        id: Unique in the index.
        title: Shown with every hit, and read as context of every passage.
        text: The whole text; citations are offsets into it. Front matter may stand at its top; it is never quoted.
        metadata: Fields to filter by. `source` names where it comes from; `closed` and `published` (UTC times) say
            from when on it may be seen by a search "as of" a time.
    """

    id: str
    title: str
    text: str
    metadata: Metadata = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Where the document comes from: a path, or its id."""
        return str(self.metadata.get("source") or self.id)

    def content_hash(self) -> str:
        """SHA-256 over everything that indexing depends on."""
        content = json.dumps([self.title, self.text, self.metadata], sort_keys=True, default=str, ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class ReadFailure:
    """A file or row that could not be read; the rest goes on.

    Attributes:
        source: The path, with the row for tables.
        reason: One line: what is wrong and the fix.
        document_id: The id that it would have had, so that an indexed older version is not taken for deleted.
    """

    source: str
    reason: str
    document_id: str


def read_documents(
    path: str | Path, columns: "Columns | Mapping[str, Any] | str | Path | None" = None
) -> Iterator[Document | ReadFailure]:
    """Read a file, or every readable file below a folder, in path order.

    Args:
        path: A file or folder. Hidden files and files of unknown kinds in a folder are passed over.
        columns: For tables, which column is what: a TOML file, or a dictionary of the same form (see
            `retrieval.columns`); None for NAME.columns.toml beside NAME.csv, else the usual names.

    Yields:
        Documents, and a `ReadFailure` for each file or row that cannot be read.

    Raises:
        InputError: If the path does not exist, or is one file of an unknown kind, or `columns` is malformed.
    """
    from retrieval.columns import Columns
    from retrieval.readers import READERS, read_file

    mapping = None if columns is None else Columns.read(columns)
    root = Path(path).expanduser()
    if not root.exists():
        raise InputError(f"{root}: no such file or folder; name a folder of documents or one document")
    if root.is_file():
        if root.suffix.lower() not in READERS:
            raise InputError(f"{root}: unknown kind of document; known: {', '.join(sorted(READERS))}")
        home = root.parent.parent if root.parent.name in COLLECTIONS else root.parent
        yield from read_file(root.resolve(), _document_id(root, home), _collection(root, home), mapping)
        return
    taken: set[str] = set()
    for file in sorted(root.rglob("*")):
        relative = file.relative_to(root)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or file.suffix.lower() not in READERS or not file.is_file():
            continue
        document_id = _document_id(file, root)
        if document_id in taken:
            document_id = relative.as_posix()
        taken.add(document_id)
        yield from read_file(file.resolve(), document_id, _collection(file, root), mapping)


def plain_metadata(values: Mapping[Any, Any]) -> Metadata:
    """Metadata as JSON values: times to ISO 8601 in UTC (naive ones are taken as UTC), empty ones left out."""
    return {str(key): _plain(value) for key, value in values.items() if value is not None}


def parse_time(value: Any, name: str) -> datetime:
    """Read a time in UTC from a datetime, a date or an ISO 8601 text.

    Raises:
        InputError: If the value is none of these; `name` says what it was for.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        return parse_time(datetime.fromisoformat(str(value).strip()), name)
    except ValueError:
        raise InputError(f"{name}: {value!r} is no time; write it like 2026-07-04 or 2026-07-04T16:30:00Z") from None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return parse_time(value, "metadata").isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return plain_metadata(value)
    if isinstance(value, list | tuple | set):
        return [_plain(entry) for entry in value if entry is not None]
    return value if isinstance(value, str | int | float | bool) else str(value)


def _document_id(file: Path, root: Path) -> str:
    return file.relative_to(root).with_suffix("").as_posix()


def _collection(file: Path, root: Path) -> str | None:
    parts = file.relative_to(root).parts
    return parts[0] if len(parts) > 1 else (root.name if root.name in COLLECTIONS else None)
