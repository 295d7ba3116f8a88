"""The evidence gate: do the documents answer, answer in part, or not at all?

A cosine threshold tells off-topic questions, but not "right topic, answer absent"; so several signals are weighed: the
best sentence's score (its meaning, the question's words in it and around it, the kind of thing asked for), the nearest
meaning of all, whether the question's numbers occur, and whether a question about what is *not* so met a sentence that
denies anything.  The weights were fitted by logistic regression on encyclopaedia questions with and without an answer;
signals that added nothing to these were left out.  The result is a probability.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrieval.evidence import EvidenceSentence, Question
from retrieval.identifiers import without_identifiers
from retrieval.text import terms, words

Status = Literal["answered", "partial", "not_in_documents"]

ANSWERED = 0.4
PARTIAL = 0.2
"""Probabilities from which a question counts as answered, and as partly answered."""

SIGNALS = (
    "best_score",
    "similarity",
    "numbers_missing",
    "negation_missing",
    "denial_asked",
)
WEIGHTS = np.array([4.0, 2.6, -0.9, -2.3, -0.4])
BIAS = -4.2

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(r"\b(?:not|never|no|cannot|without|neither|nor)\b|n['’]t\b", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        probability: That the documents answer the question, in [0, 1].
        status: The same as a decision.
        missing: Words of the question that nothing found holds, as they were written, rarest first.
    """

    probability: float
    status: Status
    missing: tuple[str, ...]


def judge(question: Question, evidence: Sequence[EvidenceSentence]) -> Verdict:
    """Weigh the evidence for a question.

    Args:
        question: From `retrieval.evidence.read_question`.
        evidence: From `retrieval.evidence.gather`, best first.
    """
    if not evidence or not question.weights:
        return Verdict(0.0, "not_in_documents", tuple(words(question.text)) if not evidence else ())
    if question.named and not any(entry.hit.named for entry in evidence):
        return Verdict(0.0, "not_in_documents", tuple(name.upper() for name in question.named))
    value = float(signals(question, evidence) @ WEIGHTS + BIAS)
    probability = float(1 / (1 + np.exp(-value)))
    if question.named:  # what was named is there; how much of the rest is, the wording of a note tells badly
        probability = PARTIAL + (1 - PARTIAL) * probability
    status: Status = (
        "answered" if probability >= ANSWERED else "partial" if probability >= PARTIAL else "not_in_documents"
    )
    return Verdict(probability, status, _missing(question, evidence))


def signals(question: Question, evidence: Sequence[EvidenceSentence]) -> np.ndarray:
    """The values of `SIGNALS`, float64."""
    best = evidence[0]
    text = f"{best.hit.title} {best.hit.heading} {best.hit.text}"
    numbers = _NUMBER.findall(without_identifiers(question.text))
    negated = _NEGATION.search(question.text) is not None
    return np.array(
        [
            (best.score - best.hit.named - 2 * best.signals[10]) / 10,
            max(entry.similarity for entry in evidence),
            sum(number not in text for number in numbers) / max(len(numbers), 1),
            float(negated and _NEGATION.search(best.text) is None),
            float(negated),
        ]
    )


def _terms_of(entry: EvidenceSentence) -> frozenset[str]:
    return frozenset(terms(f"{entry.hit.title} {entry.hit.heading} {entry.hit.text}"))


def _missing(question: Question, evidence: Sequence[EvidenceSentence]) -> tuple[str, ...]:
    held = frozenset(term for entry in evidence for term in _terms_of(entry))
    absent = {term: weight for term, weight in question.weights.items() if term not in held}
    spelled = {stemmed: word for word in words(question.text) for stemmed in terms(word)}
    return tuple(spelled.get(term, term) for term in sorted(absent, key=lambda term: -absent[term]))
