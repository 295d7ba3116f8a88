"""The evidence gate: do the documents answer, answer in part, or not at all?

A cosine threshold tells off-topic questions, but not "right topic, answer absent"; so several signals are weighed: the
best sentence's score (its meaning, the question's words in it and around it, the kind of thing asked for), the nearest
meaning of all, and what speaks against that sentence: it denies nothing though the question does, it says the opposite
of one of the question's words, it lacks the question's numbers or its rarest word.  That all words stand somewhere in a
passage is, at an equal score, a sign against: then the passage is about the same things and says something else of
them.

The weights are fitted by `python -m benchmarks.gate`: logistic regression on encyclopaedia questions with and without
an answer, off-topic ones, and ones in which a word was replaced by one that nothing holds.  Signals that added nothing
on articles left out of the fit were dropped (cosine with the question turned into a statement, cosine after leaving a
word out, token-wise alignment, proper names, word pairs, order of words, gap to the second sentence or passage, the
rarest word that nothing found holds); the number of the question's words that the sentence lacks was left out too,
since it speaks for an answer there and would do so nowhere else.  The result is a probability.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from retrieval.evidence import CODE, WHICH_CODE, EvidenceSentence, Question
from retrieval.identifiers import without_identifiers
from retrieval.opposites import opposed
from retrieval.records import Hit
from retrieval.text import terms, words

Status = Literal["answered", "partial", "not_in_documents"]

ANSWERED = 0.44
PARTIAL = 0.19
"""Probabilities from which a question counts as answered, and as partly answered: 70% and 95% of the answerable
encyclopaedia questions reach them."""

MOST_MISSING = 0.3
"""From this share of the question's weight in words that nothing found holds, it is at most partly answered."""

REFUSED_MISSING = 0.55
REFUSED_NAMED = 0.7
"""From this share it is not answered at all; for a question about a named case or account, whose notes are brief and
word things in their own way, only from the second one, and if the very thing asked for is missing."""

SIGNALS = (
    "best_score",
    "similarity",
    "undenied",
    "opposed",
    "numbers_missing",
    "rarest_missing",
    "covered",
)
WEIGHTS = np.array([5.45, 2.74, -3.21, -1.86, -0.92, -1.48, -1.98])
BIAS = -3.14

