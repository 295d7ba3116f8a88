"""The keyword view: BM25 over passages, from posting lists that are kept on disk and extended, never rebuilt per query.

Postings lie in a snapshot file plus what the manifest has added since.  Deleted passages stay in the lists until the
next snapshot but count nowhere: document frequency, number of passages and average length are taken over the passages
that a search may see, so a hidden document changes no score.

BM25: Robertson and Zaragoza (2009), "The Probabilistic Relevance Framework", with the idf that cannot go negative.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from retrieval.manifest import Manifest

K1 = 0.9
B = 0.4
"""The constants that Lucene's research toolkit Anserini uses for every collection; passages of like length need little
correction for length."""

SNAPSHOT_SHARE = 0.25
SNAPSHOT_LEAST = 1000
"""A new snapshot is written once this share, and this many, of the passages are outside the old one."""


@lru_cache(maxsize=200_000)
def term_hash(term: str) -> int:
    """64-bit number of a term; two terms of one index share one with a chance below one in a million."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")


def count_terms(terms: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct terms as sorted uint64 hashes, and how often each occurs as uint16."""
    counted = Counter(term_hash(term) for term in terms)
    hashes = np.array(sorted(counted), dtype=np.uint64)
    counts = np.array([min(counted[int(key)], 65535) for key in hashes], dtype=np.uint16)
    return hashes, counts


@dataclass(frozen=True)
class Segment:
    """Posting lists of a run of passages.

    Attributes:
        numbers: Passage numbers, rising, int64.
        lengths: Terms of each passage, float32.
        hashes: Distinct term hashes, rising, uint64.
        bounds: Postings of `hashes[i]` lie in `[bounds[i], bounds[i + 1])`.
        rows: Positions in `numbers`, int32.
        counts: Occurrences, uint16.
    """

    numbers: np.ndarray
    lengths: np.ndarray
    hashes: np.ndarray
    bounds: np.ndarray
    rows: np.ndarray
    counts: np.ndarray

    def postings(self, key: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and counts of one term."""
        place = int(np.searchsorted(self.hashes, np.uint64(key)))
        if place == len(self.hashes) or int(self.hashes[place]) != key:
            return self.rows[:0], self.counts[:0]
        inside = slice(int(self.bounds[place]), int(self.bounds[place + 1]))
        return self.rows[inside], self.counts[inside]


def build_segment(rows: Sequence[tuple[int, int, bytes, bytes]]) -> Segment:
    """Turn passages (number, length, terms, counts) into posting lists."""
    numbers = np.array([row[0] for row in rows], dtype=np.int64)
    lengths = np.array([row[1] for row in rows], dtype=np.float32)
    hashes = np.frombuffer(b"".join(row[2] for row in rows), dtype=np.uint64)
    counts = np.frombuffer(b"".join(row[3] for row in rows), dtype=np.uint16)
    sizes = [len(row[2]) // 8 for row in rows]
    owners = np.repeat(np.arange(len(rows), dtype=np.int32), sizes)
    order = np.argsort(hashes, kind="stable")
    distinct, first = np.unique(hashes[order], return_index=True)
    bounds = np.append(first, len(hashes)).astype(np.int64)
    return Segment(numbers, lengths, distinct, bounds, owners[order], counts[order])


class KeywordView:
    """Posting lists of the whole index, as of one version of the manifest."""

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = [segment for segment in segments if len(segment.numbers)]
        self._starts = np.cumsum([0] + [len(segment.numbers) for segment in self._segments])
        empty = np.empty(0)
        self.numbers: np.ndarray = np.concatenate([empty, *(s.numbers for s in self._segments)]).astype(np.int64)
        self._lengths = np.concatenate([empty, *(s.lengths for s in self._segments)]).astype(np.float32)

    @classmethod
    def load(cls, manifest: Manifest, snapshot: Path) -> "KeywordView":
        """Read the snapshot, if any, and add what the manifest holds beyond it."""
        base = _read_snapshot(snapshot)
        above = int(base.numbers[-1]) if base is not None and len(base.numbers) else 0
        added = manifest.term_rows(above)
        return cls(([base] if base is not None else []) + ([build_segment(added)] if added else []))

    def postings(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions (in `numbers`) and counts of a term."""
        key = term_hash(term)
        found = [segment.postings(key) for segment in self._segments]
        rows = [part[0] + start for part, start in zip(found, self._starts, strict=False)]
        if not rows:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint16)
        return np.concatenate(rows), np.concatenate([part[1] for part in found])

    def scores(self, weights: dict[str, float], visible: np.ndarray) -> np.ndarray:
        """BM25 of every passage.

        Args:
            weights: Query terms with their weights, one for a term said once.
            visible: Boolean, shape (passages,): those that the search may see.

        Returns:
            float32, shape (passages,); 0 where hidden or without any query term.
        """
        total = np.zeros(len(self.numbers), dtype=np.float32)
        passages = int(visible.sum())
        if not passages:
            return total
        norm = K1 * (1 - B + B * self._lengths / max(float(self._lengths[visible].mean()), 1.0))
        for term, weight in weights.items():
            rows, counts = self.postings(term)
            seen = visible[rows]
            rows, counts = rows[seen], counts[seen].astype(np.float32)
            if len(rows):
                total[rows] += weight * idf(len(rows), passages) * counts * (K1 + 1) / (counts + norm[rows])
        return total

    def frequency(self, term: str, visible: np.ndarray) -> int:
        """Visible passages that hold a term."""
        return int(visible[self.postings(term)[0]].sum())


def idf(frequency: int, passages: int) -> float:
    """Inverse document frequency, never negative."""
    return float(np.log1p((passages - frequency + 0.5) / (frequency + 0.5)))


def write_snapshot(manifest: Manifest, path: Path) -> None:
    """Write the posting lists anew if enough has changed since the last snapshot; atomic."""
    base = _read_snapshot(path)
    live = {number for number, _ in manifest.numbers()}
    known = len(base.numbers) if base is not None else 0
    kept = sum(1 for number in base.numbers if int(number) in live) if base is not None else 0
    outside = len(live) - kept + known - kept
    if outside < max(SNAPSHOT_LEAST, SNAPSHOT_SHARE * len(live)):
        return
    segment = build_segment(manifest.term_rows(0))
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **{name: getattr(segment, name) for name in Segment.__dataclass_fields__})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_snapshot(path: Path) -> Segment | None:
    try:
        with np.load(path) as data:
            return Segment(**{name: data[name] for name in Segment.__dataclass_fields__})
    except (OSError, ValueError, KeyError, EOFError):
        return None
