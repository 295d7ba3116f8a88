"""Which sentences of what search found could answer a question, and how well.

Each sentence is scored by several signals: meaning (cosine), the question's words that it holds (weighted by how rare
they are), the same for its surroundings, the passage's own score, and whether it holds the kind of thing asked for.
A row of a table says what the heads of its columns say: "48 hours" below "longest hold" is the longest hold.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from retrieval.hostile import speaks_to_the_assistant
from retrieval.identifiers import find_identifiers, without_identifiers
from retrieval.index import Index
from retrieval.records import Hit
from retrieval.text import Span, fold, sentences, terms

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
CODE = re.compile(r"\b[A-Z]{1,3}-?\d{1,4}\b")
_REASON = re.compile(
    r"\b(?:because|since|due|so that|therefore|cause[sd]?|reason|in order|as a result|to avoid)\b", re.I
)

_CONTRACTION = re.compile(r"\b\w+n['’]t\b", re.IGNORECASE)
"""`isn't`, `don't`: as common as `is` and `do`; their halves are no words."""

_WHEN = re.compile(r"\bwhen\b|\bwhat (?:year|date|day|time|month|decade|century)\b|\bin which year\b", re.IGNORECASE)
_HOW_LONG = re.compile(r"\bhow (?:long|soon|quickly|fast|often|old)\b|\bdeadline\b", re.IGNORECASE)
_HOW_MANY = re.compile(
    r"\bhow (?:many|much|far|big|large|tall|high|wide)\b|\bwhat (?:percentage|percent|number|amount|limit)\b",
    re.IGNORECASE,
)
_WHO = re.compile(r"\bwho(?:se|m)?\b", re.IGNORECASE)
_WHERE = re.compile(r"\bwhere\b|\b(?:what|which) (?:city|country|state|place|town|region)\b", re.IGNORECASE)
_WHY = re.compile(r"\bwhy\b", re.IGNORECASE)
WHICH_CODE = re.compile(r"\b(?:what|which) (?:\w+ )?codes?\b", re.IGNORECASE)

_KINDS: tuple[tuple[re.Pattern[str], tuple[re.Pattern[str], ...]], ...] = (
    (_WHEN, (_DATE, _SPAN_OF_TIME)),
    (_HOW_LONG, (_SPAN_OF_TIME, _DATE)),
    (_HOW_MANY, (_NUMBER,)),
    (_WHO, (_NAME, _ROLE)),
    (_WHERE, (_NAME,)),
    (WHICH_CODE, (CODE,)),
    (_WHY, (_REASON,)),
)


@dataclass(frozen=True)
class Question:
    """A question as evidence is measured against it.

    Attributes:
        text: The question.
        weights: Its index terms with their rarity; empty for a question of stop words only.
        kinds: Patterns of which an answer should match one; empty where any answer will do.
        named: Identifiers in it.
    """

    text: str
    weights: dict[str, float]
    kinds: tuple[re.Pattern[str], ...]
    named: tuple[str, ...] = ()

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
        heads: Of the table's columns, if it is a row of one.
    """

    hit: Hit
    rank: int
    start: int
    end: int
    text: str
    signals: np.ndarray
    score: float
    heads: str = ""

    @property
    def similarity(self) -> float:
        """Cosine with the question."""
        return float(self.signals[0])


SIGNALS = (
    "cosine",
    "cosine_with_neighbour",
    "coverage",
    "coverage_around",
    "passage_score",
    "passage_similarity",
    "kind",
    "too_short",
    "rank",
    "named",
    "names",
)
WEIGHTS = np.array([3.0, 1.0, 2.0, 1.5, 1.0, 1.0, 0.8, -1.0, -0.1, 1.0, 2.0])
"""Set by hand, equal where nothing spoke against it; a fit to encyclopaedia questions found one point more."""


def read_question(
    index: Index, text: str, as_of: datetime | str | None = None, where: Mapping[str, Any] | None = None
) -> Question:
    """Measure a question once for all its evidence."""
    names = list(dict.fromkeys(terms(_CONTRACTION.sub(" ", without_identifiers(text)))))
    kinds = next((patterns for asked, patterns in _KINDS if asked.search(text)), ())
    return Question(text, index.term_weights(names, as_of, where), kinds, tuple(find_identifiers(text)))


def gather(question: Question, hits: Sequence[Hit]) -> list[EvidenceSentence]:
    """Score every sentence of the hits, best first.

    Args:
        question: From `read_question`.
        hits: As search returned them for that question, best first.
    """
    found = []
    for rank, hit in enumerate(hits):
        known = {(window.start, window.end): window.similarity for window in hit.windows}
        spans = sentences(hit.text)
        heads = _column_heads(hit, spans)
        own = [
            frozenset(terms(f"{hit.text[span.start : span.end]} {above}"))
            for span, above in zip(spans, heads, strict=True)
        ]
        context = frozenset(terms(f"{hit.title} {hit.heading}"))
        for place, span in enumerate(spans):
            if speaks_to_the_assistant(hit.text[span.start : span.end]):
                continue
            start, end = hit.start + span.start, hit.start + span.end
            before = own[place - 1] if place and not heads[place] else frozenset()
            around = own[place] | context | before
            wider = [value for (left, right), value in known.items() if left <= start and end <= right]
            nearness = known.get((start, end), hit.similarity), max(wider, default=hit.similarity)
            entry = _score(question, rank, hit, Span(start, end), own[place], around, nearness)
            found.append(replace(entry, heads=heads[place]) if heads[place] else entry)
    return sorted(found, key=lambda entry: -entry.score)


def _score(
    question: Question,
    rank: int,
    hit: Hit,
    span: Span,
    own: frozenset[str],
    around: frozenset[str],
    nearness: tuple[float, float],
) -> EvidenceSentence:
    text = hit.text[span.start - hit.start : span.end - hit.start]
    signals = np.array(
        [
            nearness[0],
            nearness[1],
            question.coverage(own),
            question.coverage(around),
            hit.relevance,
            hit.similarity,
            float(not question.kinds or any(_answers_kind(kind, text, question.text) for kind in question.kinds)),
            float(
                len(own) < 3
                or text.endswith("?")
                or _is_table_head(hit, Span(span.start - hit.start, span.end - hit.start))
            ),
            float(rank),
            hit.named,
            len(set(question.named) & set(find_identifiers(text))) / max(len(question.named), 1),
        ]
    )
    return EvidenceSentence(hit, rank, span.start, span.end, text, signals, float(signals @ WEIGHTS))


def _column_heads(hit: Hit, spans: Sequence[Span]) -> list[str]:
    """For each sentence the heads of its columns; empty where it is no row below a table's head."""
    found = []
    above = ""
    for span in spans:
        text = hit.text[span.start : span.end]
        row = text.startswith("|")
        found.append(above if row else "")
        if not row:
            above = ""
        elif _is_table_head(hit, span):
            above, found[-1] = text, ""
    return found


def _is_table_head(hit: Hit, span: Span) -> bool:
    """Whether the line below a range of the hit's text is the rule of a Markdown table."""
    return hit.text[span.end :].lstrip(" \n").startswith(("|-", "| -", "|:"))


def _answers_kind(kind: re.Pattern[str], text: str, question: str) -> bool:
    """Whether the sentence holds something of the kind that the question does not already say itself."""
    said = fold(question)
    return any(fold(match.group()) not in said for match in kind.finditer(text))
