"""The index: documents in, passages out, one store with three views (manifest, vectors, keywords).

    index = Index.open("var/index")
    index.sync(read_documents("docs_corpus"), prune=True)
    index.search("customer says she never made these transfers", k=5)

Any number of processes may read; one may write.
"""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from retrieval.chunking import Chunking
from retrieval.documents import Document, ReadFailure
from retrieval.embedding import Embedding
from retrieval.errors import IndexMismatch, InputError, RetrievalError
from retrieval.filters import matches, restrict
from retrieval.locking import WriterLock
from retrieval.manifest import StoredDocument
from retrieval.progress import ProgressCallback
from retrieval.records import Hit, IndexStatus, SyncReport
from retrieval.search import Searcher
from retrieval.store import (
    Store,
    bytes_on_disk,
    current_generation,
    next_generation,
    remove_other_generations,
    switch_generation,
)
from retrieval.sync import TERMS, Sync, delete_documents, same_terms


class Index:
    """An open index; make one with `Index.open`. Safe to share between threads."""

    def __init__(
        self, path: Path, store: Store, embedding: Embedding, *, chroma_url: str | None, read_only: bool, masking: bool
    ) -> None:
        self.path = path
        self.read_only = read_only
        self._asked = embedding
        self._chroma_url = chroma_url
        self._masking = masking
        self._chunking = Chunking()
        self._lock = WriterLock(path)
        self._guard = threading.RLock()
        self._store = store
        self._searcher = self._make_searcher(store)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        embedding_model: str | None = None,
        chroma_url: str | None = None,
        read_only: bool = False,
        masking: bool = True,
    ) -> "Index":
        """Open an index folder, made where absent; neither a model nor Chroma is loaded yet.

        Args:
            path: The index folder.
            embedding_model: Folder of a sentence-transformers model; None for the packaged MiniLM, or for whatever an
                existing index was built with. Another model than the index's is refused at the next write, not here,
                so that the old index goes on serving until `rebuild` has replaced it.
            chroma_url: Address of a Chroma server; None for an embedded one inside the folder.
            read_only: Never write; the folder must exist.
            masking: Hide card numbers, IBANs, email addresses and phone numbers in what is written.

        Raises:
            InputError: If the folder cannot be used.
            IndexMismatch: If it is in a format that this version does not read.
        """
        folder = Path(path).expanduser()
        generation = current_generation(folder)
        if generation is None:
            if read_only:
                raise InputError(f"{folder}: no index there yet; run `frauddesk index sync` first")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise InputError(f"{folder}: {problem.strerror}; name a folder for the index") from None
            generation = "g1"
        store = Store(folder, generation, chroma_url, read_only=read_only)
        if current_generation(folder) is None:
            switch_generation(folder, generation)
        recorded = store.manifest.setting("embedding_model_path")
        embedding = Embedding(embedding_model or recorded)
        return cls(folder, store, embedding, chroma_url=chroma_url, read_only=read_only, masking=masking)

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases. Writing or searching afterwards is an error."""
        with self._guard:
            self._store.vectors.close()
            self._store.close()

    @property
    def version(self) -> str:
        """Changes with every write that changed something; what was answered under one version holds for it."""
        with self._guard:
            self._follow()
            return self._store.version

    def sync(
        self,
        documents: Iterable[Document | ReadFailure],
        *,
        prune: bool | Sequence[Path] = False,
        progress: ProgressCallback | None = None,
    ) -> SyncReport:
        """Bring the index to what these documents say; unchanged ones cost a hash.

        Interrupted at any moment, it is completed by the next sync.

        Args:
            documents: Any iterable; failures among them (from `read_documents`) are reported and their older version
                kept.
            prune: Also delete every indexed document that is not among them; with folders, only those that were read
                from below one of these, so that what came from elsewhere stays.
            progress: Called with rate and time left.

        Raises:
            IndexLocked: If another process is writing.
            IndexMismatch: If the index was built with another model or chunking.
            InputError: If the index is open for reading only, or `prune` would empty it because nothing was read.
        """
        with self._writing("sync") as store:
            self._check_recorded(store)
            sync = Sync(store, self._asked, self._chunking, masking=self._masking, progress=progress)
            return sync.run(documents, prune=prune)

    def delete(self, source_or_id: str) -> int:
        """Delete documents by id or by source (a table's path deletes all its rows).

        Returns:
            How many were deleted; 0 if none has this name.
        """
        with self._writing("delete") as store:
            names = {source_or_id, str(Path(source_or_id).expanduser().resolve())}
            found = sorted({key for name in names for key in store.manifest.ids_of_source(name)})
            delete_documents(store, found)
            return len(found)

    def rebuild(self, *, progress: ProgressCallback | None = None) -> SyncReport:
        """Build everything anew from the stored texts, with the present model and chunking, and switch to it at once.

        The old index serves until then, and stays if this fails.
        """
        with self._writing("rebuild") as store:
            remove_other_generations(self.path, store.generation, self._chroma_url)
            fresh = Store(self.path, next_generation(self.path), self._chroma_url)
            try:
                self._record(fresh)
                sync = Sync(fresh, self._asked, self._chunking, masking=self._masking, progress=progress)
                report = sync.copy(store)
                switch_generation(self.path, fresh.generation)
            except BaseException:
                fresh.vectors.drop()
                fresh.vectors.close()
                fresh.close()
                remove_other_generations(self.path, store.generation, self._chroma_url)
                raise
            self._use(fresh)
            remove_other_generations(self.path, fresh.generation, self._chroma_url)
            return report

    def search(
        self,
        query: str,
        k: int = 10,
        as_of: datetime | str | None = None,
        where: Mapping[str, Any] | None = None,
        *,
        per_document: int = 1,
        collections: Collection[str] | None = None,
    ) -> list[Hit]:
        """Find the passages that best fit a question, best first.

        Args:
            query: A question or keywords. Identifiers in it (CN-2026-0017, T00012345, C123, v7, run ids) come first.
            k: How many.
            as_of: See only what was known before this time (UTC): cases closed, guides published before it.
            where: Filter over metadata, such as `{"collection": "case_notes", "amount": {"$gte": 1000}}`; operators
                are listed in `retrieval.filters.matches`.
            per_document: At most so many passages of one document, unless there are not enough documents.
            collections: Those that the asker may see; None for all. The rest is hidden like anything else.

        Returns:
            At most `k` hits. Documents hidden by `as_of` or `where` influence neither hits nor scores.

        Raises:
            InputError: If the query is empty, or a filter or time is malformed.
        """
        with self._guard:
            self._follow()
            return self._searcher.search(query, k, as_of, restrict(where, collections), per_document=per_document)

    def document(self, document_id: str, *, collections: Collection[str] | None = None) -> StoredDocument | None:
        """A document as stored (masked), or None; one outside `collections` is as if it were not there."""
        with self._guard:
            self._follow()
            found = self._store.manifest.document(document_id)
        allowed = restrict(None, collections)
        return found if found is None or allowed is None or matches(found.metadata, allowed) else None

    def document_text(self, document_id: str, *, collections: Collection[str] | None = None) -> str:
        """The stored text that hits and citations are offsets into.

        Raises:
            InputError: If no such document is indexed, or the asker may not see it.
        """
        document = self.document(document_id, collections=collections)
        if document is None:
            raise InputError(f"{document_id}: no such document in the index")
        return document.text

    def document_ids(self, *, collections: Collection[str] | None = None) -> list[str]:
        """Ids of all documents, or of those in some collections, sorted."""
        allowed = restrict(None, collections)
        with self._guard:
            self._follow()
            outlines = self._store.manifest.outlines()
        return [entry[0] for entry in outlines if allowed is None or matches(entry[2], allowed)]

    def status(self) -> IndexStatus:
        """Counts, sizes, model, last sync and failures; loads no model."""
        with self._guard:
            self._follow()
            manifest = self._store.manifest
            documents, passages = manifest.counts()
            view = self._searcher.view()
            vectors = self._store.vectors.count()
            keyword = int(view.alive.sum())
            collections = Counter(str(fields.get("collection") or "other") for fields in view.metadata)
            return IndexStatus(
                path=str(self.path),
                documents=documents,
                passages=passages,
                vectors=vectors,
                keyword_passages=keyword,
                consistent=passages == vectors == keyword and not manifest.journaled(),
                collections=dict(sorted(collections.items())),
                embedding_model=manifest.setting("embedding_model") or self._asked.fingerprint,
                chunking=manifest.setting("chunking") or str(self._chunking),
                version=self._store.version,
                last_sync=manifest.setting("last_sync") or "",
                bytes=bytes_on_disk(self.path),
                failures=tuple(manifest.failures()),
            )

    def term_weights(
        self, terms: Iterable[str], as_of: datetime | str | None = None, where: Mapping[str, Any] | None = None
    ) -> dict[str, float]:
        """Inverse document frequency of index terms over what a search may see; highest for unknown terms."""
        with self._guard:
            self._follow()
            return self._searcher.term_weights(list(terms), as_of, where)

    def encode(self, texts: list[str], *, exact: bool = False) -> Any:
        """Unit vectors of texts by the index's own model, float32, shape (len(texts), dimension).

        `exact` asks for float32 arithmetic, as for a question; many sentences are encoded in the faster format.
        """
        return self._searcher.embedding.encode(texts, exact=exact)

    def hold_writer(self) -> None:
        """Keep the right to write until `release_writer`, as a serving desk does.

        Raises:
            IndexLocked: If another process has it.
        """
        self._lock.acquire("serving")

    def release_writer(self) -> None:
        """Give up what `hold_writer` took."""
        self._lock.release()

    @contextmanager
    def _writing(self, task: str) -> Iterator[Store]:
        """Hold the lock and a connection of one's own, so that searches meanwhile see only what is committed."""
        if self.read_only:
            raise InputError(f"{self.path}: open for reading only; open it for writing to {task}")
        with self._lock.held(task):
            with self._guard:
                self._follow()
                store = Store(self.path, self._store.generation, self._chroma_url)
            try:
                store.vectors.refresh(store.version)
                yield store
            finally:
                store.close()

    def _follow(self) -> None:
        """Use the generation that serves now, if another process has rebuilt the index."""
        generation = current_generation(self.path)
        if generation is None:
            raise RetrievalError(f"{self.path}: the index folder is gone; run `frauddesk index sync`")
        if generation != self._store.generation:
            self._use(Store(self.path, generation, self._chroma_url, read_only=self.read_only))

    def _use(self, store: Store) -> None:
        with self._guard:
            old, self._store = self._store, store
            self._searcher = self._make_searcher(store)
            old.vectors.close()
            old.close()

    def _make_searcher(self, store: Store) -> Searcher:
        recorded = store.manifest.setting("embedding_model_path")
        same = recorded is None or store.manifest.setting("embedding_model") == self._asked.fingerprint
        return Searcher(store, self._asked if same else Embedding(recorded), self._chunking)

    def _check_recorded(self, store: Store) -> None:
        """Refuse to mix models or chunkings; record them at the first write."""
        recorded = store.manifest.setting("embedding_model")
        if recorded is None:
            self._record(store)
            return
        if store.manifest.setting("terms") != TERMS:
            # Indexes written before this was recorded: a passage shows which terms they hold.
            if store.manifest.setting("terms") is not None or not same_terms(store):
                raise IndexMismatch(
                    f"{self.path}: built with other keyword terms than the present ones; "
                    "run `frauddesk index rebuild` (the old index serves until it is done)"
                )
            with store.manifest.transaction():
                store.manifest.set("terms", TERMS)
        cut = store.manifest.setting("chunking")
        for what, held, asked in (
            ("embedding model", recorded, self._asked.fingerprint),
            ("chunking", cut, str(self._chunking)),
        ):
            if held != asked:
                raise IndexMismatch(
                    f"{self.path}: built with {what} {held}, now set to {asked}; "
                    "run `frauddesk index rebuild` (the old index serves until it is done)"
                )

    def _record(self, store: Store) -> None:
        with store.manifest.transaction():
            store.manifest.set("embedding_model", self._asked.fingerprint)
            store.manifest.set("embedding_model_path", self._asked.name)
            store.manifest.set("chunking", str(self._chunking))
            store.manifest.set("terms", TERMS)
