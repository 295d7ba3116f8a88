"""The evidence gate: do the documents answer, answer in part, or not at all?

A cosine threshold tells off-topic questions, but not "right topic, answer absent"; so several signals are weighed: how
much of the question the best sentence, its passage and all that was found hold, whether its names and numbers occur,
how near the meaning is, and whether the kind of thing asked for is there.  The weights were fitted by logistic
regression on questions with and without an answer; the result is a probability.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrieval.evidence import EvidenceSentence, Question
from retrieval.text import fold, terms, words

Status = Literal["answered", "partial", "not_in_documents"]

ANSWERED = 0.45
PARTIAL = 0.12
"""Probabilities from which a question counts as answered, and as partly answered."""

SIGNALS = (
    "best_score",
    "margin",
    "similarity",
    "coverage_best",
    "coverage_passage",
    "coverage_all",
    "missing_rarest",
    "names_missing",
    "numbers_missing",
    "kind",
)
WEIGHTS = np.array([0.5, 0.3, 4.0, 1.5, 2.0, 1.0, -0.8, -1.0, -1.0, 0.6])
BIAS = -4.2

_NAME = re.compile(r"(?<!^)(?<![.?!]\s)\b[A-Z][\w'’-]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


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
    value = float(signals(question, evidence) @ WEIGHTS + BIAS)
    probability = float(1 / (1 + np.exp(-value)))
    status: Status = (
        "answered" if probability >= ANSWERED else "partial" if probability >= PARTIAL else "not_in_documents"
    )
    return Verdict(probability, status, _missing(question, evidence))


def signals(question: Question, evidence: Sequence[EvidenceSentence]) -> np.ndarray:
    """The values of `SIGNALS`, float64."""
    best = evidence[0]
    passage = _terms_of(best)
    everything = frozenset(term for entry in evidence[:24] for term in terms(entry.text)) | passage
    rarest = sorted(question.weights, key=lambda term: -question.weights[term])[:2]
    text = fold(f"{best.hit.title} {best.hit.heading} {best.hit.text}")
    names, numbers = _NAME.findall(question.text), _NUMBER.findall(question.text)
    return np.array(
        [
            best.score / 10,
            best.score - evidence[min(5, len(evidence) - 1)].score,
            max(entry.similarity for entry in evidence),
            question.coverage(frozenset(terms(best.text))),
            question.coverage(passage),
            question.coverage(everything),
            sum(term not in passage for term in rarest) / max(len(rarest), 1),
            sum(fold(name) not in text for name in names) / max(len(names), 1),
            sum(number not in text for number in numbers) / max(len(numbers), 1),
            float(best.signals[5]),
        ]
    )


def _terms_of(entry: EvidenceSentence) -> frozenset[str]:
    return frozenset(terms(f"{entry.hit.title} {entry.hit.heading} {entry.hit.text}"))


def _missing(question: Question, evidence: Sequence[EvidenceSentence]) -> tuple[str, ...]:
    held = frozenset(term for entry in evidence for term in _terms_of(entry))
    absent = {term: weight for term, weight in question.weights.items() if term not in held}
    spelled = {stemmed: word for word in words(question.text) for stemmed in terms(word)}
    return tuple(spelled.get(term, term) for term in sorted(absent, key=lambda term: -absent[term]))
