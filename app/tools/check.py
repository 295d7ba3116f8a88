"""The check that no figure enters an answer by itself: what a chat model says of figures must be a tool's."""

import re
from collections.abc import Iterable, Sequence

from app.tools.records import ToolResult
from retrieval.checks import split_answer
from retrieval.identifiers import find_identifiers

_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*%?")


def figures_in(text: str) -> list[str]:
    """Every figure of a text, as written, without thousands marks."""
    return [figure.replace(",", "") for figure in _FIGURE.findall(text)]


def unbacked(text: str, backing: Iterable[str]) -> list[str]:
    """Figures and identifiers of a text that stand in none of the texts behind it."""
    behind = list(backing)
    known = {figure for part in behind for figure in figures_in(part)}
    names = {name for part in behind for name in find_identifiers(part)}
    wrong = [figure for figure in figures_in(text) if figure not in known]
    return wrong + [name for name in find_identifiers(text) if name not in names]


def backed_sentences(said: str, results: Sequence[ToolResult], question: str = "") -> tuple[list[str], int]:
    """What a model said about the tools' figures, without the sentences that hold any other figure.

    Returns:
        The sentences that stand, and how many were left out.
    """
    backing = [question, *(part for result in results for part in _texts(result))]
    sentences = [entry.text for entry in split_answer(said)]
    kept = [text for text in sentences if not unbacked(text, backing)]
    return kept, len(sentences) - len(kept)


def _texts(result: ToolResult) -> Iterable[str]:
    yield result.title
    yield from result.sentences
    for figure in result.figures:
        yield f"{figure.label} {figure.text}"
    if result.table is not None:
        for row in result.table.rows:
            yield " ".join(row)
    yield from result.arguments.values()
