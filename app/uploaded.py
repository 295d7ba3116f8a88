"""Which documents were uploaded at the desk, by whom and when: only these can be removed there."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select

from app import tables


@dataclass(frozen=True)
class UploadedDocument:
    """One uploaded file; `document_id` is its collection and name, `at` UTC."""

    document_id: str
    collection: str
    file: str
    analyst: str
    at: datetime
    bytes: int


class UploadedDocuments:
    """The uploads of the desk's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, entry: UploadedDocument) -> None:
        """Records an upload in place of an earlier one of the same id."""
        table = tables.uploaded_documents
        values = {**vars(entry), "at": int(entry.at.timestamp())}
        with self._engine.begin() as connection:
            connection.execute(table.delete().where(table.c.document_id == entry.document_id))
            connection.execute(table.insert().values(**values))

    def get(self, document_id: str) -> UploadedDocument | None:
        """One upload, or None."""
        table = tables.uploaded_documents
        with self._engine.connect() as connection:
            row = connection.execute(select(table).where(table.c.document_id == document_id)).mappings().first()
        return None if row is None else _entry(row)

    def all(self) -> list[UploadedDocument]:
        """Every upload, the latest first."""
        table = tables.uploaded_documents
        query = select(table).order_by(table.c.at.desc(), table.c.document_id)
        with self._engine.connect() as connection:
            return [_entry(row) for row in connection.execute(query).mappings()]

    def remove(self, document_id: str) -> None:
        """Forgets an upload."""
        table = tables.uploaded_documents
        with self._engine.begin() as connection:
            connection.execute(table.delete().where(table.c.document_id == document_id))


def _entry(row: Any) -> UploadedDocument:
    return UploadedDocument(**{**row, "at": datetime.fromtimestamp(row["at"], UTC)})
