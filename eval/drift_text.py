"""Drift of texts by their embeddings: are today's questions, or documents, still like those that we know?

Half of the reference is the map. Each text of the other half, and each current text, is reduced to one number: its
cosine similarity to the nearest text of the map. The two samples of that number are compared by the population
stability index on bins fixed by the reference, as every other column is. New topics lower the similarities; that is
what the index sees. Two halves, since texts compared with all others of their own sample are near each other in pairs,
which alone raised alarms in a third of samples in which nothing had changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from eval.psi import INSUFFICIENT, STABLE, compare, verdict_of

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Embed = Callable[[Sequence[str]], Any]

MINIMUM_TEXTS = 50
_NAMED = 5
_AT_ONCE = 2_048


@dataclass(frozen=True)
class TextDrift:
    """Drift of one kind of texts.

    Attributes:
        kind: Such as `questions` or `documents`.
        reference: Texts in the reference.
        current: Texts compared.
        psi: Population stability index of the similarities; NaN where there are too few texts.
        verdict: stable, watch, act or insufficient.
        noise: What the index stays under, 95 times in 100, where nothing changed.
        similarity_reference: Median cosine similarity of the reference's second half to the map, in [-1, 1].
        similarity_current: Median cosine similarity of the current texts to the map.
        farthest: Current texts least like anything known, the farthest first.
    """

    kind: str
    reference: int
    current: int
    psi: float
    verdict: str
    noise: float
    similarity_reference: float
    similarity_current: float
    farthest: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """The figures by stable name."""
        return {
            f"text.{self.kind}.psi": self.psi,
            f"text.{self.kind}.rows_reference": float(self.reference),
            f"text.{self.kind}.rows_current": float(self.current),
            f"text.{self.kind}.similarity_reference": self.similarity_reference,
            f"text.{self.kind}.similarity_current": self.similarity_current,
        }


def text_drift(
    kind: str, reference: Sequence[str], current: Sequence[str], embed: Embed, minimum: int = MINIMUM_TEXTS
) -> TextDrift:
    """Compare texts with those that are known.

    Args:
        kind: Name of what the texts are.
        reference: Texts that are known; the same text twice counts once.
        current: Texts to compare.
        embed: Texts to vectors, shape (texts, dimension).
        minimum: Fewer texts, in either, give the verdict insufficient.
    """
    known, now = list(dict.fromkeys(reference)), list(dict.fromkeys(current))
    if min(len(known), len(now)) < minimum:
        nothing = float("nan")
        return TextDrift(kind, len(known), len(now), nothing, INSUFFICIENT, nothing, nothing, nothing)
    # By their digest: an order that has nothing to do with time or topic, and is the same at every check.
    known.sort(key=lambda text: sha256(text.encode()).digest())
    vectors = _unit(embed(known))
    halves = vectors[0::2], vectors[1::2]
    before, after = _nearest(halves[1], halves[0]), _nearest(_unit(embed(now)), halves[0])
    found = compare(pd.Series(before), pd.Series(after))
    verdict = verdict_of(found.psi) if found.psi > found.noise else STABLE
    farthest = tuple(now[place] for place in np.argsort(after, kind="stable")[:_NAMED])
    return TextDrift(
        kind,
        len(known),
        len(now),
        found.psi,
        verdict,
        found.noise,
        float(np.median(before)),
        float(np.median(after)),
        farthest,
    )


def _unit(vectors: Any) -> Vectors:
    matrix: Vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1), np.float32)


def _nearest(texts: Vectors, known: Vectors) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Cosine of each text to the nearest known one."""
    best = np.empty(len(texts))
    for start in range(0, len(texts), _AT_ONCE):
        best[start : start + _AT_ONCE] = (texts[start : start + _AT_ONCE] @ known.T).max(axis=1)
    return best
