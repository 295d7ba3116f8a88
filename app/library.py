"""The documents of a serving desk: what is indexed, uploads and their removal, bringing the index up to date.

    library = Library(desk)
    library.upload(user, "policies", "holds.md", stream)
    library.remove(user, "policies/holds")

An upload becomes a file under `<home>/corpus/<collection>/`. Only what was uploaded here can be removed here: what
ships belongs to the release, run reports and notes of closed cases are records.
"""

import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.access import User
from app.errors import RefusedError, message_of
from app.store_errors import NotFoundError
from app.uploaded import UploadedDocument, UploadedDocuments
from app.uploads import save, work_folder
from app.visible import visible_collections
from retrieval import ReadFailure, SyncReport, read_documents
from retrieval.documents import COLLECTIONS
from retrieval.progress import Progress
from retrieval.readers import LARGEST_FILE, READERS

if TYPE_CHECKING:
    from app.desk import Desk

log = logging.getLogger(__name__)

LARGEST_MB = LARGEST_FILE >> 20
_NAME = re.compile(r"[^a-zA-Z0-9]+")
_LONGEST_NAME = 80
_FOLLOW_SECONDS = 0.3


@dataclass(frozen=True)
class Listing:
    """What is indexed, of the collections that a user may see.

    Attributes:
        collections: Documents by collection.
        documents: In all.
        passages: In all; None where the user does not see every collection.
        bytes: Size of the index; the same.
        last_sync: ISO 8601, or empty.
        version: Of the index, as far as the user may see it: what is hidden does not change it.
        consistent: Whether all parts of the index agree.
        failures: Files that could not be read, and why.
        uploads: What was uploaded here, the latest first.
    """

    collections: dict[str, int]
    documents: int
    passages: int | None
    bytes: int | None
    last_sync: str
    version: str
    consistent: bool
    failures: tuple[tuple[str, str], ...] = ()
    uploads: tuple[UploadedDocument, ...] = ()


@dataclass(frozen=True)
class SyncState:
    """How far a sync of all documents is.

    Attributes:
        running: Whether it is at work.
        stage: What it does, in words.
        done: Documents so far.
        total: Of so many; None while that is not known.
        message: Rate and time left.
        report: What it did, once it is done.
        problem: Why it failed.
    """

    running: bool = False
    stage: str = ""
    done: int = 0
    total: int | None = None
    message: str = ""
    report: SyncReport | None = None
    problem: str = ""


@dataclass(frozen=True)
class Uploaded:
    """What an upload became: ids of its documents, and what of it could not be read."""

    document_id: str
    documents: tuple[str, ...]
    added: int
    updated: int
    failures: tuple[ReadFailure, ...] = field(default=())


@dataclass(frozen=True)
class Removed:
    """What was removed: documents deleted, and how many of them a search still finds, which is 0."""

    document_id: str
    deleted: int
    retrievable: int


