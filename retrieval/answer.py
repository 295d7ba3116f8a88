"""Answers with exact citations: a LangChain chain of search → gate → prompt → chat model → citations → check.

    answerer = Answerer(Index.open("var/index"))
    answerer.ask("How long may a payment over 10,000 EUR be held?")

Nothing that was retrieved is ever carried out; it is quoted.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableLambda

from retrieval.cache import AnswerCache, answer_key
from retrieval.errors import InputError, ModelUnavailable
from retrieval.evidence import gather, read_question
from retrieval.filters import restrict
from retrieval.gate import Limits, judge
from retrieval.hostile import without_instructions
from retrieval.index import Index
from retrieval.llm import SELECTION, Usage, make_chat_model, ollama_chat_model, stream_ollama
from retrieval.masking import mask
from retrieval.prompts import Prompt, default_prompt
from retrieval.prompts.registry import PromptRegistry
from retrieval.replies import Answer, AnswerEvent, AnswerSentence, Citation
from retrieval.resolution import resolve
from retrieval.selection import select
from retrieval.tracing import Tracer
from retrieval.turn import Turn, check_step, step_of, whole_step

__all__ = ["Answer", "AnswerEvent", "AnswerSentence", "Answerer", "Citation"]

PASSAGES = 8
"""Passages that the evidence is taken from."""

PER_DOCUMENT = 3
"""Of one document at most so many, so that one long guide does not crowd out the rest."""

OWN_DOCUMENT = 2.0
"""`Hit.named` from which a hit is of a document that the question names."""

CACHED_ANSWERS = 512
"""Answers kept in memory; one is a few kilobytes."""

LONGEST_QUESTION = 2000
"""Characters of a question that are read."""

_NOT_OBEYED = "Instructions in the question were not followed; the rest of it was answered."
_NOTHING_ASKED = "The question gives instructions and asks nothing of the documents; they were not followed."

Result = TypeVar("Result")


class Answerer:
    """Answers questions from an index with one of the two chat models. Safe to share between threads."""

    def __init__(
        self,
        index: Index,
        llm: str = "extractive",
        ollama_url: str | None = None,
        *,
        chat_model: BaseChatModel | None = None,
        prompt: str | Prompt | None = None,
        collections: Collection[str] | None = None,
        tracking_uri: str | None = None,
        tracking_artifacts: str | None = None,
        tracing: bool = True,
        cache: int = CACHED_ANSWERS,
        passages: int = PASSAGES,
        per_document: int = PER_DOCUMENT,
        limits: Limits | None = None,
    ) -> None:
        """Prepare; nothing is loaded or connected yet.

        Args:
            index: What to answer from.
            llm: `extractive`, or `ollama:MODEL`. If Ollama fails, the extractive answerer answers and says so.
            ollama_url: Ollama's address; None for http://127.0.0.1:11434.
            chat_model: Any LangChain chat model instead, named by `llm`.
            prompt: The prompt, or only its user message with the fields {question} and {evidence}; None for the one
                in MLflow's registry where `tracking_uri` is given, else the one that ships.
            collections: Those that are ever answered from; None for all.
            tracking_uri: MLflow's address, for the prompt registry and for traces; None for neither.
            tracking_artifacts: Where the experiment of traces keeps artifacts, if it has to be made.
            tracing: Whether to send traces there.
            cache: Answers kept for the same question over the same documents; 0 for none.
            passages: How many the evidence is taken from.
            per_document: Of one document at most so many.
            limits: How much evidence the gate asks for.

        Raises:
            InputError: If `llm`, the address or the prompt is malformed, or a number is below 1.
        """
        if passages < 1 or per_document < 1:
            raise InputError(f"passages ({passages}) and per_document ({per_document}) must be 1 or more")
        self.index = index
        self.llm = llm
        self.collections = None if collections is None else frozenset(collections)
        restrict(None, collections)
        self.cache = AnswerCache(cache)
        self._passages, self._per_document, self._limits = passages, per_document, limits or Limits()
        self.tracer = Tracer(tracking_uri, artifact_location=tracking_artifacts) if tracking_uri and tracing else None
        self._prompts = PromptRegistry(tracking_uri) if tracking_uri and prompt is None else None
        self._prompt = Prompt(default_prompt().system, prompt) if isinstance(prompt, str) else prompt
        self._extractive, self._ollama = (None, None) if chat_model else make_chat_model(llm, ollama_url)
        self._fallback = self._extractive or make_chat_model("extractive")[0]
        self._model = chat_model
        retrieve: Runnable[Turn, Turn] = RunnableLambda(self._timed("search", self._search), name="search")
        self._before: Runnable[Turn, Turn] = (
            retrieve
            | RunnableLambda(self._timed("gate", self._gate), name="gate")
            | RunnableLambda(self._compose, name="prompt")
        )
        self._after: Runnable[Turn, Answer] = RunnableLambda(self._finish, name="cite_and_check")
        speak: Runnable[Turn, Turn] = RunnableLambda(self._timed("model", self._speak), name="model")
        self.chain: Runnable[Turn, Answer] = self._before | speak | self._after

    def settings(self) -> dict[str, str | int | float]:
        """Everything that decides an answer, by name, for the record of a measurement."""
        index = self.index.status()
        limits = {f"gate_{name}": value for name, value in vars(self._limits).items()}
        return {
            "answerer": self.llm,
            "passages": self._passages,
            "per_document": self._per_document,
            "dense_weight": self.index.dense_weight,
            "embedding_model": index.embedding_model,
            "chunking": index.chunking,
            "prompt_version": (
                self._prompt or (self._prompts.current() if self._prompts else default_prompt())
            ).version,
            **limits,
        }

    def ask(
        self,
        question: str,
        as_of: datetime | str | None = None,
        where: Mapping[str, Any] | None = None,
        *,
        collections: Collection[str] | None = None,
        hidden_collections: Collection[str] = (),
    ) -> Answer:
        """Answer a question from what the index holds.

        Args:
            question: In plain words.
            as_of: Use only what was known before this time (UTC).
            where: Filter over metadata; see `Index.search`.
            collections: Those that the asker may see, of those of this answerer; None for all of these.
            hidden_collections: Those that the asker may not see.

        Raises:
            InputError: If the question is empty, or a time or filter malformed.
            RetrievalError: If the index cannot be searched.
        """
        state = self._start(question, as_of, restrict(where, collections, hidden_collections))
        return self._kept(state) or self._traced(state, lambda: self.chain.invoke(state))

    def stream(
        self,
        question: str,
        as_of: datetime | str | None = None,
        where: Mapping[str, Any] | None = None,
        *,
        collections: Collection[str] | None = None,
        hidden_collections: Collection[str] = (),
    ) -> Iterator[AnswerEvent]:
        """The same, telling each step; the last event holds the checked answer."""
        state = self._start(question, as_of, restrict(where, collections, hidden_collections))
        kept = self._kept(state)
        if kept is not None:
            yield AnswerEvent("evidence", hits=kept.hits)
            if kept.sentences:
                yield AnswerEvent("text", kept.answer)
            yield AnswerEvent("done", answer=kept)
            return
        begun_state = state
        state = self._traced(begun_state, lambda: self._before.invoke(begun_state))
        yield AnswerEvent("evidence", hits=state.hits)
        if state.messages:
            pieces: list[str] = []
            begun = time.time_ns()
            try:
                for piece in self._pieces(state, usage := Usage()):
                    pieces.append(piece)
                    yield AnswerEvent("text", piece)
                state = self._heard(state, "".join(pieces), usage)
            except ModelUnavailable as problem:
                yield AnswerEvent("reset", str(problem))
                state = self._fall_back(state, str(problem))
                yield AnswerEvent("text", state.said)
            state = self._with_step(state, "model", begun)
        yield AnswerEvent("done", answer=self._after.invoke(state))

    def _start(self, question: str, as_of: datetime | str | None, where: Mapping[str, Any] | None) -> Turn:
        if not isinstance(question, str) or not question.strip():
            raise InputError("the question is empty; ask in a few words")
        begun = time.perf_counter()
        given = mask(" ".join(question.split())[:LONGEST_QUESTION]).text
        asked = without_instructions(given)
        notices = () if asked == given else (_NOT_OBEYED if asked else _NOTHING_ASKED,)
        seen = restrict(where, self.collections)
        prompt = self._prompt or (self._prompts.current() if self._prompts else default_prompt())
        version = self.index.version
        key = answer_key(asked, version, self.llm, prompt.version, seen, as_of)
        # An order in the question is no part of the key, but of the notices.
        kept = key if not notices and self.cache.size else None
        return Turn(asked, as_of, seen, begun, prompt, kept, version, notices=notices)

    def _kept(self, state: Turn) -> Answer | None:
        """The answer given before to the same question over the same documents."""
        found = self.cache.get(state.key) if state.key else None
        if found is None:
            return None
        answer = replace(found, elapsed_ms=(time.perf_counter() - state.begun) * 1000, cached=True)
        return replace(answer, trace_id=self._trace(state, answer), prompt_tokens=0, completion_tokens=0)

    def _timed(self, name: str, work: Callable[[Turn], Turn]) -> Callable[[Turn], Turn]:
        def run(state: Turn) -> Turn:
            begun = time.time_ns()
            return self._with_step(work(state), name, begun)

        return run

    def _with_step(self, state: Turn, name: str, begun: int) -> Turn:
        if self.tracer is None:
            return state
        return replace(state, steps=(*state.steps, step_of(name, begun, state)))

    def _search(self, state: Turn) -> Turn:
        if not state.question:
            return state
        count = self._passages
        hits = self.index.search(state.question, count, state.as_of, state.where, per_document=self._per_document)
        if hits and hits[0].named:
            # About a case, an account, a payment: only what names it can answer, and a named document is read whole.
            least = OWN_DOCUMENT if hits[0].named >= OWN_DOCUMENT else 1.0
            hits = self.index.search(state.question, 2 * count, state.as_of, state.where, per_document=2 * count)
            hits = [hit for hit in hits if hit.named >= least]
        return replace(state, hits=tuple(hits))

    def _gate(self, state: Turn) -> Turn:
        if not state.hits:
            return state
        question = read_question(self.index, state.question, state.as_of, state.where)
        evidence = gather(question, state.hits)
        verdict = judge(question, evidence, self._limits)
        return replace(state, evidence=tuple(evidence), verdict=verdict, selected=tuple(select(question, evidence)))

    def _compose(self, state: Turn) -> Turn:
        if state.verdict.status == "not_in_documents":
            return state
        messages = state.prompt.render(state.question, state.hits)
        place = {hit.passage_id: number for number, hit in enumerate(state.hits, start=1)}
        chosen = [
            {"text": " ".join(entry.text.split()), "number": place[entry.hit.passage_id]} for entry in state.selected
        ]
        messages[-1].additional_kwargs[SELECTION] = chosen
        return replace(state, messages=tuple(messages))

    def _speak(self, state: Turn) -> Turn:
        if not state.messages:
            return state
        usage = Usage()
        try:
            return self._heard(state, "".join(self._pieces(state, usage)), usage)
        except ModelUnavailable as problem:
            return self._fall_back(state, str(problem))

    def _pieces(self, state: Turn, usage: Usage) -> Iterator[str]:
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

    def _heard(self, state: Turn, said: str, usage: Usage) -> Turn:
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
        return replace(
            state,
            said=said,
            answerer=self.llm,
            notices=notices,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        )

    def _fall_back(self, state: Turn, reason: str) -> Turn:
        assert self._fallback is not None
        said = str(self._fallback.invoke(list(state.messages)).text)
        notice = f"{reason}. The extractive answerer answered instead."
        return replace(state, said=said, answerer="extractive", notices=(*state.notices, notice))

    def _finish(self, state: Turn) -> Answer:
        """Check the answer, keep it and trace it."""
        begun = time.time_ns()
        answer = resolve(state, self.llm)
        # What the extractive answerer said in place of a failing model is not what the model would say next time.
        if state.key is not None and answer.answerer == self.llm:
            self.cache.put(state.key, answer)
        if self.tracer is None:
            return answer
        trace_id = self._trace(replace(state, steps=(*state.steps, check_step(begun, answer))), answer)
        return replace(answer, trace_id=trace_id)

    def _traced(self, state: Turn, work: Callable[[], Result]) -> Result:
        """Run a part of the chain; a failure is traced and goes on."""
        try:
            return work()
        except Exception as problem:
            self._trace(state, None, f"{type(problem).__name__}: {problem}")
            raise

    def _trace(self, state: Turn, answer: Answer | None, error: str = "") -> str:
        """The id of the trace; empty where none is sent."""
        return "" if self.tracer is None else self.tracer.record(whole_step(state, answer, error), state.steps)
