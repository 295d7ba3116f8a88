"""An answer and all that it rests on, and the events on the way to it."""

from dataclasses import dataclass
from typing import Any, Literal

from retrieval.gate import Status
from retrieval.records import Hit


@dataclass(frozen=True)
class Citation:
    """Where a sentence comes from: `quote == index.document_text(document_id)[start:end]`."""

    document_id: str
    passage_id: str
    source: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True)
class AnswerSentence:
    """One sentence of an answer.

    Attributes:
        text: The sentence.
        supported: Whether its evidence holds what it says: words, figures, dates, identifiers, names.
        citations: That evidence; never empty where `supported`.
    """

    text: str
    supported: bool
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True)
class Answer:
    """An answer and all that it rests on.

    Attributes:
        answer: The sentences as one text, or that the documents do not answer.
        status: `answered`; `partial`: some of it is supported, or the evidence is weak; `not_in_documents`.
        sentences: Each with its support; empty if not in the documents.
        answerer: `extractive` or `ollama:MODEL`, whichever answered in the end.
        elapsed_ms: Wall-clock time.
        hits: What search found, best first.
        notices: What the reader must know: a model that could not be reached, evidence that is weak, …
        confidence: The gate's probability that the documents answer, in [0, 1].
        index_version: Version of the index that answered.
        prompt_version: Version of the prompt, see `Prompt.version`.
        cached: Whether it was kept from an earlier asking.
        trace_id: Of its trace in MLflow; empty where none is sent.
        prompt_tokens: What the chat model read, as its server says; 0 where none was asked, None where it does not say.
        completion_tokens: What it wrote, likewise.
    """

    answer: str
    status: Status
    sentences: tuple[AnswerSentence, ...]
    answerer: str
    elapsed_ms: float
    hits: tuple[Hit, ...] = ()
    notices: tuple[str, ...] = ()
    confidence: float = 0.0
    index_version: str = ""
    prompt_version: str = ""
    cached: bool = False
    trace_id: str = ""
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the command line and the HTTP interface; `notices` only where there are any."""
        sentences = [
            {
                "text": sentence.text,
                "supported": sentence.supported,
                "citations": [vars(citation) for citation in sentence.citations],
            }
            for sentence in self.sentences
        ]
        body = {
            "answer": self.answer,
            "status": self.status,
            "sentences": sentences,
            "answerer": self.answerer,
            "elapsed_ms": round(self.elapsed_ms, 1),
        }
        return body | ({"notices": list(self.notices)} if self.notices else {})


@dataclass(frozen=True)
class AnswerEvent:
    """Something that happened on the way to an answer.

    Attributes:
        kind: `evidence`: search is done (`hits` are there); `text`: a further piece of the answer, not yet checked;
            `reset`: forget the pieces so far, another model answers; `done`: the checked answer.
        text: With `text` the piece, with `reset` the reason.
        hits: With `evidence`.
        answer: With `done`.
    """

    kind: Literal["evidence", "text", "reset", "done"]
    text: str = ""
    hits: tuple[Hit, ...] = ()
    answer: Answer | None = None
