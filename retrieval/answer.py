"""Answers with exact citations: a LangChain chain of search → gate → prompt → chat model → citations → check.

    answerer = Answerer(Index.open("var/index"))
    answerer.ask("How long may a payment over 10,000 EUR be held?")

Nothing that was retrieved is ever carried out; it is quoted.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableLambda

from retrieval.checks import Quote, Said, find_quotes, is_supported, split_answer
from retrieval.errors import InputError, ModelUnavailable
from retrieval.evidence import EvidenceSentence, gather, read_question
from retrieval.gate import Status, Verdict, judge
from retrieval.hostile import without_instructions
from retrieval.index import Index
from retrieval.llm import SELECTION, Usage, make_chat_model, ollama_chat_model, stream_ollama
from retrieval.masking import mask
from retrieval.prompts import REFUSAL, USER, render
from retrieval.records import Hit
from retrieval.selection import select

PASSAGES = 8
"""Passages that the evidence is taken from."""

PER_DOCUMENT = 3
"""Of one document at most so many, so that one long guide does not crowd out the rest."""

OWN_DOCUMENT = 2.0
"""`Hit.named` from which a hit is of a document that the question names."""

LONGEST_QUESTION = 2000
"""Characters of a question that are read."""

_NOT_OBEYED = "Instructions in the question were not followed; the rest of it was answered."
_NOTHING_ASKED = "The question gives instructions and asks nothing of the documents; they were not followed."

NO_ANSWER = "The documents do not answer this."


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


@dataclass(frozen=True)
class _State:
    """What the steps of the chain hand on."""

    question: str
    as_of: datetime | str | None
    where: Mapping[str, Any] | None
    begun: float
    index_version: str = ""
    hits: tuple[Hit, ...] = ()
    evidence: tuple[EvidenceSentence, ...] = ()
    selected: tuple[EvidenceSentence, ...] = ()
    verdict: Verdict = field(default_factory=lambda: Verdict(0.0, "not_in_documents", ()))
    messages: tuple[BaseMessage, ...] = ()
    said: str = ""
    answerer: str = "extractive"
    notices: tuple[str, ...] = ()


class Answerer:
    """Answers questions from an index with one of the two chat models."""

    def __init__(
        self,
        index: Index,
        llm: str = "extractive",
        ollama_url: str | None = None,
        *,
        chat_model: BaseChatModel | None = None,
        prompt: str = USER,
    ) -> None:
        """Prepare; nothing is loaded or connected yet.

        Args:
            index: What to answer from.
            llm: `extractive`, or `ollama:MODEL`. If Ollama fails, the extractive answerer answers and says so.
            ollama_url: Ollama's address; None for http://127.0.0.1:11434.
            chat_model: Any LangChain chat model instead, named by `llm`.
            prompt: The user message with the fields {question} and {evidence}.

        Raises:
            InputError: If `llm`, the address or the prompt is malformed.
        """
        self.index = index
        self.llm = llm
        self._prompt = prompt
        render("", (), prompt)
        self._extractive, self._ollama = (None, None) if chat_model else make_chat_model(llm, ollama_url)
        self._fallback = self._extractive or make_chat_model("extractive")[0]
        self._model = chat_model
        retrieve: Runnable[_State, _State] = RunnableLambda(self._search, name="search")
        self._before: Runnable[_State, _State] = (
            retrieve | RunnableLambda(self._gate, name="gate") | RunnableLambda(self._compose, name="prompt")
        )
        self._after: Runnable[_State, Answer] = RunnableLambda(self._resolve, name="cite_and_check")
        self.chain: Runnable[_State, Answer] = self._before | RunnableLambda(self._speak, name="model") | self._after

    def ask(self, question: str, as_of: datetime | str | None = None, where: Mapping[str, Any] | None = None) -> Answer:
        """Answer a question from what the index holds.

        Args:
            question: In plain words.
            as_of: Use only what was known before this time (UTC).
            where: Filter over metadata; see `Index.search`.

        Raises:
            InputError: If the question is empty, or a time or filter malformed.
            RetrievalError: If the index cannot be searched.
        """
        return self.chain.invoke(self._start(question, as_of, where))

    def stream(
        self, question: str, as_of: datetime | str | None = None, where: Mapping[str, Any] | None = None
    ) -> Iterator[AnswerEvent]:
        """The same, telling each step; the last event holds the checked answer."""
        state = self._before.invoke(self._start(question, as_of, where))
        yield AnswerEvent("evidence", hits=state.hits)
        if state.messages:
            pieces: list[str] = []
            try:
                for piece in self._pieces(state, usage := Usage()):
                    pieces.append(piece)
                    yield AnswerEvent("text", piece)
                state = self._heard(state, "".join(pieces), usage)
            except ModelUnavailable as problem:
                yield AnswerEvent("reset", str(problem))
                state = self._fall_back(state, str(problem))
                yield AnswerEvent("text", state.said)
        yield AnswerEvent("done", answer=self._after.invoke(state))

    def _start(self, question: str, as_of: datetime | str | None, where: Mapping[str, Any] | None) -> _State:
        if not isinstance(question, str) or not question.strip():
            raise InputError("the question is empty; ask in a few words")
        begun = time.perf_counter()
        given = mask(" ".join(question.split())[:LONGEST_QUESTION]).text
        asked = without_instructions(given)
        notices = () if asked == given else (_NOT_OBEYED if asked else _NOTHING_ASKED,)
        return _State(asked, as_of, where, begun, notices=notices)

    def _search(self, state: _State) -> _State:
        version = self.index.version
        if not state.question:
            return replace(state, index_version=version)
        hits = self.index.search(state.question, PASSAGES, state.as_of, state.where, per_document=PER_DOCUMENT)
        if hits and hits[0].named:
            # About a case, an account, a payment: only what names it can answer, and a named document is read whole.
            least = OWN_DOCUMENT if hits[0].named >= OWN_DOCUMENT else 1.0
            hits = self.index.search(state.question, 2 * PASSAGES, state.as_of, state.where, per_document=2 * PASSAGES)
            hits = [hit for hit in hits if hit.named >= least]
        return replace(state, hits=tuple(hits), index_version=version)

    def _gate(self, state: _State) -> _State:
        if not state.hits:
            return state
        question = read_question(self.index, state.question, state.as_of, state.where)
        evidence = gather(question, state.hits)
        verdict = judge(question, evidence)
        return replace(state, evidence=tuple(evidence), verdict=verdict, selected=tuple(select(question, evidence)))

    def _compose(self, state: _State) -> _State:
        if state.verdict.status == "not_in_documents":
            return state
        messages = render(state.question, state.hits, self._prompt)
        place = {hit.passage_id: number for number, hit in enumerate(state.hits, start=1)}
        chosen = [
            {"text": " ".join(entry.text.split()), "number": place[entry.hit.passage_id]} for entry in state.selected
        ]
        messages[-1].additional_kwargs[SELECTION] = chosen
        return replace(state, messages=tuple(messages))

    def _speak(self, state: _State) -> _State:
        if not state.messages:
            return state
        usage = Usage()
        try:
            return self._heard(state, "".join(self._pieces(state, usage)), usage)
        except ModelUnavailable as problem:
            return self._fall_back(state, str(problem))

    def _pieces(self, state: _State, usage: Usage) -> Iterator[str]:
        messages = list(state.messages)
        if self._ollama is not None:
            if self._model is None:
                self._model = ollama_chat_model(self._ollama)
            yield from stream_ollama(self._model, self._ollama, messages, usage)
            return
        model = self._model or self._extractive
        assert model is not None
        for chunk in model.stream(messages):
            yield str(chunk.text)

    def _heard(self, state: _State, said: str, usage: Usage) -> _State:
        """Take a model's answer, unless it is empty or the server cut the evidence."""
        if self._extractive is not None:
            return replace(state, said=said)
        if not said.strip():
            return self._fall_back(state, f"{self.llm} gave an empty answer")
        notices = state.notices
        expected = sum(len(str(message.content)) for message in state.messages) / 6
        if usage.prompt_tokens is not None and usage.prompt_tokens < expected:
            notices += (
                f"{self.llm} read only {usage.prompt_tokens} tokens of the evidence: its context is too small, "
                "so the answer may miss something.",
            )
        return replace(state, said=said, answerer=self.llm, notices=notices)

    def _fall_back(self, state: _State, reason: str) -> _State:
        assert self._fallback is not None
        said = str(self._fallback.invoke(list(state.messages)).text)
        notice = f"{reason}. The extractive answerer answered instead."
        return replace(state, said=said, answerer="extractive", notices=(*state.notices, notice))

    def _resolve(self, state: _State) -> Answer:
        """Give each sentence its citations, check it, and decide the status."""
        answerer = state.answerer if state.messages or self._extractive is None else "extractive"
        if not state.messages or _refuses(state.said):
            return self._answer(state, (), "not_in_documents", answerer if state.messages else self.llm)
        if answerer == "extractive":
            sentences = tuple(_extracted(entry) for entry in state.selected)
        else:
            sentences = tuple(_checked(said, state) for said in split_answer(state.said))
            if not any(sentence.supported for sentence in sentences):
                notice = (
                    f"Nothing that {self.llm} said is supported by the documents. The extractive answerer answered."
                )
                state = replace(state, notices=(*state.notices, notice))
                sentences, answerer = tuple(_extracted(entry) for entry in state.selected), "extractive"
        whole = all(sentence.supported for sentence in sentences)
        status: Status = "answered" if whole and state.verdict.status == "answered" else "partial"
        return self._answer(state, sentences, status, answerer)

    def _answer(self, state: _State, sentences: tuple[AnswerSentence, ...], status: Status, answerer: str) -> Answer:
        notices = state.notices
        missing = ", ".join(state.verdict.missing[:4])
        if status == "not_in_documents" and state.hits and missing:
            notices += (f"Not found in the documents: {missing}.",)
        elif status == "partial" and all(sentence.supported for sentence in sentences):
            hint = f" Not found in them: {missing}." if missing else ""
            notices += (f"The documents come close but may not fully answer this.{hint}",)
        elif status == "partial":
            notices += ("Sentences marked unsupported are not backed by the documents.",)
        return Answer(
            answer=" ".join(sentence.text for sentence in sentences) if sentences else NO_ANSWER,
            status=status,
            sentences=sentences,
            answerer=answerer,
            elapsed_ms=(time.perf_counter() - state.begun) * 1000,
            hits=state.hits,
            notices=notices,
            confidence=round(state.verdict.probability, 4),
            index_version=state.index_version,
        )


def _extracted(entry: EvidenceSentence) -> AnswerSentence:
    quote = Quote(entry.hit, entry.start, entry.end, entry.text)
    return AnswerSentence(" ".join(entry.text.split()), True, (_citation(quote),))


def _checked(said: Said, state: _State) -> AnswerSentence:
    quotes = find_quotes(said, state.hits)
    supported = is_supported(said, quotes, state.question)
    return AnswerSentence(said.text, supported, tuple(_citation(quote) for quote in quotes))


def _citation(quote: Quote) -> Citation:
    hit = quote.hit
    return Citation(hit.document_id, hit.passage_id, hit.source, quote.start, quote.end, quote.text)


def _refuses(said: str) -> bool:
    plain = "".join(letter for letter in said.lower() if letter.isalpha() or letter == " ")
    return " ".join(plain.split()).startswith(REFUSAL.lower())
