"""Answers on the page: steps while working, sentences with numbered citations, figures from tools, feedback."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.ui import format as show
from app.ui.figures_view import figure_cards, figure_sentences
from retrieval.resolution import NO_ANSWER

_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_SOFT_BREAK = re.compile(r"(?<=[^\n])\n(?=[^\n\s#|*\-\d])")

STATUS = {
    "answered": ("✓", "Answered"),
    "partial": ("◐", "Partly answered"),
    "not_in_documents": ("○", "Not in the documents"),
}
_FROM = {
    ("documents",): "from the documents",
    ("tools",): "from figures",
    ("tools", "documents"): "from figures and documents",
}
_ENDED = {
    "stopped": "Stopped. What was there by then stands below.",
    "interrupted": "Interrupted before it was complete. What was there by then stands below.",
}

_THUMB = (
    "<svg viewBox='0 0 24 24' width='15' height='15' aria-hidden='true' fill='none' stroke='currentColor' "
    "stroke-width='1.8' stroke-linejoin='round'><path d='M7 10.5v9H3.5v-9zM7 10.5l4-8c1.6 0 2.5 1 2.5 2.6V9h5.4c1.3 0 "
    "2.2 1.2 1.9 2.4l-1.6 6.4c-.2 1-1.1 1.7-2.1 1.7H7'/></svg>"
)


@dataclass(frozen=True)
class Turn:
    """One question with its answer.

    Attributes:
        question: As asked.
        body: The reply as it is stored; None while it is on the way, or where it never came.
        step: What is being done now.
        said: What the answerer has said so far, before each sentence is checked.
        error: Why there is no answer.
        message_id: Of the answer.
        state: done, writing, stopped, interrupted or failed.
        steps: What was done before `step`.
        results: Figures that came before the answer was complete.
        helpful: What the reader thought of it; None where nothing was said.
    """

    question: str
    body: dict[str, Any] | None = None
    step: str = ""
    said: str = ""
    error: str = ""
    message_id: int | None = None
    state: str = "done"
    steps: tuple[str, ...] = ()
    results: Sequence[dict[str, Any]] = field(default=())
    helpful: bool | None = None


def conversation(
    turns: Sequence[Turn], examples: Sequence[str], title: str = "Ask the documents and the figures"
) -> str:
    """The conversation so far, or examples of what can be asked."""
    if not turns:
        chips = "".join(f"<button type='button' data-ask='{show.text(q)}'>{show.text(q)}</button>" for q in examples)
        return (
            f"<div class='fd-welcome'><h2>{show.text(title)}</h2><p>Policies, typology guides, case notes and model "
            "reports, each sentence with its source. Name a payment, an account, a model version or a run for its "
            f"figures.</p><div class='fd-examples'>{chips}</div></div>"
        )
    said = "".join(turn_view(turn) for turn in turns)
    return f"<div class='fd-talk' role='log' aria-live='polite' aria-label='Conversation'>{said}</div>"


def turn_view(turn: Turn) -> str:
    """One question and what became of it."""
    return f"{_question(turn)}{_answer_box(turn)}"


def _question(turn: Turn) -> str:
    return (
        f"<div class='fd-question' data-question='{show.text(turn.question)}'><span>{show.text(turn.question)}</span>"
        "<button type='button' class='fd-quiet' data-edit aria-label='Edit this question and ask again' "
        "title='Edit and ask again'>✎</button></div>"
    )


def _answer_box(turn: Turn) -> str:
    if turn.error or turn.state in ("failed", "interrupted", "stopped"):
        return _ended(turn)
    if turn.body is None:
        return _waiting(turn)
    return _answer(turn)


def _ended(turn: Turn) -> str:
    """An answer that did not come to its end, with what there is of it."""
    kept = f"<p class='fd-sentences fd-draft'>{show.text(turn.said)}</p>" if turn.said else ""
    results = {"tool_results": list(turn.results)}
    why = turn.error or _ENDED.get(turn.state, "There is no answer.")
    if not kept and not turn.results and not turn.error:
        why = why.split(". What")[0].rstrip(".") + "."
    return (
        f"<div class='fd-answer fd-ended'><p class='fd-problem' role='alert'>{show.text(why)}</p>"
        f"{figure_sentences(results)}{kept}{figure_cards(results)}"
        "<div class='fd-feedback'><button type='button' class='fd-button' data-again>Ask again</button></div></div>"
    )


def _waiting(turn: Turn) -> str:
    done = "".join(f"<li><i aria-hidden='true'>✓</i>{show.text(step)}</li>" for step in turn.steps if step != turn.step)
    draft = f"<p class='fd-sentences fd-draft'>{show.text(turn.said)}</p>" if turn.said else ""
    results = {"tool_results": list(turn.results)}
    return (
        f"<div class='fd-answer fd-on-the-way'><ol class='fd-steps'>{done}<li class='fd-waiting' aria-current='step'>"
        f"<span class='fd-dots' aria-hidden='true'></span>{show.text(turn.step)}</li></ol>"
        f"{figure_sentences(results)}{draft}</div>"
    )


def _answer(turn: Turn) -> str:
    body = turn.body or {}
    numbers = numbered(body)
    sentences = "".join(_sentence(turn, sentence, numbers) for sentence in body["sentences"])
    asked = body.get("asked", True)
    # Figures that only go with what the question names are told where the documents have nothing.
    figured = figure_sentences(body) if asked or not sentences else ""
    if not sentences and not (asked and figured):
        sentences = show.text(NO_ANSWER if figured else body["answer"])
    documents = f"<p class='fd-sentences'>{sentences}</p>" if sentences else ""
    if body.get("quoted") and body["sentences"]:
        documents = _quotes(turn, body, numbers)
    notices = "".join(f"<p class='fd-note'>{show.text(notice)}</p>" for notice in body.get("notices", ()))
    arm = body.get("arm", "default")
    who = f"{body['answerer']}{'' if arm == 'default' else f' · {arm}'} · {body['elapsed_ms'] / 1000:.1f} s"
    return (
        f"<div class='fd-answer' data-turn='{turn.message_id or 0}'><div class='fd-answer-head'>{_status(body)}"
        f"<span class='fd-soft'>{show.text(who)}</span></div>{figured + documents if asked else documents + figured}"
        f"{notices}{figure_cards(body)}"
        f"{_feedback(turn)}</div>"
    )


def _quotes(turn: Turn, body: dict[str, Any], numbers: dict[tuple[str, int, int], int]) -> str:
    """What each document says, under its title: passages behind figures, which make no text of their own."""
    said: dict[str, list[str]] = {}
    for sentence in body["sentences"]:
        citation = sentence["citations"][0]
        passage = body.get("passages", {}).get(citation["passage_id"]) or {}
        said.setdefault(str(passage.get("title") or citation["document_id"]), []).append(
            _sentence(turn, sentence, numbers)
        )
    rows = "".join(f"<li><b>{show.text(title)}</b> {' '.join(parts)}</li>" for title, parts in said.items())
    return f"<ul class='fd-sentences fd-quotes'>{rows}</ul>"


def _status(body: dict[str, Any]) -> str:
    origin = _FROM.get(tuple(body.get("answered_from") or ()), "")
    status = body["status"]
    return status_badge(status, "" if status == "not_in_documents" else origin)


def status_badge(status: str, origin: str = "") -> str:
    """Answered, partly answered, or not in the documents; and from what."""
    glyph, label = STATUS.get(status, ("•", status))
    mark = f"<i aria-hidden='true'>{glyph}</i>"
    words = f"{label} {origin}".strip()
    return f"<span class='fd-status fd-status-{show.text(status)}'>{mark}{show.text(words)}</span>"


def numbered(body: dict[str, Any]) -> dict[tuple[str, int, int], int]:
    """A number from 1 for each distinct citation, in the order of the sentences."""
    numbers: dict[tuple[str, int, int], int] = {}
    for sentence in body["sentences"]:
        for citation in sentence["citations"]:
            numbers.setdefault(citation_key(citation), len(numbers) + 1)
    return numbers


def citation_key(citation: dict[str, Any]) -> tuple[str, int, int]:
    """What makes a citation the same as another: the range of the document."""
    return citation["document_id"], citation["start"], citation["end"]


def _sentence(turn: Turn, sentence: dict[str, Any], numbers: dict[tuple[str, int, int], int]) -> str:
    marks = "".join(
        f"<button type='button' class='fd-cite' data-turn='{turn.message_id or 0}' data-evidence='{number}' "
        f"aria-label='Evidence {number}'>{number}</button>"
        for number in dict.fromkeys(numbers[citation_key(citation)] for citation in sentence["citations"])
    )
    if sentence["supported"]:
        return f"<span>{plainly(sentence['text'])}{marks}</span> "
    return (
        f"<span class='fd-unsupported' title='No passage supports this sentence'>{plainly(sentence['text'])}{marks}"
        "<em>no source</em></span> "
    )


def _feedback(turn: Turn) -> str:
    if turn.message_id is None:
        return ""
    up, down = (str(turn.helpful is said).lower() for said in (True, False))
    noted = "" if turn.helpful is None else "Thank you, noted."
    return (
        f"<div class='fd-feedback' data-message='{turn.message_id}'>"
        f"<button type='button' class='fd-thumb' data-helpful='1' aria-pressed='{up}' aria-label='This helped' "
        f"title='This helped'>{_THUMB}</button>"
        f"<button type='button' class='fd-thumb' data-helpful='0' aria-pressed='{down}' aria-label='This did not help' "
        f"title='This did not help'>{_THUMB}</button>"
        "<button type='button' class='fd-button' data-correct aria-expanded='false'>Correct it</button>"
        f"<span class='fd-soft' role='status'>{noted}</span>"
        "<form class='fd-correction' hidden><label>What would have been right?<textarea name='correction' rows='3' "
        "maxlength='5000' required></textarea></label><p class='fd-soft'>It is kept as a question that the assistant "
        "is to be measured on, once somebody has looked at it.</p><button type='submit' class='fd-button fd-primary'>"
        "Send correction</button></form></div>"
    )


def plainly(text: str) -> str:
    """Escaped text of a sentence without its Markdown: cells of a table's row side by side, no marks of emphasis."""
    row = text.strip()
    if row.startswith("|") and row.endswith("|"):
        return " · ".join(show.text(cell.strip()) for cell in row.strip("|").split("|") if cell.strip())
    return show.text(_EMPHASIS.sub(r"\2", text))


def flowing(text: str) -> str:
    """Escaped text whose hard line breaks flow; paragraphs, headings and list items stay apart."""
    return show.text(_SOFT_BREAK.sub(" ", text))
