import json
from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from retrieval import Answerer, Document, Index
from retrieval.checks import Said, split_answer
from retrieval.errors import InputError
from retrieval.evidence import SIGNALS, gather, read_question


@pytest.mark.parametrize(
    ("question", "expected", "document"),
    [
        ("How long does a hold last at most?", "48 hours", "policies/payment-holds"),
        ("Who approves the release of payments over 10,000 EUR?", "duty manager", "policies/payment-holds"),
        ("What is the strongest sign of a mule chain?", "onward payments", "typologies/mule-chain"),
        ("What did the caller make the customer install in CN-2026-0001?", "remote tool", "case_notes/CN-2026-0001"),
        ("Since when has the landlord held an account with us?", "since\n2014", "case_notes/CN-2026-0002"),
    ],
)
def test_answers_with_exact_citations(index: Index, question: str, expected: str, document: str) -> None:
    answer = Answerer(index).ask(question)
    assert answer.status in ("answered", "partial")
    assert 1 <= len(answer.sentences) <= 3
    quotes = [citation for sentence in answer.sentences for citation in sentence.citations]
    assert any(expected in citation.quote and citation.document_id == document for citation in quotes)
    for sentence in answer.sentences:
        assert sentence.supported and sentence.citations
    for citation in quotes:
        assert index.document_text(citation.document_id)[citation.start : citation.end] == citation.quote
        assert Path(citation.source).read_text(encoding="utf-8")[citation.start : citation.end] == citation.quote


@pytest.mark.parametrize(
    "question",
    [
        "What is the weather in Paris?",
        "How do I cook a risotto?",
        "What is case CN-2026-0999 about?",
        "the of and",
        "?!",
    ],
)
def test_says_when_the_documents_do_not_answer(index: Index, question: str) -> None:
    answer = Answerer(index).ask(question)
    assert (answer.status, answer.sentences) == ("not_in_documents", ())
    assert answer.answer == "The documents do not answer this."


def test_json_has_the_agreed_fields(index: Index) -> None:
    body = json.loads(json.dumps(Answerer(index).ask("How long does a hold last at most?").to_dict()))
    assert list(body)[:5] == ["answer", "status", "sentences", "answerer", "elapsed_ms"]
    assert set(body) <= {"answer", "status", "sentences", "answerer", "elapsed_ms", "notices"}
    assert set(body["sentences"][0]) == {"text", "supported", "citations"}
    fields = {"document_id", "passage_id", "source", "start", "end", "quote"}
    assert set(body["sentences"][0]["citations"][0]) == fields


def test_as_of_hides_a_later_case(index: Index) -> None:
    question = "What did the caller make the customer install in CN-2026-0001?"
    assert Answerer(index).ask(question, as_of="2026-07-01").status == "not_in_documents"


def test_stream_ends_with_the_same_answer(index: Index) -> None:
    answerer = Answerer(index)
    events = list(answerer.stream("How long does a hold last at most?"))
    assert events[0].kind == "evidence" and events[-1].answer is not None
    assert any("48 hours" in event.text for event in events if event.kind == "text")
    assert events[-1].answer.sentences == answerer.ask("How long does a hold last at most?").sentences


def test_a_row_of_a_table_says_what_its_heads_say(tmp_path: Path) -> None:
    table = """# Authority
| amount of the payment | who may place it | longest hold |
|---|---|---|
| up to 2,500.00 EUR | any analyst | 24 hours |
| over 10,000.00 EUR | any analyst | 48 hours |

The duty manager looks at every payment over 10,000.00 EUR at 06:00.
"""
    opened = Index.open(tmp_path / "index")
    opened.sync([Document("authority", "Holding payments", table)])
    question = read_question(opened, "What is the longest hold for a payment over 10,000 EUR?")
    found = gather(question, opened.search(question.text))
    assert found[0].text == "| over 10,000.00 EUR | any analyst | 48 hours |"
    assert "longest hold" in found[0].heads
    assert not any(entry.heads for entry in found if entry.text.startswith(("The duty", "| amount")))
    (plain,) = (entry for entry in found if entry.text.startswith("The duty"))
    assert found[0].signals[SIGNALS.index("coverage")] > plain.signals[SIGNALS.index("coverage")]


def test_a_question_for_a_code_is_answered_with_one(tmp_path: Path) -> None:
    note = "The customer sent a contract for a boat.\n\n**Disposition.** inconclusive, N02.\n\nThe rest stays open."
    opened = Index.open(tmp_path / "index")
    opened.sync([Document("case_notes/CN-2026-0057", "A boat", note, {"case_id": "CN-2026-0057"})])
    answer = Answerer(opened).ask("Which code was used to close CN-2026-0057?")
    assert answer.status != "not_in_documents" and "N02" in answer.sentences[0].text
    opened.sync([Document("case_notes/CN-2026-0057", "A boat", note[:40], {"case_id": "CN-2026-0057"})])
    assert Answerer(opened).ask("Which code was used to close CN-2026-0057?").status == "not_in_documents"


def test_any_chat_model_of_langchain_can_answer(index: Index) -> None:
    model = FakeListChatModel(responses=["A hold lasts at most 48 hours [1]. The moon is made of cheese [2]."])
    answer = Answerer(index, llm="fake", chat_model=model).ask("How long does a hold last at most?")
    assert [sentence.supported for sentence in answer.sentences] == [True, False]
    assert (answer.status, answer.answerer) == ("partial", "fake")


def test_an_empty_question_is_refused(index: Index) -> None:
    with pytest.raises(InputError, match="the question is empty"):
        Answerer(index).ask(" \n ")


@pytest.mark.parametrize("prompt", ["{question} only", "{question} {evidence} {other}"])
def test_a_prompt_needs_its_two_fields(index: Index, prompt: str) -> None:
    with pytest.raises(InputError, match="prompt template"):
        Answerer(index, prompt=prompt)


def test_marks_belong_to_the_sentence_before_them() -> None:
    assert split_answer("First thing [1]. Second thing. [2][3] Third.") == [
        Said("First thing.", (1,)),
        Said("Second thing.", (2, 3)),
        Said("Third.", ()),
    ]
