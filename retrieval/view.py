"""What a search reads: the whole index as of one version, with who may see which passage."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from retrieval.documents import Metadata
from retrieval.filters import as_of_seconds, matches
from retrieval.identifiers import normalise
from retrieval.keyword import KeywordView
from retrieval.store import Store

LARGEST_LIST = 1000
"""Documents named one by one in a filter for Chroma; beyond, the view filters what Chroma finds."""


class View:
    """Posting lists, passage owners and document fields of one version, in memory.

    Attributes:
        version: The index version that this is a view of.
        keyword: Posting lists; its `numbers` give every position below its passage.
        alive: Boolean, shape (passages,): False for passages deleted since the keyword snapshot.
        owners: Position of each passage's document in `document_ids`; -1 for the deleted.
        document_ids: Ids, sorted.
        metadata: Fields of each document.
    """

    def __init__(self, store: Store) -> None:
        self.version = store.version
        self.keyword = KeywordView.load(store.manifest, store.snapshot)
        outlines = store.manifest.outlines()
        self.document_ids = [outline[0] for outline in outlines]
        self.metadata: list[Metadata] = [outline[2] for outline in outlines]
        self._visible_from = np.array([outline[1] for outline in outlines], dtype=np.float64)
        place = {document_id: position for position, document_id in enumerate(self.document_ids)}
        rows = store.manifest.numbers()
        live = np.array([row[0] for row in rows], dtype=np.int64)
        owners = np.array([place.get(row[1], -1) for row in rows], dtype=np.int64)
        found = np.searchsorted(live, self.keyword.numbers)
        found = np.minimum(found, max(len(live) - 1, 0))
        self.alive = live[found] == self.keyword.numbers if len(live) else np.zeros(len(self.keyword.numbers), bool)
        self.owners = np.where(self.alive, owners[found], -1) if len(live) else np.full(len(self.alive), -1)
        self.alive = self.owners >= 0
        self._by_name = self._names()
        self._masks: dict[str, np.ndarray] = {}

    def visible_documents(self, as_of: Any, where: Mapping[str, Any] | None) -> np.ndarray:
        """Boolean, shape (documents,): those that a search as of a time and within a filter may see."""
        seconds = as_of_seconds(as_of)
        key = json.dumps([seconds, where], sort_keys=True, default=str)
        if key not in self._masks:
            seen = np.ones(len(self.document_ids), dtype=bool)
            if seconds is not None:
                seen &= self._visible_from < seconds
            if where:
                seen &= np.fromiter((matches(fields, where) for fields in self.metadata), bool, len(self.metadata))
            if len(self._masks) > 64:
                self._masks.clear()
            self._masks[key] = seen
        return self._masks[key]

    def visible_passages(self, documents: np.ndarray) -> np.ndarray:
        """Boolean, shape (passages,): the passages of visible documents."""
        return self.alive if documents.all() else self.alive & documents[self.owners]

    def positions(self, numbers: list[int]) -> np.ndarray:
        """Positions of passage numbers, those that this version does not know left out."""
        if not len(self.keyword.numbers):
            return np.empty(0, dtype=np.int64)
        wanted = np.array(numbers, dtype=np.int64)
        found = np.minimum(np.searchsorted(self.keyword.numbers, wanted), len(self.keyword.numbers) - 1)
        found = found[self.keyword.numbers[found] == wanted]
        return found[self.alive[found]]

    def vector_filter(self, documents: np.ndarray, as_of: Any) -> dict[str, Any] | None:
        """The narrowest filter that Chroma can apply for the visible documents; None for everything.

        It may let hidden documents through (never keep visible ones out): the caller masks what comes back.
        """
        if documents.all():
            return None
        seconds = as_of_seconds(as_of)
        shown, hidden = int(documents.sum()), int((~documents).sum())
        if shown <= LARGEST_LIST:
            return {"document_id": {"$in": [self.document_ids[i] for i in np.flatnonzero(documents)]}}
        if hidden <= LARGEST_LIST:
            return {"document_id": {"$nin": [self.document_ids[i] for i in np.flatnonzero(~documents)]}}
        parts: list[dict[str, Any]] = []
        if seconds is not None:
            parts.append({"visible_from": {"$lt": seconds}})
        collections = {str(fields.get("collection") or "") for fields in self.metadata}
        shown_in = {str(self.metadata[i].get("collection") or "") for i in np.flatnonzero(documents)}
        if shown_in != collections:
            parts.append({"collection": {"$in": sorted(shown_in)}})
        return parts[0] if len(parts) == 1 else {"$and": parts} if parts else None

    def named(self, identifier: str) -> list[int]:
        """Documents that an identifier is the name of: their id, its last part, or their `case_id`."""
        return self._by_name.get(normalise(identifier), [])

    def _names(self) -> dict[str, list[int]]:
        names: dict[str, list[int]] = {}
        for position, (document_id, fields) in enumerate(zip(self.document_ids, self.metadata, strict=True)):
            own = {document_id, document_id.rsplit("/", 1)[-1]}
            own |= {str(fields[key]) for key in ("case_id", "policy_id", "run_id") if fields.get(key)}
            for name in own:
                names.setdefault(normalise(name), []).append(position)
        return names
