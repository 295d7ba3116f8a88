"""Retrieval: documents in, passages and answers with exact citations out. Knows nothing of the other packages."""

from typing import TYPE_CHECKING, Any

from retrieval.documents import Document, ReadFailure, read_documents

if TYPE_CHECKING:
    from retrieval.answer import Answer, Answerer
    from retrieval.index import Index
    from retrieval.records import Hit, IndexStatus, SyncReport

__all__ = [
    "Answer",
    "Answerer",
    "Document",
    "Hit",
    "Index",
    "IndexStatus",
    "ReadFailure",
    "SyncReport",
    "read_documents",
]

_HOMES = {
    "Answer": "retrieval.answer",
    "Answerer": "retrieval.answer",
    "Hit": "retrieval.records",
    "Index": "retrieval.index",
    "IndexStatus": "retrieval.records",
    "SyncReport": "retrieval.records",
}


def __getattr__(name: str) -> Any:
    """Import the heavier parts at first use: a command that only reads a folder needs none of them."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
