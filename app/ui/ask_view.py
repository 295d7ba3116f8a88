"""Answers on the page: sentences with numbered citations, figures from tools, and the evidence beside them."""

import re
from dataclasses import dataclass
from typing import Any

from app.assistant import Reply
from app.records import Precedent, ReasonRecord
from app.ui import format as show
from app.ui.case_view import precedents_block, reasons_block, state_badge

_SOFT_BREAK = re.compile(r"(?<=[^\n])\n(?=[^\n\s#|*\-\d])")

STATUS = {
    "answered": ("✓", "Answered from the documents"),
    "partial": ("◐", "Partly answered"),
    "not_in_documents": ("○", "Not in the documents"),
    "only_figures": ("○", "Figures above; nothing on it in the documents"),
}


@dataclass(frozen=True)
class Turn:
    """One question with its answer; `body` is the reply as `payload_of` makes it, None while it is on the way.

    `said` is what the answerer has said so far, before each sentence is checked.
    """

    question: str
    body: dict[str, Any] | None = None
    step: str = ""
    said: str = ""
    error: str = ""
    message_id: int | None = None


def payload_of(reply: Reply) -> dict[str, Any]:
    """All that is needed to show a reply again later: its JSON and the passages that it cites."""
    cited = {c.passage_id for sentence in reply.answer.sentences for c in sentence.citations}
    passages = {
        hit.passage_id: {
            "title": hit.title,
            "text": hit.text,
            "start": hit.start,
            "collection": str(hit.metadata.get("collection", "")),
            "dated": str(hit.metadata.get("closed") or hit.metadata.get("published") or ""),
        }
        for hit in reply.answer.hits
        if hit.passage_id in cited
    }
    return reply.to_dict() | {"passages": passages}


def conversation(turns: list[Turn], examples: list[str]) -> str:
    """The conversation so far, or examples of what can be asked."""
    if not turns:
        chips = "".join(f"<button type='button' data-ask='{show.text(q)}'>{show.text(q)}</button>" for q in examples)
        return (
            "<div class='fd-welcome'><h2>Ask the documents</h2><p>Case notes, typology guides, policies and "
            "model reports. "
            "Name a payment by its id for its score, its reasons and the nearest closed cases.</p>"
            f"<div class='fd-examples'>{chips}</div></div>"
        )
    said = "".join(_turn(place, turn) for place, turn in enumerate(turns))
    return f"<div class='fd-talk' role='log' aria-live='polite'>{said}</div>"


def _turn(place: int, turn: Turn) -> str:
    if turn.error:
        answer = f"<div class='fd-answer'><p class='fd-problem' role='alert'>{show.text(turn.error)}</p></div>"
    elif turn.body is None:
        draft = f"<p class='fd-sentences fd-draft'>{show.text(turn.said)}</p>" if turn.said else ""
        answer = (
            "<div class='fd-answer'><div class='fd-waiting'><span class='fd-dots' aria-hidden='true'></span>"
            f"{show.text(turn.step)}</div>{draft}</div>"
        )
    else:
        answer = _answer(place, turn)
    return f"<div class='fd-question'>{show.text(turn.question)}</div>{answer}"


def _answer(place: int, turn: Turn) -> str:
    body = turn.body or {}
    numbers = numbered(body)
    sentences = "".join(_sentence(place, sentence, numbers) for sentence in body["sentences"])
    if not body["sentences"]:
        sentences = show.text(body["answer"])
    notices = "".join(f"<p class='fd-note'>{show.text(notice)}</p>" for notice in body.get("notices", ()))
    case = _tool_figures(body["case"]) if "case" in body else ""
    status = "only_figures" if case and body["status"] == "not_in_documents" else body["status"]
    return (
        f"<div class='fd-answer' data-turn='{place}'>{case}<div class='fd-answer-head'>{status_badge(status)}"
        f"<span class='fd-soft'>{show.text(body['answerer'])} · {body['elapsed_ms'] / 1000:.1f} s</span></div>"
        f"<p class='fd-sentences'>{sentences}</p>{notices}{_feedback(turn)}</div>"
    )


def status_badge(status: str) -> str:
    """Answered, partly answered, or not in the documents."""
    glyph, label = STATUS.get(status, ("•", status))
    mark = f"<i aria-hidden='true'>{glyph}</i>"
    return f"<span class='fd-status fd-status-{show.text(status)}'>{mark}{show.text(label)}</span>"


def numbered(body: dict[str, Any]) -> dict[tuple[str, int, int], int]:
    """A number from 1 for each distinct citation, in the order of the sentences."""
    numbers: dict[tuple[str, int, int], int] = {}
    for sentence in body["sentences"]:
        for citation in sentence["citations"]:
            numbers.setdefault(_key(citation), len(numbers) + 1)
    return numbers


def _key(citation: dict[str, Any]) -> tuple[str, int, int]:
    return citation["document_id"], citation["start"], citation["end"]


