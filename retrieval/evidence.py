"""Which sentences of what search found could answer a question, and how well.

Each sentence is scored by several signals: meaning (cosine), the question's words that it holds (weighted by how rare
they are), the same for its surroundings, the passage's own score, and whether it holds the kind of thing asked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.index import Index
from retrieval.records import Hit
from retrieval.text import Span, fold, sentences, terms

SENTENCES_READ = 160
"""Sentences scored for one question; more are never needed to find three."""

_MONTHS = "january february march april may june july august september october november december"
_DATE = re.compile(
    rf"\b(?:1[0-9]{{3}}|20[0-9]{{2}})s?\b|\b\d{{1,2}}:\d{{2}}\b|\b(?:{'|'.join(_MONTHS.split())})\b|centur",
    re.IGNORECASE,
)
_SPAN_OF_TIME = re.compile(
    r"\b(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|decades?|immediately|at once|next)\b", re.IGNORECASE
)
_COUNTING = "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand"
_NUMBER = re.compile(
    rf"\d|%|\b(?:{'|'.join(_COUNTING.split())}|million|billion|half|dozen|none|never|once|twice|several|per ?cent)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[a-z,;:(\"'’] )[A-Z][\w'’-]+|(?<=[a-z,;:(\"'’])[A-Z][\w'’-]+|\b[A-Z][\w'’-]+ [A-Z][\w'’-]+")
_ROLE = re.compile(
    r"\b(?:analysts?|manager|officer|team|head|customer|bank|committee|lead|department|desk|director|owner|who)\b", re.I
)
_REASON = re.compile(
    r"\b(?:because|since|due|so that|therefore|cause[sd]?|reason|in order|as a result|to avoid)\b", re.I
)

_WHEN = re.compile(r"\bwhen\b|\bwhat (?:year|date|day|time|month|decade|century)\b|\bin which year\b", re.IGNORECASE)
_HOW_LONG = re.compile(r"\bhow (?:long|soon|quickly|fast|often|old)\b|\bdeadline\b", re.IGNORECASE)
_HOW_MANY = re.compile(
    r"\bhow (?:many|much|far|big|large|tall|high|wide)\b|\bwhat (?:percentage|percent|number|amount|limit)\b",
    re.IGNORECASE,
)
_WHO = re.compile(r"\bwho(?:se|m)?\b", re.IGNORECASE)
_WHERE = re.compile(r"\bwhere\b|\b(?:what|which) (?:city|country|state|place|town|region)\b", re.IGNORECASE)
_WHY = re.compile(r"\bwhy\b", re.IGNORECASE)

_KINDS: tuple[tuple[re.Pattern[str], tuple[re.Pattern[str], ...]], ...] = (
    (_WHEN, (_DATE, _SPAN_OF_TIME)),
    (_HOW_LONG, (_SPAN_OF_TIME, _DATE)),
    (_HOW_MANY, (_NUMBER,)),
    (_WHO, (_NAME, _ROLE)),
    (_WHERE, (_NAME,)),
    (_WHY, (_REASON,)),
)


@dataclass(frozen=True)
class Question:
    """A question as evidence is measured against it.

    Attributes:
        text: The question.
        weights: Its index terms with their rarity; empty for a question of stop words only.
        kinds: Patterns of which an answer should match one; empty where any answer will do.
        vector: Its unit vector.
    """

    text: str
    weights: dict[str, float]
    kinds: tuple[re.Pattern[str], ...]
    vector: np.ndarray

    def coverage(self, found: frozenset[str]) -> float:
        """Share of the question's weight that a set of terms holds, in [0, 1]."""
        total = sum(self.weights.values())
        return sum(weight for term, weight in self.weights.items() if term in found) / total if total else 0.0


@dataclass(frozen=True)
class EvidenceSentence:
    """A sentence of a hit, as an exact range of its document.

    Attributes:
        hit: The passage that it stands in.
        rank: The passage's place among the hits, from 0.
        start: Offset in the document.
        end: Offset behind it.
        text: The sentence, verbatim.
        signals: See `SIGNALS`; float64.
        score: Their weighted sum; comparable between questions.
    """

    hit: Hit
    rank: int
    start: int
    end: int
    text: str
    signals: np.ndarray
    score: float

    @property
    def similarity(self) -> float:
        """Cosine with the question."""
        return float(self.signals[0])


SIGNALS = ("cosine", "coverage", "coverage_around", "passage_score", "passage_similarity", "kind", "too_short", "rank")
WEIGHTS = np.array([4.0, 2.0, 1.5, 1.0, 1.0, 0.8, -1.0, -0.1])


def read_question(index: Index, text: str, as_of: object = None, where: object = None) -> Question:
    """Measure a question once for all its evidence."""
    names = list(dict.fromkeys(terms(text)))
    weights = index.term_weights(names, as_of, where)  # type: ignore[arg-type]
    kinds = next((patterns for asked, patterns in _KINDS if asked.search(text)), ())
    return Question(text, weights, kinds, index.encode([text], exact=True)[0])


def gather(index: Index, question: Question, hits: Sequence[Hit]) -> list[EvidenceSentence]:
    """Score every sentence of the hits, best first.

    Args:
        index: Gives vectors by its own model.
        question: From `read_question`.
        hits: As search returned them, best first.
    """
    places: list[tuple[int, Hit, Span, Span | None]] = []
    for rank, hit in enumerate(hits):
        spans = sentences(hit.text)
        places += [(rank, hit, span, spans[i - 1] if i else None) for i, span in enumerate(spans)]
    places = places[:SENTENCES_READ]
    if not places:
        return []
    texts = [hit.text[span.start : span.end] for _, hit, span, _ in places]
    cosines = index.encode(texts) @ question.vector
    found = [
        _score(question, rank, hit, span, before, float(cosine))
        for (rank, hit, span, before), cosine in zip(places, cosines, strict=True)
    ]
    return sorted(found, key=lambda entry: -entry.score)


def _score(question: Question, rank: int, hit: Hit, span: Span, before: Span | None, cosine: float) -> EvidenceSentence:
    text = hit.text[span.start : span.end]
    own = frozenset(terms(text))
    around = own | frozenset(terms(f"{hit.title} {hit.heading}"))
    if before is not None:
        around |= frozenset(terms(hit.text[before.start : before.end]))
    signals = np.array(
        [
            cosine,
            question.coverage(own),
            question.coverage(around),
            min(hit.score, 1.0),
            hit.similarity,
            float(not question.kinds or any(_answers_kind(kind, text, question.text) for kind in question.kinds)),
            float(len(own) < 3 or text.endswith("?")),
            float(rank),
        ]
    )
    start = hit.start + span.start
    return EvidenceSentence(hit, rank, start, hit.start + span.end, text, signals, float(signals @ WEIGHTS))


def _answers_kind(kind: re.Pattern[str], text: str, question: str) -> bool:
    """Whether the sentence holds something of the kind that the question does not already say itself."""
    said = fold(question)
    return any(fold(match.group()) not in said for match in kind.finditer(text))
