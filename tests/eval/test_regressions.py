"""Regressions planted in the real assistant: each moves its figure beyond the interval and fails its gate.

A part of the documents that ship, the real index, gate and answerer; only what is spoilt is spoilt on purpose.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from eval.questions import load_questions
from eval.rag import run_rag
from retrieval import Answerer, Document, Index, read_documents
from retrieval.chunking import Passage
from retrieval.gate import Verdict

CORPUS = Path(__file__).resolve().parents[2] / "docs_corpus"
GATES = {
    "context_recall_by_text": 0.9,
    "context_recall_by_id": 0.9,
    "quote_exactness": 1.0,
    "citation_support": 0.95,
    "figure_correctness": 0.95,
    "refusal_recall": 0.4,
}


def corpus() -> Iterator[Document]:
    for document in read_documents(CORPUS):
        if isinstance(document, Document) and document.id.startswith(("policies/", "case_notes/CN-2026-000")):
            yield document


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(corpus())


@pytest.fixture(scope="module")
def asked(documents):
    """Half of the questions that these documents answer, and some that they do not."""
    known = {document.id for document in documents}
    found = [question for question in load_questions() if all(gold.document_id in known for gold in question.gold)]
    answerable = [question for question in found if question.gold][::2]
    refused = [question for question in found if not question.gold and not question.as_of]
    return answerable + refused[::3]


@pytest.fixture(scope="module")
def index(documents, tmp_path_factory):
    with Index.open(tmp_path_factory.mktemp("sound") / "index") as index:
        index.sync(documents)
        yield index


@pytest.fixture(scope="module")
def measure(asked, tracking):
    def run(answerer, **more: Any):
        more = {"embed": lambda texts: np.ones((len(texts), 2)), "fail_under": GATES, **more}
        return run_rag(answerer, asked, experiment="regressions", **tracking, **more)

    return run


@pytest.fixture(scope="module")
def sound(index, measure):
    return measure(Answerer(index, cache=0))


def fails(spoilt, sound, metric: str) -> None:
    """The figure falls beyond both intervals, its gate fails, and the comparison of the two runs says so."""
    assert spoilt.metrics[f"{metric}_high"] < sound.metrics[f"{metric}_low"]
    assert metric in [gate.metric for gate in spoilt.gates if not gate.passed]
    assert not spoilt.passed
    if metric in spoilt.per_question.columns:
        change = next(change for change in spoilt.against.changes if change.metric == metric)
        assert change.beyond_chance and change.difference.value < 0


def test_the_sound_assistant_passes_every_gate(sound):
    assert sound.passed, [(gate.metric, gate.value) for gate in sound.gates if not gate.passed]


def test_ruined_chunking(documents, measure, sound, tmp_path, monkeypatch):
    def in_shreds(text: str, chunking: object) -> list[Passage]:
        return [Passage(start, min(start + 90, len(text)), "") for start in range(0, len(text), 90)]

    monkeypatch.setattr("retrieval.sync.passages", in_shreds)
    with Index.open(tmp_path / "index") as index:
        index.sync(documents)
        spoilt = measure(Answerer(index, cache=0), against=sound.run_id)
    fails(spoilt, sound, "context_recall_by_text")


def test_half_the_corpus_missing(documents, measure, sound, tmp_path):
    with Index.open(tmp_path / "index") as index:
        index.sync(documents[::2])
        spoilt = measure(Answerer(index, cache=0), against=sound.run_id)
    fails(spoilt, sound, "context_recall_by_id")
    # The questions about missing documents are told apart from an assistant that got worse.
    assert spoilt.metrics["gold_passages_stale"] > 0


class Changed:
    """The real assistant, its answers changed on the way out."""

    def __init__(self, index: Index, change) -> None:
        self.index, self._answerer, self._change = index, Answerer(index, cache=0), change

    def ask(self, question: str, as_of: Any = None, where: Any = None) -> Any:
        return self._change(self._answerer.ask(question, as_of=as_of))


def shifted_by_a_character(answer):
    moved = [
        replace(said, citations=tuple(replace(c, start=c.start + 1, end=c.end + 1) for c in said.citations))
        for said in answer.sentences
    ]
    return replace(answer, sentences=tuple(moved))


def shifted_by_an_answer():
    last: list[Any] = [()]

    def change(answer):
        moved = tuple(replace(said, citations=last[0]) for said in answer.sentences)
        last[0] = answer.sentences[0].citations if answer.sentences else last[0]
        return replace(answer, sentences=moved)

    return change


def test_citations_shifted_by_one_character(index, measure, sound):
    fails(measure(Changed(index, shifted_by_a_character), against=sound.run_id), sound, "quote_exactness")


def test_citations_of_the_answer_before(index, measure, sound):
    spoilt = measure(Changed(index, shifted_by_an_answer()), against=sound.run_id)
    fails(spoilt, sound, "citation_support")
    assert spoilt.metrics["quote_exactness"] > 0.9


class InventsFigures(BaseChatModel):
    """A chat model that repeats the evidence and adds a figure of its own."""

    @property
    def _llm_type(self) -> str:
        return "invents"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        chosen = messages[-1].additional_kwargs["fraud_desk_selection"]
        said = " ".join(f"{entry['text']} [{entry['number']}]" for entry in chosen)
        said += " In all, 987,654 EUR were lost in 31 such cases [1]."
        return ChatResult(generations=[ChatGeneration(message=AIMessage(said))])


def test_a_model_that_invents_figures(index, measure, sound):
    answerer = Answerer(index, llm="invents", chat_model=InventsFigures(), cache=0)
    spoilt = measure(answerer, against=sound.run_id)
    fails(spoilt, sound, "figure_correctness")
    fails(spoilt, sound, "citation_support")


def test_a_gate_that_is_always_open(index, measure, sound, monkeypatch):
    monkeypatch.setattr("retrieval.answer.judge", lambda question, evidence, *_: Verdict(1.0, "answered", ()))
    spoilt = measure(Answerer(index, cache=0), against=sound.run_id)
    fails(spoilt, sound, "refusal_recall")
