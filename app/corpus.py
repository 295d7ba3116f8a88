"""The desk's documents: which folders they come from, and the index over them."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import Settings

if TYPE_CHECKING:
    from app.console import ProgressLine
    from retrieval import Answerer, Document, Index, ReadFailure, SyncReport

# What ships is these four folders; a file beside them (its README) speaks to readers of the code, not to analysts.
SHIPPED = ("case_notes", "typologies", "policies", "run_reports")
# The shipped notes tell of the simulated payments; beside anybody's own they would be false precedents.
_ONLY_WITH_SIMULATED = "case_notes"


def open_index(settings: Settings, read_only: bool = False) -> "Index":
    """The desk's index.

    Raises:
        InputError: it is to be read and is not there; says what to run.
    """
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

    traced = settings.tracing == "on"
    return Answerer(
        index,
        llm=settings.llm,
        ollama_url=settings.ollama_url,
        tracking_uri=settings.mlflow_uri if traced else None,
        tracking_artifacts=settings.mlflow_artifacts if traced else None,
    )


def sync_corpus(
    settings: Settings,
    paths: Sequence[Path] | None,
    *,
    columns: Path | None = None,
    runs: Sequence[str] = (),
    simulated: bool = True,
    progress: "ProgressLine | None" = None,
) -> "SyncReport":
    """Bring the index up to date with the corpus, or with some folders and files.

    Args:
        settings: Settings in force.
        paths: Folders and files; None for the whole corpus: what ships (or the user's) and what the desk has written.
        columns: Which column of a table is what (a TOML file); None for the mapping beside each table.
        runs: Experiments in MLflow whose runs are read as documents; with these and no `paths`, nothing else is read.
        simulated: Whether the working payments are the simulated ones that the shipped case notes tell of.
        progress: Told how far it is.

    Documents that are gone from a folder leave the index; what came from other folders stays.
    """
    from retrieval import read_documents
    from retrieval.runs import read_runs

    with open_index(settings) as index:
        if paths is not None or runs:
            files = (document for path in paths or () for document in read_documents(path, columns))
            told = (document for name in runs for document in read_runs(settings.mlflow_uri, name))
            return index.sync(
                chain(files, told), prune=[path for path in paths or () if path.is_dir()], progress=progress
            )
        folders, entries = corpus_entries(settings, simulated)
        return index.sync(entries, prune=folders, progress=progress)


def corpus_entries(settings: Settings, simulated: bool) -> "tuple[list[Path], Iterator[Document | ReadFailure]]":
    """The folders of the whole corpus, and every document in them."""
    folders = [settings.corpus_shipped, *([settings.corpus_written] if settings.corpus_written.is_dir() else [])]
    return folders, _corpus(settings, folders, simulated)


def rebuild_index(settings: Settings, *, progress: "ProgressLine | None" = None) -> "SyncReport":
    """Build the index anew with the embedding model now set; the old one serves until it is complete."""
    with open_index(settings) as index:
        return index.rebuild(progress=progress)


def _corpus(settings: Settings, folders: Sequence[Path], simulated: bool) -> "Iterator[Document | ReadFailure]":
    from retrieval import Document, read_documents

    users_own = settings.corpus != Path()
    for folder in folders:
        for entry in read_documents(folder):
            shipped = folder == settings.corpus_shipped and not users_own
            if shipped and isinstance(entry, Document):
                collection = entry.metadata.get("collection")
                if collection not in SHIPPED or (collection == _ONLY_WITH_SIMULATED and not simulated):
                    continue
            yield entry
