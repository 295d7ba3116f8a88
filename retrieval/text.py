"""Words and sentences of a text, with exact offsets where they matter."""

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from retrieval.stemming import stem
from retrieval.wordlists import ABBREVIATIONS, STOPWORDS

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_TERM = re.compile(r"[^\W_]+")

_BREAK = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]|\n\s*\n|\n(?=[ \t]*(?:[-*•>|#]|\d{1,3}[.)]\s))")
_LIST_MARK = re.compile(r"(?:[ \t]*(?:[-*•>]|#{1,6}|\d{1,3}[.)])[ \t]+)+")


@dataclass(frozen=True)
class Span:
    """A half-open range of characters, `text[start:end]`."""

    start: int
    end: int


def fold(text: str) -> str:
    """Lower-case, compatibility-normalised text without accents, for comparing only (lengths change)."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.lower())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    """Folded words in order, stop words included; `isn't` gives `isn't`'s letters as one word."""
    folded = fold(text).replace("’", "'")
    return [match.group().replace("'", "") for match in _WORD.finditer(folded)]


def terms(text: str) -> list[str]:
    """Stemmed index terms in order, without stop words."""
    folded = fold(text)
    return [stem(word) for word in _TERM.findall(folded) if word not in STOPWORDS and (len(word) > 1 or word.isdigit())]


def pairs(names: list[str]) -> list[str]:
    """Index terms for neighbouring words, from what `terms` returned."""
    return [f"{left} {right}" for left, right in pairwise(names)]


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Split `text[start:end]` into sentences.

    Breaks at sentence punctuation that no abbreviation, initial or decimal explains, at blank lines and at list
    items; spans carry no surrounding white space and no list mark.

    Returns:
        Spans in order, as offsets into `text`.
    """
    end = len(text) if end is None else end
    spans: list[Span] = []
    begin = start
    for match in _BREAK.finditer(text, start, end):
        if match.group()[0] in ".!?…" and not _ends_sentence(text, begin, match.start(), match.end(), end):
            continue
        _append(spans, text, begin, match.end())
        begin = match.end()
    _append(spans, text, begin, end)
    return spans


def trim(text: str, start: int, end: int) -> Span:
    """The range without surrounding white space."""
    part = text[start:end]
    return Span(start + len(part) - len(part.lstrip()), start + len(part.rstrip())) if part.strip() else Span(end, end)


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    span = trim(text, start, end)
    mark = _LIST_MARK.match(text, span.start, span.end)
    if mark:
        span = Span(mark.end(), span.end)
    if any(letter.isalnum() for letter in text[span.start : span.end]):
        spans.append(span)


def _ends_sentence(text: str, begin: int, dot: int, after: int, end: int) -> bool:
    """Tell a full stop from the dot of an abbreviation or an initial, and from a mark inside a sentence."""
    follow = text[after:end].lstrip()[:1]
    if not follow:
        return True
    if text[dot] != ".":
        return not follow.islower()
    word_start = dot
    while word_start > begin and not text[word_start - 1].isspace() and text[word_start - 1] not in "(\"'“‘[":
        word_start -= 1
    word = text[word_start:dot].lower()
    if word in ABBREVIATIONS:
        return False
    if len(word) == 1 and word.isalpha() and text[word_start].isupper():
        return False
    if word.isdigit() and trim(text, begin, dot).start == word_start:
        return False  # the number of a list item
    if "." in word and all(len(part) <= 2 and part.isalpha() for part in word.split(".")):
        return False  # U.S., e.g.
    return not follow.islower()
