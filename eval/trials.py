"""One question put to the assistant: what it answered, how long it took, what its citations really point at."""

import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from eval.questions import Question
from eval.spans import locate, overlap_share, without_markers
from fraud_model.progress import Progress, ProgressCallback

logger = logging.getLogger(__name__)

REFUSED = "not_in_documents"
# A citation meets a gold passage where they share at least this much of the shorter of the two.
_LEAST_OVERLAP = 0.5

DocumentText = Callable[[str], str | None]


class Asks(Protocol):
    """What is measured: `retrieval.Answerer`, or anything that answers in the same way."""

    def ask(self, question: str, as_of: Any = None, where: Any = None) -> Any:
        """The assistant's answer to a question."""


@dataclass(frozen=True)
class CitedSpan:
    """A citation, with the text that the document has at its offsets.

    Attributes:
        document_id: The cited document.
        start: First character in the document's text.
        end: One past the last character.
        quote: What the assistant says stands there.
        found: What stands there; None where the document or the span does not exist.
    """

    document_id: str
    start: int
    end: int
    quote: str
    found: str | None

    @property
    def exact(self) -> bool:
        """Whether the quote is, character for character, what stands there."""
        return bool(self.quote) and self.quote == self.found


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer with its citations."""

    text: str
    citations: tuple[CitedSpan, ...]


@dataclass(frozen=True)
class GoldSpan:
    """A gold passage, with its place in the document; `span` is None where the document no longer says it."""

    document_id: str
    quote: str
    span: tuple[int, int] | None


@dataclass(frozen=True)
class Trial:
    """A question and what came of it.

    Attributes:
        question: What was asked.
        status: answered, partial or not_in_documents; empty where asking failed.
        response: The answer's text without citation markers.
        sentences: The answer's sentences.
        contexts: Retrieved passages, best first, as (document_id, text).
        gold: The gold passages with their places.
        seconds: Wall-clock time of the answer.
        error: Why asking failed; empty where it did not.
    """

    question: Question
    status: str
    response: str
    sentences: tuple[Sentence, ...]
    contexts: tuple[tuple[str, str], ...]
    gold: tuple[GoldSpan, ...]
    seconds: float
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether asking raised an error."""
        return bool(self.error)

    @property
    def refused(self) -> bool:
        """Whether the assistant said that the documents do not tell."""
        return self.status == REFUSED

    @property
    def answered(self) -> bool:
        """Whether there is an answer, whole or in part."""
        return not self.failed and not self.refused

    @cached_property
    def citations(self) -> tuple[CitedSpan, ...]:
        """All citations, each span once."""
        found = {(c.document_id, c.start, c.end, c.quote): c for s in self.sentences for c in s.citations}
        return tuple(found.values())

    def meets(self, citation: CitedSpan, gold: GoldSpan) -> bool:
        """Whether a citation rests on a gold passage: the same document, and overlapping text."""
        if citation.document_id != gold.document_id:
            return False
        if gold.span is not None:
            return overlap_share((citation.start, citation.end), gold.span) >= _LEAST_OVERLAP
        return _squeezed(gold.quote) in _squeezed(citation.quote) or _squeezed(citation.quote) in _squeezed(gold.quote)


def run_trials(
    answerer: Asks, questions: Sequence[Question], document_text: DocumentText, progress: ProgressCallback | None = None
) -> list[Trial]:
    """Every question put to the assistant, in order; a question that fails is recorded and does not stop the rest."""
    trials = []
    for number, question in enumerate(questions, start=1):
        trials.append(_try(answerer, question, document_text))
        if progress is not None:
            progress(Progress("asking the questions", number, len(questions), question.id))
    return trials


def _try(answerer: Asks, question: Question, document_text: DocumentText) -> Trial:
    gold = tuple(_gold_span(passage.document_id, passage.quote, document_text) for passage in question.gold)
    started = time.perf_counter()
    try:
        answer = answerer.ask(question.question, as_of=question.as_of)
    except Exception as error:  # Whatever the assistant raises is a result of the measurement.
        logger.warning("question %s failed: %s", question.id, error)
        seconds = time.perf_counter() - started
        return Trial(question, "", "", (), (), gold, seconds, f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - started
    return Trial(
        question=question,
        status=answer.status,
        response=without_markers(answer.answer),
        sentences=tuple(_sentence(sentence, document_text) for sentence in answer.sentences),
        contexts=tuple((hit.document_id, hit.text) for hit in answer.hits),
        gold=gold,
        seconds=seconds,
    )


def _sentence(sentence: Any, document_text: DocumentText) -> Sentence:
    citations = []
    for citation in sentence.citations:
        text = document_text(citation.document_id)
        inside = text is not None and 0 <= citation.start < citation.end <= len(text)
        found = text[citation.start : citation.end] if text is not None and inside else None
        citations.append(CitedSpan(citation.document_id, citation.start, citation.end, citation.quote, found))
    return Sentence(sentence.text, tuple(citations))


def _gold_span(document_id: str, quote: str, document_text: DocumentText) -> GoldSpan:
    text = document_text(document_id)
    return GoldSpan(document_id, quote, locate(quote, text) if text is not None else None)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
