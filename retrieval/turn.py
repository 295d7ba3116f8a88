"""One question on its way through the chain, and what a trace tells of each of its steps."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from langchain_core.messages import BaseMessage

from retrieval.cache import AnswerKey
from retrieval.evidence import EvidenceSentence
from retrieval.gate import Verdict
from retrieval.prompts import Prompt
from retrieval.records import Hit
from retrieval.replies import Answer
from retrieval.tracing import Step


@dataclass(frozen=True)
class Turn:
    """One question on its way to an answer: what each step of the chain has added.

    Attributes:
        question: Masked, without the orders in it.
        as_of: Only what was known before this time.
        where: Filter over metadata, with what the asker may see.
        begun: `time.perf_counter()` at the start.
        prompt: For the chat model.
        key: Under which the answer is kept; None to keep none.
        index_version: Of the index that is asked.
        hits: What search found, best first.
        evidence: Its sentences, scored, best first.
        selected: Those that the extractive answerer says.
        verdict: Of the gate.
        messages: To the chat model; empty if it is not asked.
        said: What the chat model said.
        answerer: Who said it.
        notices: For the reader of the answer.
        steps: Finished ones, for the trace.
        prompt_tokens: See `Answer`.
        completion_tokens: See `Answer`.
    """

    question: str
    as_of: datetime | str | None
    where: Mapping[str, Any] | None
    begun: float
    prompt: Prompt
    key: AnswerKey | None = None
    index_version: str = ""
    hits: tuple[Hit, ...] = ()
    evidence: tuple[EvidenceSentence, ...] = ()
    selected: tuple[EvidenceSentence, ...] = ()
    verdict: Verdict = field(default_factory=lambda: Verdict(0.0, "not_in_documents", ()))
    messages: tuple[BaseMessage, ...] = ()
    said: str = ""
    answerer: str = "extractive"
    notices: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


_KINDS = {"search": "RETRIEVER", "gate": "EVALUATOR", "model": "CHAT_MODEL"}


def step_of(name: str, begun: int, turn: Turn) -> Step:
    """What a step read and found, for the trace."""
    inputs: dict[str, Any] = {"question": turn.question}
    outputs: dict[str, Any] = {}
    if name == "search":
        inputs |= {"as_of": turn.as_of, "where": turn.where, "index_version": turn.index_version}
        outputs["passages"] = [
            {"id": hit.passage_id, "source": hit.source, "score": hit.score, "text": hit.text} for hit in turn.hits
        ]
    elif name == "gate":
        outputs |= {"status": turn.verdict.status, "probability": round(turn.verdict.probability, 4)}
        outputs |= {"missing": turn.verdict.missing, "selected": [entry.text for entry in turn.selected]}
    else:
        inputs = {"messages": [{"role": message.type, "content": message.text} for message in turn.messages]}
        inputs["prompt_version"] = turn.prompt.version
        outputs |= {"said": turn.said, "answerer": turn.answerer, "notices": turn.notices}
    return Step(name, _KINDS[name], begun, time.time_ns(), inputs, outputs)


def check_step(begun: int, answer: Answer) -> Step:
    """What the check of an answer found, for the trace."""
    sentences = [
        {"text": sentence.text, "supported": sentence.supported, "passages": [c.passage_id for c in sentence.citations]}
        for sentence in answer.sentences
    ]
    return Step("check", "PARSER", begun, time.time_ns(), {"status": answer.status}, {"sentences": sentences})


def whole_step(turn: Turn, answer: Answer | None, error: str) -> Step:
    """The question as a whole, for the trace; `error` where there is no answer."""
    ended = time.time_ns()
    begun = ended - int((time.perf_counter() - turn.begun) * 1e9)
    outputs = answer.to_dict() | {"cached": answer.cached} if answer else {}
    return Step("question", "CHAIN", begun, ended, {"question": turn.question}, outputs, error)
