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

from retrieval.chunking import Chunking, Passage, windows
from retrieval.embedding import Embedding
from retrieval.errors import InputError
from retrieval.identifiers import find_identifiers, identifier_term, without_identifiers
from retrieval.keyword import idf
from retrieval.manifest import StoredDocument, StoredPassage
from retrieval.masking import mask
from retrieval.records import Hit, Window
from retrieval.store import Store
from retrieval.text import pairs, terms
from retrieval.view import View

CANDIDATES = 200
"""Passages taken from each side before fusing."""

LONGEST_QUERY = 4000
"""Characters of a question that are read; what a person asks is far shorter."""

PAIR_WEIGHT = 0.2
"""Weight of two neighbouring words found together, beside 1 for each of them."""

DENSE_WEIGHT = 1.25
"""Weight of the two cosines (together at most 2) beside the keyword score (at most 1)."""

NEAR_DUPLICATE = 0.97
"""Cosine from which two passages of different documents say the same in the same words."""


@dataclass(frozen=True)
class Scored:
    """One candidate passage with its scores."""

    passage: StoredPassage
    position: int
    owner: int
    relevance: float
    named: float
    similarities: np.ndarray

    @property
    def score(self) -> float:
        """Relevance and what identifiers add."""
        return self.relevance + self.named

    @property
    def similarity(self) -> float:
        """The best of its cosines: of the whole passage and of its windows."""
        return float(self.similarities.max())


class Searcher:
    """Searches one store; keeps its view until the store's version changes."""

    def __init__(
        self, store: Store, embedding: Embedding, chunking: Chunking, dense_weight: float = DENSE_WEIGHT
    ) -> None:
        self._store = store
        self.embedding = embedding
        self._chunking = chunking
        self._dense_weight = dense_weight
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
        return [
            _hit(entry, document, self._chunking) for entry in chosen if (document := texts[entry.owner]) is not None
        ]

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
        wording = without_identifiers(query)
        keyword = view.keyword.scores(query_weights(wording), visible)
        vector = self.embedding.encode([wording], exact=True)[0]
        near = self._store.vectors.nearest(vector, count, view.vector_filter(documents, as_of))
        positions = view.positions(near)
        chosen = set(positions[visible[positions]].tolist()) | set(_top(keyword, count)) | set(exact)
        order = np.array(sorted(chosen), dtype=np.int64)
        stored = self._store.manifest.passages(view.keyword.numbers[order].tolist())
        rows = [int(p) for p in order if int(view.keyword.numbers[p]) in stored]
        held = [stored[int(view.keyword.numbers[p])] for p in rows]
        cosines = window_cosines(vector, held)
        fused = fuse(keyword[rows], dense_scores(cosines), float(keyword.max()), self._dense_weight)
        scored = [
            Scored(entry, p, int(view.owners[p]), float(fused[i]), bonus.get(p, 0.0), cosines[i])
            for i, (p, entry) in enumerate(zip(rows, held, strict=True))
        ]
        return sorted(scored, key=lambda entry: (-entry.score, entry.passage.number))


def window_cosines(vector: np.ndarray, held: list[StoredPassage]) -> list[np.ndarray]:
    """Cosines of a question with each passage and its windows, shape (1 + windows,) each, the passage first."""
    if not held:
        return []
    cosines = np.concatenate([entry.vectors for entry in held]).astype(np.float32) @ vector
    cosines *= np.concatenate([entry.scales for entry in held])
    return np.split(cosines, np.cumsum([len(entry.scales) for entry in held])[:-1])


def dense_scores(cosines: list[np.ndarray]) -> np.ndarray:
    """For each passage its cosine plus the best among its windows (its own again where it has none)."""
    return np.array([rows[0] + (rows[1:].max() if len(rows) > 1 else rows[0]) for rows in cosines])


def query_weights(wording: str) -> dict[str, float]:
    """Weight of each index term of a question: its words, and its neighbouring words as pairs."""
    found = terms(wording)
    return {name: float(count) for name, count in Counter(found).items()} | dict.fromkeys(pairs(found), PAIR_WEIGHT)


def fuse(keyword: np.ndarray, dense: np.ndarray, best_keyword: float, dense_weight: float = DENSE_WEIGHT) -> np.ndarray:
    """Weighted sum of the two scores, in [0, 1].

    The keyword score is scaled by the best of this question, since BM25 has no scale of its own; cosines have one, and
    keep it: scaling them over the candidates would make the least bad passage look perfect.
    """
    left = keyword / best_keyword if best_keyword > 0 else np.zeros(len(keyword))
    return np.asarray(np.clip((left + dense_weight * dense) / (1 + 2 * dense_weight), 0, 1))


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


def _hit(entry: Scored, document: StoredDocument, chunking: Chunking) -> Hit:
    passage = entry.passage
    cut = windows(document.text, Passage(passage.start, passage.end, passage.heading), chunking)
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
        relevance=round(entry.relevance, 6),
        named=round(entry.named, 6),
        windows=tuple(
            Window(span.start, span.end, float(cosine))
            for span, cosine in zip(cut, entry.similarities[1:], strict=False)
        ),
    )
