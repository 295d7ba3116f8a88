"""Spans of text and figures in them: where a quote stands, how far two spans overlap, which numbers a text names."""

import re
from decimal import Decimal, InvalidOperation

# Identifiers first (T00012345, CN-2026-0017), then dates, times and numbers: the longest reading wins.
_FIGURE = re.compile(
    r"(?P<identifier>\b[A-Za-z]+-?\d[A-Za-z0-9]*(?:-[A-Za-z0-9]+)*)"
    r"|(?P<date>\b\d{4}-\d{2}-\d{2})T?"
    r"|(?P<time>(?<!\d)\d{1,2}:\d{2}(?::\d{2})?)"
    r"|(?P<number>\d{1,3}(?:[,'\u00a0\u202f]\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?)(?P<thousands>k\b)?"
)
_MARKER = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_WORD = re.compile(r"\w+")
# Words that say nothing about whether a sentence and its evidence are about the same thing.
_STOP_WORDS = frozenset(
    "a an and are as at be been but by for from had has have if in into is it its may must no not of on or that the "  # noqa: SIM905
    "their then there these they this to was were when where which who will with".split()
)


def without_markers(text: str) -> str:
    """The text without citation markers such as [1] or [2, 3]."""
    return _MARKER.sub("", text).strip()


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text, as offsets [start, end); line breaks and runs of spaces count as one space."""
    start = text.find(quote)
    if start >= 0:
        return start, start + len(quote)
    words = quote.split()
    if not words:
        return None
    match = re.search(r"\s+".join(re.escape(word) for word in words), text)
    return match.span() if match else None


def overlap_share(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Characters that two spans share, as a share of the shorter one, in [0, 1]."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    shorter = min(first[1] - first[0], second[1] - second[0])
    return max(0.0, shared / shorter) if shorter > 0 else 0.0


def figures(text: str) -> frozenset[str]:
    """Numbers, dates, times and identifiers in a text, in one way of writing: `1,200.00` and `1.2k` are both `1200`."""
    found = set()
    for match in _FIGURE.finditer(without_markers(text)):
        if match["number"] is None:
            found.add((match["identifier"] or match["date"] or match["time"]).upper())
            continue
        found.add(_plain_number(match["number"], 1000 if match["thousands"] else 1))
    return frozenset(found)


def content_words(text: str) -> frozenset[str]:
    """Words of a text in lower case, without those that every text has."""
    return frozenset(_WORD.findall(without_markers(text).lower())) - _STOP_WORDS


def _plain_number(written: str, factor: int) -> str:
    digits = re.sub(r"['\u00a0\u202f]", "", written)
    # A comma before groups of three digits separates thousands, elsewhere decimals.
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", digits).replace(",", ".")
    try:
        value = Decimal(digits) * factor
    except InvalidOperation:
        return written
    return format(value.normalize(), "f")
