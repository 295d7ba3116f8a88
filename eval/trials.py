"""One question put to the assistant: what it answered, how long it took, what its citations really point at."""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
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
        tool_text: Figures that tools of the desk gave beside the documents, as the analyst reads them.
        trace_id: The answer's trace in MLflow; empty where none is kept.
        prompt_tokens: What the model read, as its server reports; None where it does not.
        reply_tokens: What the model wrote, likewise.
        answerer: Who gave the answer, `extractive` or `ollama:MODEL`; empty where asking failed.
    """

    question: Question
    status: str
    response: str
    sentences: tuple[Sentence, ...]
    contexts: tuple[tuple[str, str], ...]
    gold: tuple[GoldSpan, ...]
    seconds: float
    error: str = ""
    tool_text: str = ""
    trace_id: str = ""
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    answerer: str = ""

    @property
    def failed(self) -> bool:
        """Whether asking raised an error."""
        return bool(self.error)

    @property
    def refused(self) -> bool:
        """Whether the assistant said that the documents do not tell; a tool's figures answer what is asked of tools."""
        return self.status == REFUSED and not (self.question.facts and self.tool_text)

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
    answerer: Asks,
    questions: Sequence[Question],
    document_text: DocumentText,
    progress: ProgressCallback | None = None,
    *,
    known: Mapping[str, Mapping[str, Any]] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> list[Trial]:
    """Every question put to the assistant, in order; a question that fails is recorded and does not stop the rest.

    Args:
        answerer: The assistant.
        questions: What to ask.
        document_text: Text of a document by id.
        progress: Told after each question.
        known: Answers from before, by question id, as `to_plain` gives them: not asked again.
        on_trial: Told each new answer, so that it is not lost with the process.
    """
    trials = []
    for number, question in enumerate(questions, start=1):
        before = (known or {}).get(question.id)
        if before is not None:
            trial = from_plain(before, question, document_text)
        else:
            trial = ask(answerer, question, document_text)
            if on_trial is not None:
                on_trial(trial)
        trials.append(trial)
        if progress is not None:
            progress(Progress("asking the questions", number, len(questions), question.id))
    return trials


def ask(answerer: Asks, question: Question, document_text: DocumentText) -> Trial:
    """One question put to the assistant; what it raises is recorded."""
    started = time.perf_counter()
    try:
        answer = answerer.ask(question.question, as_of=question.as_of)
    except Exception as error:  # Whatever the assistant raises is a result of the measurement.
        logger.warning("question %s failed: %s", question.id, error)
        failed = {"status": "", "seconds": time.perf_counter() - started, "error": f"{type(error).__name__}: {error}"}
        return from_plain(failed, question, document_text)
    seconds = time.perf_counter() - started
    return from_plain({**answer_to_plain(answer), "seconds": seconds}, question, document_text)


def answer_to_plain(answer: Any) -> dict[str, Any]:
    """What is measured of an answer, as JSON values; `answer` is as `retrieval.Answer`."""
    extractive = getattr(answer, "answerer", "") == "extractive"
    return {
        "status": answer.status,
        "response": without_markers(answer.answer),
        "sentences": [
            [said.text, [[c.document_id, c.start, c.end, c.quote] for c in said.citations]] for said in answer.sentences
        ],
        "contexts": [[hit.document_id, hit.text] for hit in answer.hits],
        "tool_text": getattr(answer, "tool_text", "") or "",
        "trace_id": getattr(answer, "trace_id", "") or "",
        # The extractive answerer reads and writes no tokens.
        "prompt_tokens": 0 if extractive else getattr(answer, "prompt_tokens", None),
        "reply_tokens": 0 if extractive else getattr(answer, "completion_tokens", None),
        "answerer": getattr(answer, "answerer", ""),
    }


def to_plain(trial: Trial) -> dict[str, Any]:
    """A trial as JSON values, without its question."""
    return {
        "status": trial.status,
        "response": trial.response,
        "sentences": [
            [said.text, [[c.document_id, c.start, c.end, c.quote] for c in said.citations]] for said in trial.sentences
        ],
        "contexts": [list(context) for context in trial.contexts],
        "seconds": trial.seconds,
        "error": trial.error,
        "tool_text": trial.tool_text,
        "trace_id": trial.trace_id,
        "prompt_tokens": trial.prompt_tokens,
        "reply_tokens": trial.reply_tokens,
        "answerer": trial.answerer,
    }


def from_plain(plain: Mapping[str, Any], question: Question, document_text: DocumentText) -> Trial:
    """A trial from the values of `to_plain`, its citations looked up in the documents as they stand."""
    return Trial(
        question=question,
        status=str(plain["status"]),
        response=str(plain.get("response", "")),
        sentences=tuple(_sentence(text, cited, document_text) for text, cited in plain.get("sentences", ())),
        contexts=tuple((str(name), str(text)) for name, text in plain.get("contexts", ())),
        gold=tuple(_gold_span(passage.document_id, passage.quote, document_text) for passage in question.gold),
        seconds=float(plain["seconds"]),
        error=str(plain.get("error", "")),
        tool_text=str(plain.get("tool_text", "")),
        trace_id=str(plain.get("trace_id", "")),
        prompt_tokens=plain.get("prompt_tokens"),
        reply_tokens=plain.get("reply_tokens"),
        answerer=str(plain.get("answerer", "")),
    )


def _sentence(said: str, cited: Sequence[Sequence[Any]], document_text: DocumentText) -> Sentence:
    citations = []
    for document_id, start, end, quote in cited:
        text = document_text(document_id)
        inside = text is not None and 0 <= start < end <= len(text)
        found = text[start:end] if text is not None and inside else None
        citations.append(CitedSpan(document_id, start, end, quote, found))
    return Sentence(said, tuple(citations))


def _gold_span(document_id: str, quote: str, document_text: DocumentText) -> GoldSpan:
    text = document_text(document_id)
    return GoldSpan(document_id, quote, locate(quote, text) if text is not None else None)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
