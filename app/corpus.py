"""The desk's documents: which folders they come from, and the index over them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.settings import Settings

if TYPE_CHECKING:
    from app.console import ProgressLine
    from retrieval import Answerer, Document, Index
    from retrieval.documents import ReadFailure

# They tell of the simulated payments; beside anybody's own they would be false precedents.
_ONLY_WITH_SIMULATED = "case_notes"


def open_index(settings: Settings, read_only: bool = False) -> "Index":
    """The desk's index."""
    from retrieval import Index

    return Index.open(
        settings.index_path,
        embedding_model=settings.embedding_model or None,
        chroma_url=settings.chroma_url or None,
        read_only=read_only,
    )


def make_answerer(settings: Settings, index: "Index") -> "Answerer":
    """Who answers from the index."""
    from retrieval import Answerer

    return Answerer(index, llm=settings.llm, ollama_url=settings.ollama_url)
