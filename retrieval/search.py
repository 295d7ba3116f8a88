"""Search: exact identifiers first, then the sum of scaled keyword and dense scores, within what the asker may see.

Candidates come from both sides; every candidate is then scored by both, so that neither side is dropped.  The dense
score of a passage is its own cosine plus the best cosine of its one- and two-sentence windows, which finds the
sentence that answers inside a passage about something wider.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrieval.embedding import Embedding
from retrieval.errors import InputError
from retrieval.identifiers import find_identifiers, identifier_term
from retrieval.keyword import idf
from retrieval.manifest import StoredDocument, StoredPassage
from retrieval.masking import mask
from retrieval.records import Hit
from retrieval.store import Store
from retrieval.text import terms
from retrieval.view import View

CANDIDATES = 200
"""Passages taken from each side before fusing."""

LONGEST_QUERY = 4000
"""Characters of a question that are read; what a person asks is far shorter."""

NEAR_DUPLICATE = 0.97
"""Cosine from which two passages of different documents say the same in the same words."""


@dataclass(frozen=True)
class Scored:
    """One candidate passage with its scores."""

    passage: StoredPassage
    position: int
    owner: int
    score: float
    similarity: float


class Searcher:
    """Searches one store; keeps its view until the store's version changes."""

    def __init__(self, store: Store, embedding: Embedding) -> None:
        self._store = store
        self.embedding = embedding
        self._view: View | None = None
        self._lock = threading.RLock()

    def view(self) -> View:
        """The view of the present version."""
        with self._lock:
            version = self._store.version
            if self._view is None or self._view.version != version:
                self._view = View(self._store)
                self._store.vectors.refresh(version)
            return self._view

    def search(
        self, query: str, k: int, as_of: Any, where: Mapping[str, Any] | None, *, per_document: int = 1
    ) -> list[Hit]:
        """The best `k` passages; see `Index.search`."""
        if not isinstance(query, str) or not query.strip():
            raise InputError("the question is empty; ask in a few words")
        if k < 1:
            raise InputError(f"k must be 1 or more, not {k}")
        query = mask(query[:LONGEST_QUERY]).text
        with self._lock:
            view = self.view()
            documents = view.visible_documents(as_of, where)
            visible = view.visible_passages(documents)
            if not visible.any():
                return []
            scored = self._scored(query, view, documents, visible, as_of, max(CANDIDATES, 4 * k))
            chosen = _choose(scored, k, per_document)
            texts = {
                owner: self._store.manifest.document(view.document_ids[owner]) for owner in {s.owner for s in chosen}
            }
        return [_hit(entry, document) for entry in chosen if (document := texts[entry.owner]) is not None]

    def term_weights(self, names: list[str], as_of: Any, where: Mapping[str, Any] | None) -> dict[str, float]:
        """Inverse document frequency of each term over the visible passages."""
        with self._lock:
            view = self.view()
            visible = view.visible_passages(view.visible_documents(as_of, where))
            count = int(visible.sum())
            return {name: idf(view.keyword.frequency(name, visible), count) for name in names}

    def _scored(
        self, query: str, view: View, documents: np.ndarray, visible: np.ndarray, as_of: Any, count: int
    ) -> list[Scored]:
        """Candidates of both sides with their fused score, best first."""
        named = find_identifiers(query)
        exact, bonus = _identifier_bonus(view, named, visible)
        keyword = view.keyword.scores(dict(Counter(terms(query))), visible)
        vector = self.embedding.encode([query], exact=True)[0]
        near = self._store.vectors.nearest(vector, count, view.vector_filter(documents, as_of))
        positions = view.positions(near)
        chosen = set(positions[visible[positions]].tolist()) | set(_top(keyword, count)) | set(exact)
        order = np.array(sorted(chosen), dtype=np.int64)
        stored = self._store.manifest.passages(view.keyword.numbers[order].tolist())
        rows = [int(p) for p in order if int(view.keyword.numbers[p]) in stored]
        held = [stored[int(view.keyword.numbers[p])] for p in rows]
        whole, best = dense_scores(vector, held)
        fused = fuse(keyword[rows], whole + best, float(keyword.max()))
        scored = [
            Scored(entry, p, int(view.owners[p]), float(fused[i]) + bonus.get(p, 0.0), float(max(whole[i], best[i])))
            for i, (p, entry) in enumerate(zip(rows, held, strict=True))
        ]
        return sorted(scored, key=lambda entry: (-entry.score, entry.passage.number))


