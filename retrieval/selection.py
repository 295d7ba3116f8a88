"""Which sentences the extractive answerer says: the best one, then what adds to it, never more than needed."""

from collections.abc import Sequence

from retrieval.evidence import EvidenceSentence, Question
from retrieval.text import terms

MOST = 3
"""Sentences in an answer."""

NEAR_BEST = 0.72
"""A further sentence must score this share of the best one's score."""

REPEATED = 0.8
"""A sentence of whose terms this share was already said adds nothing."""


def select(question: Question, evidence: Sequence[EvidenceSentence]) -> list[EvidenceSentence]:
    """Choose one to three sentences: the best first, the others behind it in reading order.

    Args:
        question: What they answer.
        evidence: Scored sentences, best first.
    """
    if not evidence:
        return []
    best = evidence[0]
    rest: list[EvidenceSentence] = []
    said = set(terms(best.text))
    for entry in evidence[1:]:
        if len(rest) == MOST - 1 or entry.score < NEAR_BEST * best.score:
            break
        own = set(terms(entry.text))
        if len(own) < 3 or len(own & said) >= REPEATED * len(own):
            continue
        rest.append(entry)
        said |= own
    return [best, *sorted(rest, key=lambda entry: (entry.rank, entry.start))]