def _sentence(place: int, sentence: dict[str, Any], numbers: dict[tuple[str, int, int], int]) -> str:
    marks = "".join(
        f"<button type='button' class='fd-cite' data-turn='{place}' data-evidence='{number}' "
        f"aria-label='Evidence {number}'>{number}</button>"
        for number in dict.fromkeys(numbers[_key(citation)] for citation in sentence["citations"])
    )
    if sentence["supported"]:
        return f"<span>{show.text(sentence['text'])}{marks}</span> "
    return (
        f"<span class='fd-unsupported' title='No passage supports this sentence'>{show.text(sentence['text'])}{marks}"
        "<em>no source</em></span> "
    )


def _tool_figures(case: dict[str, Any]) -> str:
    over = case["probability"] >= case["threshold"]
    reasons = [ReasonRecord(**reason) for reason in case["reasons"]]
    near = [Precedent(**{**item, "shared_accounts": tuple(item["shared_accounts"])}) for item in case["precedents"]]
    state = state_badge(case["state"]) if case["state"] else ""
    return (
        "<section class='fd-tools'><header><span class='fd-tag fd-tag-strong'>Figures from the model</span>"
        f"<span class='fd-id'>{show.text(case['transaction_id'])}</span>{state}</header>"
        "<dl class='fd-figures'>"
        f"<div><dt>Score</dt><dd class='fd-big'>{show.score(case['probability'])}</dd></div>"
        f"<div><dt>Threshold</dt><dd>{show.score(case['threshold'])} {'reached' if over else 'not reached'}</dd></div>"
        f"<div><dt>Amount</dt><dd>{show.money(case['amount'], case['currency'])}</dd></div>"
        f"<div><dt>Model</dt><dd>version {show.text(case['model_version'])}, "
        f"{show.text(case['origin'])}</dd></div></dl>"
        f"{reasons_block(reasons)}{precedents_block(near)}</section>"
    )


def _feedback(turn: Turn) -> str:
    if turn.message_id is None:
        return ""
    return (
        f"<div class='fd-feedback' data-message='{turn.message_id}'><span class='fd-soft'>Did this help?</span>"
        "<button type='button' class='fd-button' data-helpful='1'>Yes</button>"
        "<button type='button' class='fd-button' data-helpful='0'>No</button></div>"
    )


def evidence(body: dict[str, Any] | None, turn: int, chosen: int = 0) -> str:
    """The passages behind an answer, each quote marked where it stands."""
    if body is None:
        return "<div class='fd-evidence-empty'><h3>Evidence</h3><p>The passages behind an answer stand here.</p></div>"
    numbers = numbered(body)
    citations = {numbers[_key(c)]: c for sentence in body["sentences"] for c in sentence["citations"]}
    if not citations:
        return (
            "<div class='fd-evidence-empty'><h3>Evidence</h3><p>No passage in the documents supports an answer to this "
            "question.</p></div>"
        )
    cards = "".join(
        _card(number, citation, body["passages"].get(citation["passage_id"]), number == chosen)
        for number, citation in sorted(citations.items())
    )
    return f"<section class='fd-evidence' data-turn='{turn}'><h3>Evidence</h3><ol>{cards}</ol></section>"


def _card(number: int, citation: dict[str, Any], passage: dict[str, Any] | None, chosen: bool) -> str:
    title = passage["title"] if passage else citation["document_id"]
    collection = f"<span class='fd-tag'>{show.plain_name(passage['collection'])}</span>" if passage else ""
    dated = f" · {show.day(passage['dated'])}" if passage and passage["dated"] else ""
    return (
        f"<li id='evidence-{number}' data-number='{number}' aria-current='{'true' if chosen else 'false'}' "
        "tabindex='-1'>"
        f"<header><span class='fd-number'>{number}</span><strong>{show.text(title)}</strong>{collection}</header>"
        f"<blockquote>{marked(citation, passage)}</blockquote>"
        f"<p class='fd-soft'><span class='fd-id'>{show.text(_short(citation['source']))}</span>{dated} · characters "
        f"{citation['start']}–{citation['end']}</p></li>"
    )


def marked(citation: dict[str, Any], passage: dict[str, Any] | None) -> str:
    """The passage with the quote marked, only where the text at its offsets is the quote."""
    quote = citation["quote"]
    if passage is not None:
        text = passage["text"]
        first, last = citation["start"] - passage["start"], citation["end"] - passage["start"]
        if 0 <= first < last <= len(text) and text[first:last] == quote:
            return f"{flowing(text[:first])}<mark>{flowing(quote)}</mark>{flowing(text[last:])}"
    return f"<mark>{flowing(quote)}</mark>"


def flowing(text: str) -> str:
    """Escaped text whose hard line breaks flow; paragraphs, headings and list items stay apart."""
    return show.text(_SOFT_BREAK.sub(" ", text))


def _short(source: str) -> str:
    """The last two parts of a source; a full path says where the desk is installed and no more."""
    return "/".join(source.replace("\\", "/").split("/")[-2:])
