"""Candidate questions of this desk: made from its documents and its analysts' corrections, decided on by a person."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.corpus import open_index
from app.settings import Settings

if TYPE_CHECKING:
    from app.console import ProgressLine
    from eval.builder import Candidate
    from eval.candidates import CandidateBook
    from eval.questions import GoldPassage, Question
    from retrieval import Index

_PASSAGES = 10
_LONGEST_TEXT = 6_000


def book_of(settings: Settings) -> "CandidateBook":
    """Where candidates and decisions stand."""
    from eval.candidates import CandidateBook

    return CandidateBook(settings.home / "eval")


def build(
    settings: Settings,
    documents: Sequence[str] = (),
    *,
    most: int = 50,
    llm: str | None = None,
    progress: "ProgressLine | None" = None,
) -> int:
    """Make candidates of documents that no question is about yet; how many are new.

    Args:
        settings: Settings in force.
        documents: Ids of documents, or the beginnings of ids; empty for all.
        most: Of how many documents at most, in the order of their ids.
        llm: `ollama:MODEL` that words a question of each document beside; None: no model is asked.
        progress: Told after each document.
    """
    from eval.builder import from_document
    from eval.questions import load_questions
    from fraud_model.progress import Progress

    book = book_of(settings)
    with open_index(settings, read_only=True) as index:
        asked = {gold.document_id for question in load_questions() for gold in question.gold}
        asked |= {candidate.made_from for candidate in book.pending()}
        names = [
            name
            for name in index.document_ids()
            if (name.startswith(tuple(documents)) if documents else name not in asked)
        ][:most]
        found: list[Candidate] = []
        for number, name in enumerate(names, start=1):
            document = index.document(name)
            if document is None:
                continue
            found += from_document(name, document.title, document.text, document.metadata)
            if llm is not None:
                found += _worded(settings, llm, name, document.text)
            if progress is not None:
                progress(Progress("making questions", number, len(names), name))
    return book.add(found)


def accept(
    settings: Settings,
    candidate_id: str,
    by: str,
    *,
    question: str | None = None,
    answer: str | None = None,
    gold: Sequence[str] = (),
    kind: str | None = None,
    split: str | None = None,
) -> "Question":
    """Take a candidate into the questions; a correction without a passage gets the one that says the same, if any.

    Args:
        settings: Settings in force.
        candidate_id: Which.
        by: Who decides.
        question: Another wording.
        answer: Another reference answer.
        gold: Passages as `DOCUMENT::QUOTE`.
        kind: Another kind.
        split: `gate` or `development`.

    Raises:
        EvalInputError: there is no such candidate, or what comes out is no sound question.
    """
    from retrieval.errors import InputError

    book = book_of(settings)
    with open_index(settings, read_only=True) as index:

        def text_of(document_id: str) -> str | None:
            try:
                return index.document_text(document_id)
            except InputError:
                return None

        passages = [_passage(text) for text in gold]
        if not passages and kind is None:
            candidate = next((entry for entry in book.pending() if entry.id == candidate_id), None)
            if candidate is not None and not candidate.gold and candidate.kind == "answerable":
                found = _bearing(index, question or candidate.question, answer or candidate.reference_answer)
                passages = [found] if found else []
        return book.accept(
            candidate_id,
            by,
            text_of,
            question=question,
            answer=answer,
            gold=passages or None,
            kind=kind,
            split=split,
        )


def _bearing(index: "Index", question: str, answer: str) -> "GoldPassage | None":
    from eval.builder import bearing_passage

    hits = index.search(f"{question} {answer}", _PASSAGES, per_document=2)
    return bearing_passage(answer, [(hit.document_id, hit.text) for hit in hits])


def _passage(text: str) -> "GoldPassage":
    from eval.errors import EvalInputError
    from eval.questions import GoldPassage

    document_id, found, quote = text.partition("::")
    if not found or not document_id.strip() or not quote.strip():
        raise EvalInputError(f"--gold {text!r} is not of the form DOCUMENT::QUOTE")
    return GoldPassage(document_id.strip(), quote)


def _worded(settings: Settings, llm: str, document_id: str, text: str) -> "list[Candidate]":
    """A question in the words of a language model; none where it gives nothing that can be used."""
    from eval.builder import MadeUp, from_model, made_up_prompt
    from eval.judge import Judge, JudgeFailure, OllamaJudge

    model = OllamaJudge(Judge.parse(llm, settings.ollama_url))
    try:
        said = asyncio.run(model.agenerate(made_up_prompt(text[:_LONGEST_TEXT]), MadeUp))
    except JudgeFailure:
        return []
    candidate = from_model(document_id, text, said)
    return [candidate] if candidate else []
