"""The index: documents in, passages out, one store with three views (manifest, vectors, keywords).

    index = Index.open("var/index")
    index.sync(read_documents("docs_corpus"), prune=True)
    index.search("customer says she never made these transfers", k=5)

Any number of processes may read; one may write.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from retrieval.chunking import Chunking
from retrieval.documents import Document, ReadFailure
from retrieval.embedding import Embedding
from retrieval.errors import IndexMismatch, InputError
from retrieval.locking import WriterLock
from retrieval.progress import ProgressCallback
from retrieval.reader import IndexReader
from retrieval.records import SyncReport
from retrieval.rows import TERMS, same_terms
from retrieval.search import DENSE_WEIGHT
from retrieval.store import Store, current_generation, next_generation, remove_other_generations, switch_generation
from retrieval.sync import Sync, delete_documents


class Index(IndexReader):
    """An open index; make one with `Index.open`. Safe to share between threads."""

    def __init__(
        self,
        path: Path,
        store: Store,
        embedding: Embedding,
        *,
        chroma_url: str | None,
        read_only: bool,
        masking: bool,
        chunking: Chunking | None = None,
        dense_weight: float = DENSE_WEIGHT,
    ) -> None:
        super().__init__(
            path,
            store,
            embedding,
            chroma_url=chroma_url,
            read_only=read_only,
            chunking=chunking,
            dense_weight=dense_weight,
        )
        self._masking = masking
        self._lock = WriterLock(path)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        embedding_model: str | None = None,
        chroma_url: str | None = None,
        read_only: bool = False,
        masking: bool = True,
        chunking: Chunking | None = None,
        dense_weight: float = DENSE_WEIGHT,
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
            chunking: How documents are cut, for an index of its own; None for the way that every desk has.
            dense_weight: Weight of meaning beside words, see `retrieval.search.fuse`; 0 or more.

        Raises:
            InputError: If the folder cannot be used, or the weight is negative.
            IndexMismatch: If it is in a format that this version does not read.
        """
        if dense_weight < 0:
            raise InputError(f"dense_weight must be 0 or more, not {dense_weight:g}")
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
        return cls(
            folder,
            store,
            embedding,
            chroma_url=chroma_url,
            read_only=read_only,
            masking=masking,
            chunking=chunking,
            dense_weight=dense_weight,
        )

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
