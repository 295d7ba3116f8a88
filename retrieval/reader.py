"""Reading an index: search, documents, counts; what an asker may not see is as if it were not there.

`retrieval.index.Index` adds writing to it.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.chunking import Chunking
from retrieval.embedding import Embedding
from retrieval.errors import InputError, RetrievalError
from retrieval.filters import matches, restrict
from retrieval.manifest import StoredDocument
from retrieval.records import Hit, IndexStatus
from retrieval.search import DENSE_WEIGHT, Searcher
from retrieval.store import Store, bytes_on_disk, current_generation
from retrieval.view import View

NO_COLLECTION = "other"
"""Under which name documents without a collection are counted."""


class IndexReader:
    """What can be asked of an open index. Safe to share between threads."""

    def __init__(
        self,
        path: Path,
        store: Store,
        embedding: Embedding,
        *,
        chroma_url: str | None,
        read_only: bool,
        chunking: Chunking | None = None,
        dense_weight: float = DENSE_WEIGHT,
    ) -> None:
        self.path = path
        self.read_only = read_only
        self._asked = embedding
        self._chroma_url = chroma_url
        self._chunking = chunking or Chunking()
        self.dense_weight = dense_weight
        self._guard = threading.RLock()
        self._store = store
        self._searcher = self._make_searcher(store)

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

    def search(
        self,
        query: str,
        k: int = 10,
        as_of: datetime | str | None = None,
        where: Mapping[str, Any] | None = None,
        *,
        per_document: int = 1,
        collections: Collection[str] | None = None,
        hidden_collections: Collection[str] = (),
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
            hidden_collections: Those that the asker may not see.

        Returns:
            At most `k` hits. Documents that the asker may not see influence neither hits nor scores.

        Raises:
            InputError: If the query is empty, or a filter or time is malformed.
        """
        seen = restrict(where, collections, hidden_collections)
        with self._guard:
            self._follow()
            return self._searcher.search(query, k, as_of, seen, per_document=per_document)

    def document(
        self, document_id: str, *, collections: Collection[str] | None = None, hidden_collections: Collection[str] = ()
    ) -> StoredDocument | None:
        """A document as stored (masked), or None; one that the asker may not see is as if it were not there."""
        allowed = restrict(None, collections, hidden_collections)
        with self._guard:
            self._follow()
            found = self._store.manifest.document(document_id)
        return found if found is None or allowed is None or matches(found.metadata, allowed) else None

    def document_text(
        self, document_id: str, *, collections: Collection[str] | None = None, hidden_collections: Collection[str] = ()
    ) -> str:
        """The stored text that hits and citations are offsets into.

        Raises:
            InputError: If no such document is indexed, or the asker may not see it.
        """
        document = self.document(document_id, collections=collections, hidden_collections=hidden_collections)
        if document is None:
            raise InputError(f"{document_id}: no such document in the index")
        return document.text

    def document_ids(
        self, *, collections: Collection[str] | None = None, hidden_collections: Collection[str] = ()
    ) -> list[str]:
        """Ids of all documents that the asker may see, sorted."""
        allowed = restrict(None, collections, hidden_collections)
        with self._guard:
            self._follow()
            outlines = self._store.manifest.outlines()
        return [entry[0] for entry in outlines if allowed is None or matches(entry[2], allowed)]

    def collections(self, *, hidden_collections: Collection[str] = ()) -> tuple[str, ...]:
        """Names of the collections that documents are in, sorted."""
        with self._guard:
            self._follow()
            names = {str(fields["collection"]) for fields in self._searcher.view().metadata if fields.get("collection")}
        return tuple(sorted(names - set(hidden_collections)))

    def status(self, *, hidden_collections: Collection[str] = ()) -> IndexStatus:
        """Counts, sizes, model, last sync and failures; loads no model.

        Where something is hidden, only what may be seen is counted, and the version changes only with that; the size
        on disk is then 0 and failures, whose collection nobody knows, are left out.
        """
        allowed = restrict(None, None, hidden_collections)
        with self._guard:
            self._follow()
            manifest = self._store.manifest
            passages = manifest.counts()[1]
            view = self._searcher.view()
            vectors = self._store.vectors.count()
            keyword = int(view.alive.sum())
            seen = view.visible_documents(None, allowed)
            hidden = keyword - int(view.visible_passages(seen).sum())
            fields = [view.metadata[position] for position in np.flatnonzero(seen)]
            return IndexStatus(
                path=str(self.path),
                documents=len(fields),
                passages=passages - hidden,
                vectors=vectors - hidden,
                keyword_passages=keyword - hidden,
                consistent=passages == vectors == keyword and not manifest.journaled(),
                collections=dict(sorted(Counter(str(f.get("collection") or NO_COLLECTION) for f in fields).items())),
                embedding_model=manifest.setting("embedding_model") or self._asked.fingerprint,
                chunking=manifest.setting("chunking") or str(self._chunking),
                version=self._version_of(view, seen) if allowed else self._store.version,
                last_sync=manifest.setting("last_sync") or "",
                bytes=0 if allowed else bytes_on_disk(self.path),
                failures=() if allowed else tuple(manifest.failures()),
            )

    def term_weights(
        self, terms: Iterable[str], as_of: datetime | str | None = None, where: Mapping[str, Any] | None = None
    ) -> dict[str, float]:
        """Inverse document frequency of index terms over what a search may see; highest for unknown terms."""
        with self._guard:
            self._follow()
            return self._searcher.term_weights(list(terms), as_of, where)

    def encode(self, texts: list[str], *, exact: bool = False) -> np.ndarray:
        """Unit vectors of texts by the index's own model, float32, shape (len(texts), dimension).

        `exact` asks for float32 arithmetic, as for a question; many sentences are encoded in the faster format.
        """
        return self._searcher.embedding.encode(texts, exact=exact)

    def _version_of(self, view: View, seen: np.ndarray) -> str:
        """A version of the documents seen alone: a digest of their names and contents, 16 hex digits."""
        hashes = self._store.manifest.hashes()
        digest = hashlib.sha256()
        for position in np.flatnonzero(seen):
            name = view.document_ids[position]
            digest.update(f"{name}\0{hashes.get(name, '')}\n".encode())
        return digest.hexdigest()[:16]

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
        return Searcher(store, self._asked if same else Embedding(recorded), self._chunking, self.dense_weight)
