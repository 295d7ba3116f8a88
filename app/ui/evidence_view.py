"""The evidence beside an answer: each quote marked in its passage, the chosen one in its document."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.access import User
from app.ui import format as show
from app.ui.ask_view import citation_key, flowing, numbered
from app.visible import visible_collections
from retrieval.chunking import front_matter
from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from app.desk import Desk

_AROUND = 6_000
_HEADING = re.compile(r"^(#{1,6}) +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Excerpt:
    """A document around a quote.

    Attributes:
        before: Text before the quote.
        quote: The quote, exactly as it stands there; empty where the document no longer holds it.
        after: Text behind it.
        cut_before: Whether the document begins earlier.
        cut_after: Whether it goes on.
        problem: Why the quote is not shown in its document.
    """

    before: str = ""
    quote: str = ""
    after: str = ""
    cut_before: bool = False
    cut_after: bool = False
    problem: str = ""


def excerpt_of(desk: "Desk", user: User, citation: dict[str, Any]) -> Excerpt:
    """A citation's document around its quote, as it stands in the index now."""
    try:
        text = desk.index.document_text(str(citation["document_id"]), collections=visible_collections(desk.index, user))
    except RetrievalError:
        return Excerpt(problem="This document is no longer in the index.")
    start, end = int(citation["start"]), int(citation["end"])
    if text[start:end] != citation["quote"]:
        return Excerpt(
            problem="The document has changed since; the passage stands as it was when the answer was given."
        )
    begins = front_matter(text)[1]
    first, last = max(start - _AROUND, begins), min(end + _AROUND, len(text))
    return Excerpt(text[first:start], text[start:end], text[end:last], first > begins, last < len(text))


def evidence(body: dict[str, Any] | None, turn: int, chosen: int = 0, excerpt: Excerpt | None = None) -> str:
    """The passages behind an answer, each quote marked where it stands.

    Args:
        body: The answer as it is stored; None where there is none yet.
        turn: Its message.
        chosen: Number of the citation that was clicked.
        excerpt: Its document.
    """
    if body is None:
        return (
            "<div class='fd-evidence-empty'><h3>Evidence</h3><p>The passages behind an answer stand here. Click a "
            "number in the answer to see its passage marked in the document.</p></div>"
        )
    numbers = numbered(body)
    citations = {numbers[citation_key(c)]: c for sentence in body["sentences"] for c in sentence["citations"]}
    if not citations:
        why = (
            "This answer comes from figures; no document stands behind it."
            if body.get("tool_results")
            else "No passage in the documents supports an answer to this question."
        )
        return f"<div class='fd-evidence-empty'><h3>Evidence</h3><p>{why}</p></div>"
    cards = "".join(
        _card(
            number,
            citation,
            body.get("passages", {}).get(citation["passage_id"]),
            turn,
            excerpt if number == chosen else None,
            number == chosen,
        )
        for number, citation in sorted(citations.items())
    )
    return f"<section class='fd-evidence' data-turn='{turn}'><h3>Evidence</h3><ol>{cards}</ol></section>"


def _card(
    number: int,
    citation: dict[str, Any],
    passage: dict[str, Any] | None,
    turn: int,
    excerpt: Excerpt | None,
    chosen: bool,
) -> str:
    title = passage["title"] if passage else citation["document_id"]
    collection = f"<span class='fd-tag'>{show.plain_name(passage['collection'])}</span>" if passage else ""
    dated = f" · {show.day(passage['dated'])}" if passage and passage["dated"] else ""
    shown = excerpt is not None and not excerpt.problem
    problem = f"<p class='fd-note'>{show.text(excerpt.problem)}</p>" if excerpt is not None and excerpt.problem else ""
    inner = (
        _document(excerpt, str(title))
        if shown and excerpt is not None
        else f"{problem}<blockquote>{marked(citation, passage)}</blockquote>"
    )
    label = "Show less" if shown else "Show in document"
    return (
        f"<li id='evidence-{number}' data-number='{number}' aria-current='{'true' if chosen else 'false'}' "
        "tabindex='-1'>"
        f"<header><span class='fd-number'>{number}</span><strong>{show.text(title)}</strong>{collection}</header>"
        f"{inner}"
        f"<p class='fd-soft fd-evidence-end'><span><span class='fd-id'>{show.text(short_source(citation['source']))}"
        f"</span>{dated} · characters {citation['start']}–{citation['end']}</span>"
        f"<button type='button' class='fd-quiet' data-turn='{turn}' data-open='{0 if shown else number}'>{label}"
        "</button></p></li>"
    )


def _document(excerpt: Excerpt, title: str) -> str:
    before = "<p class='fd-soft'>… begins earlier</p>" if excerpt.cut_before else ""
    after = "<p class='fd-soft'>… goes on</p>" if excerpt.cut_after else ""
    return (
        f"<div class='fd-document' tabindex='0' role='region' aria-label='{show.text(title)}'>{before}"
        f"<div class='fd-document-text'>{_read(excerpt.before)}<mark>{_read(excerpt.quote)}</mark>"
        f"{_read(excerpt.after)}</div>{after}</div>"
    )


def _read(text: str) -> str:
    """Escaped text of a document, its headings strong."""
    return _HEADING.sub(r"<b>\2</b>", flowing(text))


def marked(citation: dict[str, Any], passage: dict[str, Any] | None) -> str:
    """The passage with the quote marked, only where the text at its offsets is the quote."""
    quote = citation["quote"]
    if passage is not None:
        text = passage["text"]
        first, last = citation["start"] - passage["start"], citation["end"] - passage["start"]
        if 0 <= first < last <= len(text) and text[first:last] == quote:
            return f"{flowing(text[:first])}<mark>{flowing(quote)}</mark>{flowing(text[last:])}"
    return f"<mark>{flowing(quote)}</mark>"


def short_source(source: str) -> str:
    """The last two parts of a source; a full path says where the desk is installed and no more."""
    return "/".join(source.replace("\\", "/").split("/")[-2:])
