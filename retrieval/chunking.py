"""Passages of a document: what search finds and answers quote, as exact ranges of characters.

A passage never crosses a heading; its headings become its context, which is embedded and indexed with it but is no
part of a quote.  Front matter is never a passage.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.text import Span, sentences, trim

_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|$)", re.DOTALL)
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)

LONGEST_UNIT = 4000
"""Characters after which even a text without any sentence end is cut, so that a huge line stays bounded."""


@dataclass(frozen=True)
class Chunking:
    """How documents are cut; recorded in the index, which refuses to mix two ways.

    Attributes:
        max_words: A passage longer than this is divided evenly at sentence ends. MiniLM reads about 190 words.
        window_sentences: Sentences in the longest window embedded on its own.
    """

    max_words: int = 180
    window_sentences: int = 2

    def __str__(self) -> str:
        return f"sections/{self.max_words} words/windows of {self.window_sentences}/1"


@dataclass(frozen=True)
class Passage:
    """A stretch of a document.

    Attributes:
        start: Offset of its first character in the document's text.
        end: Offset behind its last character.
        heading: The headings above it, outermost first, joined by " > "; empty where there are none.
    """

    start: int
    end: int
    heading: str


def front_matter(text: str) -> tuple[str, int]:
    """The YAML between two `---` lines at the top, and the offset where the body begins ("" and 0 without one)."""
    match = _FRONT_MATTER.match(text)
    return (match.group(1), match.end()) if match else ("", 0)


def passages(text: str, chunking: Chunking) -> list[Passage]:
    """Cut a document into passages, in reading order, covering everything but headings and front matter."""
    return [
        Passage(span.start, span.end, heading)
        for start, end, heading in _sections(text)
        for span in _pieces(text, start, end, chunking.max_words)
    ]


def windows(text: str, passage: Passage, chunking: Chunking) -> list[Span]:
    """Runs of one to `window_sentences` sentences of a passage, shortest first at each place.

    A passage of one sentence has no windows: it would be its own.
    """
    spans = sentences(text, passage.start, passage.end)
    if len(spans) < 2:
        return []
    found = []
    for first in range(len(spans)):
        for size in range(1, chunking.window_sentences + 1):
            if first + size <= len(spans) and size < len(spans):
                found.append(Span(spans[first].start, spans[first + size - 1].end))
    return found


def _sections(text: str) -> Iterator[tuple[int, int, str]]:
    """Ranges between headings, each with the headings above it."""
    _, begin = front_matter(text)
    above: list[tuple[int, str]] = []
    for match in _HEADING.finditer(text, begin):
        yield begin, match.start(), " > ".join(name for _, name in above)
        level = len(match.group(1))
        above = [entry for entry in above if entry[0] < level] + [(level, match.group(2))]
        begin = match.end()
    yield begin, len(text), " > ".join(name for _, name in above)


def _pieces(text: str, start: int, end: int, max_words: int) -> Iterator[Span]:
    """Divide a section evenly, at sentence ends, into pieces of at most about `max_words` words."""
    whole = trim(text, start, end)
    if not any(letter.isalnum() for letter in text[whole.start : whole.end]):
        return
    units = [part for span in sentences(text, whole.start, whole.end) for part in _bounded(text, span)]
    counts = [len(text[unit.start : unit.end].split()) for unit in units]
    pieces = -(-sum(counts) // max_words)
    if pieces <= 1 and whole.end - whole.start <= LONGEST_UNIT:
        yield whole
        return
    target = sum(counts) / max(pieces, 1)
    begin, filled, size = 0, 0, 0
    for position, count in enumerate(counts):
        filled += count
        size = units[position].end - units[begin].start
        last = position == len(counts) - 1
        if last or filled + counts[position + 1] / 2 >= target or size > LONGEST_UNIT:
            yield Span(units[begin].start, units[position].end)
            begin, filled = position + 1, 0


def _bounded(text: str, span: Span) -> Iterator[Span]:
    begin = span.start
    while span.end - begin > LONGEST_UNIT:
        cut = text.rfind(" ", begin, begin + LONGEST_UNIT)
        cut = cut if cut > begin else begin + LONGEST_UNIT
        yield trim(text, begin, cut)
        begin = cut
    yield trim(text, begin, span.end)
