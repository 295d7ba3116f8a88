from dataclasses import replace
from typing import Any

import pytest

from retrieval import Answerer, Index
from retrieval.errors import InputError
from retrieval.llm import ollama_health

QUESTION = "How long does a hold last at most?"


@pytest.fixture
def answerer(index: Index, ollama: Any) -> Answerer:
    made = Answerer(index, llm="ollama:llama3.2", ollama_url=ollama.url)
    assert made._ollama is not None
    made._ollama = replace(made._ollama, first_token_seconds=1, total_seconds=2)
    return made


def test_an_answer_is_cited_by_us(answerer: Answerer, ollama: Any) -> None:
    answer = answerer.ask(QUESTION)
    assert (answer.status, answer.answerer, answer.notices) == ("answered", "ollama:llama3.2", ())
    [sentence] = answer.sentences
    assert sentence.text == "A hold lasts 48 hours at most."
    [citation] = sentence.citations
    assert answerer.index.document_text(citation.document_id)[citation.start : citation.end] == citation.quote
    sent = ollama.behaviour.requests[0]
    assert sent["options"]["num_ctx"] >= 8192 and sent["stream"] is True
    assert "[1] " in sent["messages"][-1]["content"] and QUESTION in sent["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("fault", "notice"),
    [
        ("error_500", "failed (llama runner process has terminated: out of memory"),
        ("slow", "took too long"),
        ("stalls", "took too long"),
        ("cut", "broke off its answer"),
        ("bad_json", "Ollama at"),
        ("error_inside", "unexpected EOF"),
        ("empty", "empty answer"),
        ("not_ollama", "Ollama at"),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_every_failure_falls_back_with_a_notice(
    answerer: Answerer, ollama: Any, fault: str, notice: str, streaming: bool
) -> None:
    ollama.behaviour.fault = fault
    if streaming:
        events = list(answerer.stream(QUESTION))
        assert [event.kind for event in events][-1] == "done"
        answer = events[-1].answer
    else:
        answer = answerer.ask(QUESTION)
    assert answer is not None
    assert answer.answerer == "extractive"
    assert notice in answer.notices[0] and "extractive answerer answered instead" in answer.notices[0]
    assert "48 hours" in answer.sentences[0].text and answer.sentences[0].citations


def test_a_missing_model_names_the_command(index: Index, ollama: Any) -> None:
    answer = Answerer(index, llm="ollama:absent", ollama_url=ollama.url).ask(QUESTION)
    assert "run `ollama pull absent`" in answer.notices[0]
    assert answer.answerer == "extractive"
    assert len(ollama.behaviour.requests) == 1


def test_a_closed_port_falls_back(index: Index) -> None:
    answer = Answerer(index, llm="ollama:llama3.2", ollama_url="http://127.0.0.1:9").ask(QUESTION)
    assert "Ollama at http://127.0.0.1:9 does not answer" in answer.notices[0]
    assert answer.status == "answered"


def test_a_failure_before_the_first_word_is_tried_again(answerer: Answerer, ollama: Any) -> None:
    ollama.behaviour.fault = "fail_once"
    answer = answerer.ask(QUESTION)
    assert (answer.answerer, len(ollama.behaviour.requests)) == ("ollama:llama3.2", 2)


def test_a_cut_context_is_told(answerer: Answerer, ollama: Any) -> None:
    ollama.behaviour.prompt_tokens = 12
    assert "read only 12 tokens" in answerer.ask(QUESTION).notices[0]


@pytest.mark.parametrize(
    ("said", "supported", "status"),
    [
        ("A hold lasts 48 hours at most [7].", [True], "answered"),
        ("A hold lasts 72 hours at most [1].", None, "answered"),
        ("A hold lasts 48 hours at most. The penalty is 500 EUR [1].", [True, False], "partial"),
        ("The King of Norway decides on each hold [1].", None, "answered"),
        ("NOT IN THE DOCUMENTS", [], "not_in_documents"),
        ("**Not in the documents.**", [], "not_in_documents"),
    ],
)
def test_what_the_documents_do_not_hold_is_marked(
    answerer: Answerer, ollama: Any, said: str, supported: list[bool] | None, status: str
) -> None:
    ollama.behaviour.answer = said
    answer = answerer.ask(QUESTION)
    assert answer.status == status
    if supported is None:
        assert answer.answerer == "extractive"
        assert "is supported by the documents" in answer.notices[0]
    else:
        assert [sentence.supported for sentence in answer.sentences] == supported


def test_health(ollama: Any) -> None:
    assert ollama_health(ollama.url, "llama3.2").ok
    absent = ollama_health(ollama.url, "absent")
    assert not absent.ok and absent.fix == "ollama pull absent"
    down = ollama_health("http://127.0.0.1:9", "llama3.2")
    assert not down.ok and "127.0.0.1:9" in down.detail and "ollama serve" in down.fix


@pytest.mark.parametrize(
    ("llm", "url", "message"),
    [
        ("gpt", None, "write extractive, or ollama:MODEL"),
        ("ollama:", None, "write extractive, or ollama:MODEL"),
        ("ollama:x", "localhost", "ollama_url"),
    ],
)
def test_settings_are_checked_at_once(index: Index, llm: str, url: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Answerer(index, llm=llm, ollama_url=url)