RAREST = 8.0
"""Weight of a rare word, about that of one in 3,000 passages, by which word weights are scaled."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ASKING = re.compile(
    r"\bhow (?:long|many|much|often|soon|quickly|fast|old|far|big|large|high|tall)\b"
    r"|\b(?:what|which)(?: (?:kind|type|sort|name|number|amount|percentage|year|date|day|time|month)\b)"
    r"|\b(?:including|excluding|regarding|concerning|according to)\b",
    re.IGNORECASE,
)
_FOCUS = re.compile(
    r"\b(?:what|which|whose|how many|how much)\b"
    r"(?:\s+(?:is|are|was|were|did|does|do|has|have|had|the|a|an|kinds?|types?|sorts?|name|of|real))*"
    r"\s+(?!(?:found|done|said|known|happened|meant|decided|learned)\b)"
    r"(?!(?:closed |open )?(?:cases?|accounts?|merchants?|payments?|transactions?|customers?)\b)([\w'-]+)",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\b(?:not|never|no|none|cannot|without|neither|nor)\b|n['’]t\b", re.IGNORECASE)
_DENIAL = re.compile(
    r"\b(?:not|never|no|none|cannot|without|neither|nor|nobody|nothing|unable|rarely|hardly|(?:fail|lack|refus)\w*)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limits:
    """How much evidence the gate asks for; see the constants of the same names.

    Attributes:
        answered: Probability from which a question counts as answered.
        partial: Probability from which it counts as partly answered.
        most_missing: Share of the question's weight that may be missing in a whole answer.
        refused_missing: Share that may be missing in any answer.
        refused_named: The same for a question about a named case or account.
    """

    answered: float = ANSWERED
    partial: float = PARTIAL
    most_missing: float = MOST_MISSING
    refused_missing: float = REFUSED_MISSING
    refused_named: float = REFUSED_NAMED


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


def judge(question: Question, evidence: Sequence[EvidenceSentence], limits: Limits | None = None) -> Verdict:
    """Weigh the evidence for a question.

    Args:
        question: From `retrieval.evidence.read_question`.
        evidence: From `retrieval.evidence.gather`, best first.
        limits: How much evidence is asked for; the defaults where None.
    """
    if not evidence or not question.weights:
        return Verdict(0.0, "not_in_documents", tuple(words(question.text)) if not evidence else ())
    if question.named and not any(entry.hit.named for entry in evidence):
        return Verdict(0.0, "not_in_documents", tuple(name.upper() for name in question.named))
    limits = limits or Limits()
    value = float(signals(question, evidence) @ WEIGHTS + BIAS)
    probability = float(1 / (1 + np.exp(-value)))
    missing = _missing(question, evidence)
    share = sum(missing.values()) / max(sum(_content(question).values()), 1e-9)
    if question.named:  # what was named is there; how much of the rest is, the wording of a note tells badly
        refused = share >= limits.refused_named and _asked_for(question) <= missing.keys()
        least = limits.partial
        probability = probability * least if refused else least + (1 - least) * probability
        whole = probability >= limits.answered
    else:
        refused = share >= limits.refused_missing or probability < limits.partial
        whole = probability >= limits.answered and share < limits.most_missing
    status: Status = "not_in_documents" if refused else "answered" if whole else "partial"
    return Verdict(probability, status, _as_written(question, missing))


def signals(question: Question, evidence: Sequence[EvidenceSentence]) -> np.ndarray:
    """The values of `SIGNALS`, float64."""
    best = evidence[0]
    context = frozenset(terms(f"{best.text} {best.hit.title} {best.hit.heading} {best.heads}"))
    numbers = _NUMBER.findall(without_identifiers(question.text))
    passages = {entry.hit.passage_id: entry.hit for entry in evidence}.values()
    return np.array(
        [
            (best.score - best.hit.named - 2 * best.signals[10]) / 10,
            max(entry.similarity for entry in evidence),
            float(_DENIES.search(question.text) is not None and _DENIAL.search(best.text) is None),
            float(bool(opposed(question.text, best.text))),
            sum(number not in best.text for number in numbers) / max(len(numbers), 1),
            max((weight for term, weight in _content(question).items() if term not in context), default=0.0) / RAREST,
            max(question.coverage(_terms_of(hit)) for hit in passages),
        ]
    )


def rarest_word(question: Question) -> str:
    """The question's word with the highest weight, folded; empty if there is none that says what is asked of."""
    weights = _content(question)
    return _as_written(question, weights)[0] if weights else ""


def _asked_for(question: Question) -> frozenset[str]:
    """Terms of the thing asked for ("which city", "what is the balance"); one that nothing holds where none is named.

    A verb is no such thing ("what was found" asks for anything), nor what the identifier itself says ("which account").
    """
    match = _FOCUS.search(question.text)
    found = frozenset(terms(match.group(1))) if match else frozenset()
    return found or frozenset({""})


def _terms_of(hit: Hit) -> frozenset[str]:
    return _distinct_terms(f"{hit.title} {hit.heading} {hit.text}")


@lru_cache(maxsize=256)
def _distinct_terms(text: str) -> frozenset[str]:
    return frozenset(terms(text))


def _missing(question: Question, evidence: Sequence[EvidenceSentence]) -> dict[str, float]:
    """Terms of the question that no passage found holds, with their weights."""
    hits = {entry.hit.passage_id: entry.hit for entry in evidence}.values()
    held = frozenset(term for hit in hits for term in _terms_of(hit))
    asked = WHICH_CODE.search(question.text)
    if asked and any(CODE.search(entry.text) for entry in evidence):  # a note writes N02, and not "code N02"
        held |= frozenset(terms(asked.group()))
    return {term: weight for term, weight in _content(question).items() if term not in held}


def _content(question: Question) -> dict[str, float]:
    """The question's terms without those that no answer repeats: what kind of thing is asked for, and prepositions."""
    asking = frozenset(term for match in _ASKING.finditer(question.text) for term in terms(match.group()))
    return {term: weight for term, weight in question.weights.items() if term not in asking}


def _as_written(question: Question, missing: dict[str, float]) -> tuple[str, ...]:
    spelled = {stemmed: word for word in words(question.text) for stemmed in terms(word)}
    return tuple(spelled.get(term, term) for term in sorted(missing, key=lambda term: -missing[term]))
