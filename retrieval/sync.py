"""Bringing the index to what the documents say: hash, mask, cut, embed, write, in batches that each stand alone.

The order makes a kill at any moment harmless.  A batch's new passage numbers are journaled, its vectors go to Chroma,
then one transaction puts the new version of its documents in place of the old; old vectors leave last.  Whatever the
journal still names and the manifest does not know is removed from Chroma at the next write.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from retrieval.chunking import Chunking, Passage, front_matter, passages, windows
from retrieval.documents import Document, ReadFailure
from retrieval.embedding import Embedding
from retrieval.errors import InputError
from retrieval.filters import visible_from
from retrieval.keyword import write_snapshot
from retrieval.manifest import StoredDocument, StoredPassage
from retrieval.masking import mask, mask_values
from retrieval.progress import Progress, ProgressCallback
from retrieval.records import SyncReport
from retrieval.recovery import recover
from retrieval.rows import passage_context, stored_passage, vector_record
from retrieval.store import Store
from retrieval.text import Span

logger = logging.getLogger(__name__)

BATCH_PASSAGES = 512
"""Passages embedded and committed together; an interrupted sync loses at most this much work."""


@dataclass
class _Waiting:
    """Documents read and cut, not yet embedded."""

    documents: list[tuple[StoredDocument, str]] = field(default_factory=list)
    cuts: list[list[Passage]] = field(default_factory=list)
    passages: int = 0


class Sync:
    """One sync of one generation; used once, by the holder of the writer lock."""

    def __init__(
        self,
        store: Store,
        embedding: Embedding,
        chunking: Chunking,
        *,
        masking: bool,
        progress: ProgressCallback | None,
    ) -> None:
        self._store = store
        self._embedding = embedding
        self._chunking = chunking
        self._masking = masking
        self._progress = progress
        self._started = time.monotonic()
        self._failures: list[ReadFailure] = []
        self._masked: Counter[str] = Counter()
        self._waiting = _Waiting()
        self._done = 0
        self._total: int | None = None

    def run(self, documents: Iterable[Document | ReadFailure], *, prune: bool | Sequence[Path]) -> SyncReport:
        """Sync, and delete what was not among `documents`: all of it, or what came from below some folders.

        Raises:
            InputError: If `prune` would empty an index because nothing at all was read.
        """
        self._total = len(documents) if isinstance(documents, Sized) else None
        recover(self._store)
        known = self._store.manifest.hashes()
        seen: set[str] = set()
        changed = Counter[str]()
        for entry in documents:
            self._done += 1
            if isinstance(entry, ReadFailure):
                self._fail(entry)
                seen.add(entry.document_id)
                continue
            reason = _refusal(entry, seen)
            seen.add(str(entry.id))
            if reason:
                self._fail(ReadFailure(entry.source, reason, str(entry.id)))
                continue
            content_hash = entry.content_hash()
            if known.get(entry.id) == content_hash:
                changed["unchanged"] += 1
            elif self._take(entry, content_hash):
                changed["updated" if entry.id in known else "added"] += 1
            if self._done % 500 == 0:
                self._report("reading documents")
        self._flush()
        gone = [document_id for document_id in self._prunable(known, prune) if document_id not in seen]
        if gone and not seen:
            raise InputError(
                f"nothing was read, and {len(gone)} documents are indexed; to empty the index, delete them by name"
            )
        self._delete(gone)
        self._finish()
        return SyncReport(
            added=changed["added"],
            updated=changed["updated"],
            deleted=len(gone),
            unchanged=changed["unchanged"],
            failed=tuple(self._failures),
            total=self._store.manifest.counts()[0],
            index_version=self._store.version,
            masked=dict(self._masked),
            seconds=time.monotonic() - self._started,
        )

    def copy(self, source: Store) -> SyncReport:
        """Index every document of another store anew, under the hashes that it has there."""
        self._total = source.manifest.counts()[0]
        for document, content_hash in source.manifest.documents():
            self._done += 1
            self._take(document, content_hash)
        self._flush()
        self._finish()
        return SyncReport(
            added=self._done,
            total=self._store.manifest.counts()[0],
            index_version=self._store.version,
            seconds=time.monotonic() - self._started,
        )

    def _prunable(self, known: Iterable[str], prune: bool | Sequence[Path]) -> list[str]:
        """Documents that this sync may delete: none, all, or those whose source lies below one of the folders."""
        if isinstance(prune, bool):
            return list(known) if prune else []
        folders = {str(folder.resolve()) for folder in prune}
        sources = self._store.manifest.sources()
        return [
            document_id
            for document_id, source in sources.items()
            if any(str(above) in folders for above in Path(source).parents)
        ]

    def _fail(self, failure: ReadFailure) -> None:
        logger.warning("%s: %s", failure.source, failure.reason)
        self._failures.append(failure)

    def _take(self, document: Document, content_hash: str) -> bool:
        """Mask and cut a document, and write the batch once it is full."""
        try:
            stored = self._stored(document)
        except InputError as problem:
            self._fail(ReadFailure(document.source, str(problem), document.id))
            return False
        cuts = passages(stored.text, self._chunking)
        self._waiting.documents.append((stored, content_hash))
        self._waiting.cuts.append(cuts)
        self._waiting.passages += len(cuts)
        if self._waiting.passages >= BATCH_PASSAGES:
            self._flush()
        return True

    def _stored(self, document: Document) -> StoredDocument:
        seen_from = visible_from(document.metadata)
        metadata = {key: value for key, value in document.metadata.items() if key != "source"}
        text, title = document.text, document.title
        if self._masking:
            body, name = mask(text), mask(title)
            self._masked.update(body.counts)
            self._masked.update(name.counts)
            text, title, metadata = body.text, name.text, mask_values(metadata)
        if "source" in document.metadata:
            metadata["source"] = document.source
        return StoredDocument(document.id, title, document.source, text, metadata, seen_from)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, _Waiting()
        if not waiting.documents:
            return
        store, manifest = self._store, self._store.manifest
        numbered = _number(waiting, manifest.next_number())
        numbers = [number for entries in numbered for number, _ in entries]
        with manifest.transaction():
            manifest.journal(numbers)
        rows = self._embed(waiting)
        built: list[list[StoredPassage]] = []
        place = 0
        for (document, _), entries in zip(waiting.documents, numbered, strict=True):
            built.append(
                [
                    stored_passage(document, number, ordinal, passage, rows[place + ordinal])
                    for ordinal, (number, passage) in enumerate(entries)
                ]
            )
            place += len(entries)
        store.vectors.upsert(
            [
                vector_record(entry, document, rows[position][0])
                for position, (entry, document) in enumerate(
                    (entry, document)
                    for (document, _), entries in zip(waiting.documents, built, strict=True)
                    for entry in entries
                )
            ]
        )
        gone: list[int] = []
        with manifest.transaction():
            for (document, content_hash), ready in zip(waiting.documents, built, strict=True):
                gone += manifest.replace(document, content_hash, ready)
            manifest.clear_journal(numbers)
            manifest.journal(gone)
            store.count_change()
        store.vectors.mark(store.version)
        self._forget(gone)
        self._report("indexing")

    def _embed(self, waiting: _Waiting) -> list[np.ndarray]:
        """Vectors of every passage and its windows, float32, shape (1 + windows, dimension) each."""
        texts: list[str] = []
        inner: list[list[Span]] = []
        for (document, _), cuts in zip(waiting.documents, waiting.cuts, strict=True):
            for passage in cuts:
                context = passage_context(document.title, passage.heading)
                shift = len(context) - passage.start
                texts.append(context + document.text[passage.start : passage.end])
                inner.append(
                    [
                        Span(span.start + shift, span.end + shift)
                        for span in windows(document.text, passage, self._chunking)
                    ]
                )
        return self._embedding.encode_windows(texts, inner)

    def _delete(self, document_ids: list[str]) -> None:
        if not document_ids:
            return
        gone: list[int] = []
        with self._store.manifest.transaction():
            for document_id in document_ids:
                gone += self._store.manifest.remove(document_id)
            self._store.manifest.journal(gone)
            self._store.count_change()
        self._store.vectors.mark(self._store.version)
        self._forget(gone)

    def _forget(self, numbers: list[int]) -> None:
        """Take passages out of Chroma that the manifest no longer has."""
        if numbers:
            self._store.vectors.delete(numbers)
            with self._store.manifest.transaction():
                self._store.manifest.clear_journal(numbers)

    def _finish(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        with self._store.manifest.transaction():
            self._store.manifest.set("last_sync", now)
            self._store.manifest.set_failures(self._failures, now)
        write_snapshot(self._store.manifest, self._store.snapshot)
        self._report("done")

    def _report(self, stage: str) -> None:
        if self._progress is None:
            return
        seconds = max(time.monotonic() - self._started, 1e-9)
        message = f"{self._done / seconds:.0f} documents a second"
        if self._total and self._done < self._total:
            message += f", about {(self._total - self._done) * seconds / max(self._done, 1):.0f} s left"
        self._progress(Progress(stage, self._done, self._total, message))


def delete_documents(store: Store, document_ids: list[str]) -> None:
    """Remove documents from all views."""
    recover(store)
    sync = Sync(store, Embedding(), Chunking(), masking=True, progress=None)
    sync._delete(document_ids)


def _number(waiting: _Waiting, first: int) -> list[list[tuple[int, Passage]]]:
    numbered = []
    for cuts in waiting.cuts:
        numbered.append(list(enumerate(cuts, start=first)))
        first += len(cuts)
    return numbered


def _refusal(document: Document, seen: set[str]) -> str:
    """Why a document cannot be indexed, or an empty text."""
    if not isinstance(document.id, str) or not document.id.strip():
        return "a document needs an id"
    if document.id in seen:
        return f"the id {document.id!r} occurs twice; ids must be unique"
    if not isinstance(document.text, str) or not document.text[front_matter(document.text)[1] :].strip():
        return "holds no text"
    try:
        (document.text + document.title + document.id).encode("utf-8")
    except (UnicodeEncodeError, TypeError):
        return "holds characters that are no valid Unicode"
    return ""