def dense_scores(vector: np.ndarray, held: list[StoredPassage]) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of each passage, and the best cosine among its windows (its own where it has none)."""
    if not held:
        return np.empty(0), np.empty(0)
    stacked = np.concatenate([entry.vectors for entry in held]).astype(np.float32) @ vector
    stacked *= np.concatenate([entry.scales for entry in held])
    bounds = np.cumsum([0] + [len(entry.scales) for entry in held])
    whole = stacked[bounds[:-1]]
    stacked[bounds[:-1]] = [value if size == 1 else -1.0 for value, size in zip(whole, np.diff(bounds), strict=True)]
    return whole, np.maximum.reduceat(stacked, bounds[:-1])


def fuse(keyword: np.ndarray, dense: np.ndarray, best_keyword: float) -> np.ndarray:
    """Sum of the two scores, each scaled to [0, 1] over the candidates of this question."""
    left = keyword / best_keyword if best_keyword > 0 else np.zeros(len(keyword))
    low, high = (float(dense.min()), float(dense.max())) if len(dense) else (0.0, 0.0)
    return np.asarray((left + (dense - low) / max(high - low, 1e-9)) / 2)


def _top(scores: np.ndarray, count: int) -> list[int]:
    """Positions of the highest positive scores."""
    count = min(count, len(scores))
    best = np.argpartition(-scores, count - 1)[:count] if count else np.empty(0, dtype=np.int64)
    return [int(position) for position in best if scores[position] > 0]


def _identifier_bonus(view: View, named: list[str], visible: np.ndarray) -> tuple[list[int], dict[int, float]]:
    """Passages that name the question's identifiers, and what that adds to their score.

    1 to 2 for the share of the identifiers that a passage's document names, 1 more for a document that is one.
    """
    bonus: dict[int, float] = {}
    for name in named:
        rows, _ = view.keyword.postings(identifier_term(name))
        for position in rows[visible[rows]].tolist():
            bonus[position] = bonus.get(position, 0.0) + 1 / len(named)
    total = {position: 1 + share for position, share in bonus.items()}
    own = {owner for name in named for owner in view.named(name)}
    if own:
        for position in np.flatnonzero(np.isin(view.owners, sorted(own)) & visible).tolist():
            total[position] = total.get(position, 1) + 1
    best = sorted(total, key=lambda position: -total[position])[: 2 * CANDIDATES]
    return best, {position: total[position] for position in best}


def _choose(scored: Iterable[Scored], k: int, per_document: int) -> list[Scored]:
    """The best passages of distinct documents, near duplicates left out; filled up from the same documents."""
    taken: list[Scored] = []
    spare: list[Scored] = []
    counts: Counter[int] = Counter()
    for entry in scored:
        if len(taken) == k:
            break
        if counts[entry.owner] >= per_document or _repeats(entry, taken):
            spare.append(entry)
            continue
        counts[entry.owner] += 1
        taken.append(entry)
    taken += spare[: k - len(taken)]
    return sorted(taken, key=lambda entry: (-entry.score, entry.passage.number))


def _repeats(entry: Scored, taken: list[Scored]) -> bool:
    own = entry.passage.vectors[0].astype(np.float32) * entry.passage.scales[0]
    for other in taken:
        if abs(other.similarity - entry.similarity) < 0.02 and other.owner != entry.owner:
            theirs = other.passage.vectors[0].astype(np.float32) * other.passage.scales[0]
            if float(own @ theirs) >= NEAR_DUPLICATE:
                return True
    return False


def _hit(entry: Scored, document: StoredDocument) -> Hit:
    passage = entry.passage
    return Hit(
        document_id=document.id,
        passage_id=passage.id,
        source=document.source,
        title=document.title,
        text=document.text[passage.start : passage.end],
        start=passage.start,
        end=passage.end,
        score=round(entry.score, 6),
        metadata=document.metadata,
        heading=passage.heading,
        similarity=round(entry.similarity, 6),
    )