class Library:
    """The documents of one desk. Safe to use from several threads."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._state = SyncState()

    def listing(self, user: User) -> Listing:
        """What is indexed, as far as the user may see it."""
        state = self._desk.index.status()
        hidden = user.hidden_collections
        allowed = visible_collections(self._desk.index, user)
        shown = {name: count for name, count in state.collections.items() if allowed is None or name in allowed}
        failures = [f for f in state.failures if not hidden & set(Path(f[0]).parts)]
        version = self._desk.index.status(hidden_collections=hidden).version if hidden else state.version
        return Listing(
            shown,
            sum(shown.values()),
            state.passages if not hidden else None,
            state.bytes if not hidden else None,
            state.last_sync,
            version,
            state.consistent,
            tuple((short_path(source), why) for source, why in failures),
            tuple(entry for entry in self._uploads.all() if entry.collection not in hidden),
        )

    def collections_for(self, user: User) -> tuple[str, ...]:
        """Collections that the user may add to."""
        return tuple(name for name in COLLECTIONS if name not in user.hidden_collections)

    def upload(self, user: User, collection: str, name: str | None, incoming: BinaryIO) -> Uploaded:
        """Takes a file into a collection and indexes it at once; the same name again replaces what was uploaded.

        Raises:
            ForbiddenError: the user may not add documents.
            RefusedError: an unknown collection or kind of file, too large, empty, unreadable, or a name that another
                document has.
        """
        user.require("documents")
        if collection not in self.collections_for(user):
            known = ", ".join(self.collections_for(user))
            raise RefusedError(f"there is no collection {collection!r} to add to; known: {known}", 422, "bad_input")
        suffix = Path(name or "").suffix.lower()
        if suffix not in READERS:
            raise RefusedError(f"send one of {', '.join(sorted(READERS))}", 415, "unsupported_file")
        stem = clean_name(Path(name or "").stem)
        key = f"{collection}/{stem}"
        target = self._folder / collection / f"{stem}{suffix}"
        with self._desk.index_writing:
            self._require_free(key, target)
            with work_folder(self._desk.settings.home) as folder:
                taken = folder / collection / target.name
                taken.parent.mkdir()
                save(incoming, taken, min(self._desk.settings.max_upload_mb, LARGEST_MB))
                entries = list(read_documents(taken))
                if not any(not isinstance(entry, ReadFailure) for entry in entries):
                    why = entries[0].reason if entries and isinstance(entries[0], ReadFailure) else "holds no text"
                    raise RefusedError(f"{target.name}: {why}", 422, "unreadable_file")
                size = taken.stat().st_size
                target.parent.mkdir(parents=True, exist_ok=True)
                taken.replace(target)
            self._drop_others(key, target)
            report = self._desk.index.sync(read_documents(target))
            self._uploads.add(UploadedDocument(key, collection, target.name, user.name, datetime.now(UTC), size))
            ids = self._ids_of(target, key)
        self._desk.store.trail.record(user, "upload", f"document {key}", {"bytes": size})
        self._desk.documents_changed()
        return Uploaded(key, tuple(ids), report.added, report.updated, report.failed)

    def remove(self, user: User, document_id: str) -> Removed:
        """Removes an uploaded document: file, passages, vectors and keywords.

        Raises:
            ForbiddenError: the user may not remove documents.
            NotFoundError: nothing was uploaded here under this id.
        """
        user.require("documents")
        found = self._uploads.get(document_id)
        if found is None or found.collection in user.hidden_collections:
            raise NotFoundError(f"no document {document_id} was uploaded here; only uploaded ones can be removed")
        target = self._folder / found.collection / found.file
        with self._desk.index_writing:
            ids = self._ids_of(target, document_id)
            target.unlink(missing_ok=True)
            deleted = self._delete(target, ids)
            self._uploads.remove(document_id)
        left = sum(self._desk.index.document(key) is not None for key in ids)
        self._desk.store.trail.record(user, "remove", f"document {document_id}", {"deleted": deleted})
        self._desk.documents_changed()
        return Removed(document_id, deleted, left)

    @property
    def sync_state(self) -> SyncState:
        """How far the present sync is, or what the last one did."""
        return self._state

    def start_sync(self, user: User) -> SyncState:
        """Begins to bring the index up to date with all folders; a sync at work goes on instead.

        Raises:
            ForbiddenError: the user may not add documents.
        """
        user.require("documents")
        with self._lock:
            if not self._state.running:
                self._state = SyncState(True, "starting")
                threading.Thread(target=self._sync, name="sync", daemon=True).start()
                self._desk.store.trail.record(user, "sync", "documents")
        return self._state

    def follow_sync(self) -> Iterator[SyncState]:
        """The state each time it has changed, until the sync is done."""
        shown: SyncState | None = None
        while True:
            now = self._state
            if now is not shown:
                shown = now
                yield now
            if not now.running:
                return
            time.sleep(_FOLLOW_SECONDS)

    def _sync(self) -> None:
        from app.corpus import corpus_entries
        from app.up import works_on_simulated

        settings = self._desk.settings
        try:
            with self._desk.index_writing:
                folders, entries = corpus_entries(settings, works_on_simulated(settings))
                report = self._desk.index.sync(entries, prune=folders, progress=self._progressed)
            self._state = SyncState(stage="done", done=report.total, total=report.total, report=report)
            self._desk.documents_changed()
        except Exception as error:
            log.warning("sync of the documents: %s", error)
            self._state = SyncState(problem=message_of(error))

    def _progressed(self, progress: Progress) -> None:
        self._state = replace(
            self._state, stage=progress.stage, done=progress.done, total=progress.total, message=progress.message
        )

    @property
    def _uploads(self) -> UploadedDocuments:
        return self._desk.store.uploaded

    @property
    def _folder(self) -> Path:
        return self._desk.settings.corpus_written.resolve()

    def _require_free(self, key: str, target: Path) -> None:
        """Refuse a name that a document has which was not uploaded here."""
        if self._uploads.get(key) is not None:
            return
        if target.exists() or self._desk.index.document(key) is not None:
            raise RefusedError(f"there is a document {key} already, which was not uploaded here; use another name",
                               409, "name_taken")  # fmt: skip

    def _drop_others(self, key: str, target: Path) -> None:
        """An upload of the same name in another format takes the place of the one before it."""
        before = self._uploads.get(key)
        if before is not None and before.file != target.name:
            old = target.with_name(before.file)
            ids = self._ids_of(old, key)
            old.unlink(missing_ok=True)
            self._delete(old, ids)

    def _delete(self, target: Path, ids: list[str]) -> int:
        deleted = self._desk.index.delete(str(target))
        return deleted + sum(self._desk.index.delete(key) for key in ids)

    def _ids_of(self, target: Path, key: str) -> list[str]:
        """Ids of the documents that a file became: itself, or the rows of a table."""
        found = [name for name in self._desk.index.document_ids() if name == key or name.startswith(f"{key}/")]
        documents = ((name, self._desk.index.document(name)) for name in found)
        return [name for name, document in documents if document is not None and _from(document.source, target)]


def _from(source: str, target: Path) -> bool:
    return source == str(target) or source.startswith(f"{target}#")


def clean_name(stem: str) -> str:
    """A file's name as the desk keeps it: letters, digits and hyphens, nothing that leads out of a folder.

    Raises:
        RefusedError: nothing is left of it.
    """
    cleaned = _NAME.sub("-", stem)[:_LONGEST_NAME].strip("-")
    if not cleaned:
        raise RefusedError("give the file a name of letters or digits", 422, "bad_input")
    return cleaned


def short_path(source: str) -> str:
    """The last two parts of a path; the rest says where the desk is installed and no more."""
    return "/".join(source.replace("\\", "/").split("/")[-2:])
