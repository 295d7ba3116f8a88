"""Checks of an answer against its evidence: which sentence rests on what, and whether its figures stand there.

Citing does not depend on the model's obedience.  Each sentence is matched to evidence by us; the numbers that a model
writes are only hints, and one that names no evidence is dropped.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.hostile import speaks_to_the_assistant
from retrieval.identifiers import find_identifiers
from retrieval.records import Hit
from retrieval.text import Span, fold, sentences, terms

LEAST_OVERLAP = 0.6
"""Share of a sentence's terms that its evidence must hold for the sentence to count as supported."""

MOST_QUOTES = 2
"""Quotes of one passage and of another that one sentence may rest on."""

_MARK = re.compile(r"\s*\[\s*(\d{1,3}(?:\s*,\s*\d{1,3})*)\s*\]")
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*%?")
_CAPITALISED = re.compile(r"(?<![.!?:\"“]\s)(?<!^)(?<!\n)\b[A-Z][\w'’-]*[a-z][\w'’-]*")


@dataclass(frozen=True)
class Said:
    """One sentence of a model's answer, without its marks.

    Attributes:
        text: The sentence.
        marks: Evidence numbers that the model wrote behind or in it, from 1.
    """

    text: str
    marks: tuple[int, ...]


@dataclass(frozen=True)
class Quote:
    """An exact range of a hit's document that supports a sentence."""

    hit: Hit
    start: int
    end: int
    text: str


def split_answer(answer: str) -> list[Said]:
    """Sentences of a model's answer with the evidence numbers written behind them."""
    # A mark behind the full stop belongs to the sentence before it: move it inside first.
    moved = re.sub(r"([.!?][\"'”’)]*)((?:\s*\[\s*\d{1,3}(?:\s*,\s*\d{1,3})*\s*\])+)", r"\2\1", answer)
    found = []
    for span in sentences(moved):
        part = moved[span.start : span.end]
        marks = [int(number) for match in _MARK.finditer(part) for number in re.findall(r"\d+", match.group(1))]
        text = " ".join(_MARK.sub("", part).split())
        if any(letter.isalnum() for letter in text):
            found.append(Said(text, tuple(dict.fromkeys(marks))))
    return found


def find_quotes(said: Said, hits: Sequence[Hit]) -> list[Quote]:
    """The evidence of a sentence: where it stands word for word, else the sentences that share most of its terms.

    Marks of the model break ties only.

    Returns:
        Quotes, best first; empty if no evidence shares enough.
    """
    if speaks_to_the_assistant(said.text):
        return []
    order = sorted(range(len(hits)), key=lambda place: (place + 1 not in said.marks, place))
    for place in order:
        span = _find_verbatim(said.text, hits[place].text)
        if span is not None:
            return [_quote(hits[place], span)]
    wanted = set(terms(said.text))
    if not wanted:
        return []
    scored = []
    for preference, place in enumerate(order):
        hit = hits[place]
        for span in sentences(hit.text):
            if speaks_to_the_assistant(hit.text[span.start : span.end]):
                continue
            held = wanted & set(terms(hit.text[span.start : span.end]))
            scored.append((len(held), -preference, span, hit, held))
    scored.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].start))
    quotes: list[Quote] = []
    covered: set[str] = set()
    for _, _, span, hit, held in scored:
        if len(quotes) == MOST_QUOTES or len(covered) >= len(wanted):
            break
        if len(held - covered) >= max(1, len(wanted) // 5):
            quotes.append(_quote(hit, span))
            covered |= held
    return quotes if len(covered) >= LEAST_OVERLAP * len(wanted) else []


def is_supported(said: Said, quotes: Sequence[Quote], question: str) -> bool:
    """Whether every figure, date, identifier and name of a sentence stands in its quotes (a name: or in the question).

    A sentence without any quote is never supported.
    """
    if not quotes:
        return False
    evidence = " ".join(f"{quote.text} {quote.hit.title} {quote.hit.heading}" for quote in quotes)
    figures = set(_FIGURE.findall(evidence))
    if any(figure not in figures for figure in _FIGURE.findall(said.text)):
        return False
    known = fold(f"{evidence} {question}")
    identifiers = set(find_identifiers(evidence))
    if any(name not in identifiers for name in find_identifiers(said.text)):
        return False
    if _negated(said.text) != any(_negated(quote.text) for quote in quotes):
        return False
    return all(fold(name) in known for name in _CAPITALISED.findall(said.text))


def _negated(text: str) -> bool:
    return re.search(r"\b(?:not|never|no|none|cannot|n't|without)\b|n['’]t\b", text, re.IGNORECASE) is not None


def _find_verbatim(sentence: str, text: str) -> Span | None:
    """Where a sentence stands in a text, white space aside."""
    pattern = r"\s+".join(re.escape(word) for word in sentence.split())
    match = re.search(pattern, text) if pattern and len(sentence) <= len(text) else None
    return Span(match.start(), match.end()) if match else None


def _quote(hit: Hit, span: Span) -> Quote:
    return Quote(hit, hit.start + span.start, hit.start + span.end, hit.text[span.start : span.end])
