"""Candidate questions: the same document makes the same ones, a person decides, what is accepted is asked."""

import json

import pytest

from eval.builder import MadeUp, bearing_passage, from_document, from_model, split_of
from eval.candidates import CandidateBook
from eval.errors import EvalInputError
from eval.questions import GoldPassage, load_questions, stale_gold

NOTE = """---
case_id: CN-2026-0901
transactions: [T00012345]
accounts: [C111, C222]
amount: 4250.0
currency: EUR
---
# A mule

Caller was told to move 4,250.00 EUR to C222 by T00012345. He believed in a job abroad.
Account C222 was emptied in cash within the hour after that.

Closed on the same evening as F04, the whole chain reported.
"""
FIELDS = {
    "case_id": "CN-2026-0901",
    "transactions": ["T00012345"],
    "accounts": ["C222"],
    "amount": 4250.0,
    "currency": "EUR",
    "opened": "2026-07-02T09:14:00Z",
    "closed": "2026-07-04T16:30:00Z",
}
GUIDE = """# Holds

## 1. How long

A hold is lifted after 48 hours unless the payer confirms the fraud. Nobody needs to ask for that to happen at all.

## 2. Who decides

The duty manager decides on it, and nobody else does so.
"""


@pytest.fixture
def note():
    return list(from_document("case_notes/CN-2026-0901", "A mule", NOTE, FIELDS))


def test_a_case_note_makes_questions_with_gold_and_questions_to_be_refused(note):
    made = {candidate.question: candidate for candidate in note}
    first = "Caller was told to move 4,250.00 EUR to C222 by T00012345."
    assert [passage.quote for passage in made["What do the notes say about T00012345?"].gold] == [first]
    assert made["What is C222 to CN-2026-0901?"].gold[0].quote == first
    assert made["What sum was at stake in CN-2026-0901?"].reference_answer == "4,250.00 EUR"
    assert made["How did case CN-2026-0901 end?"].gold[0].quote.startswith("Closed on the same evening as F04")
    untold = made["What is known of case CN-2026-0901?"]
    assert (untold.kind, untold.gold, untold.as_of) == ("unanswerable", (), "2026-07-02T09:14:00Z")
    refused = [candidate for candidate in note if candidate.kind == "unanswerable"]
    assert len(refused) == 2
    # The note speaks of a job, so that is not among what it leaves untold.
    assert not any("profession" in candidate.question for candidate in refused)


def test_every_gold_quote_stands_in_its_document(note):
    guide = list(from_document("policies/holds", "Holds", GUIDE, {}))
    texts = {"case_notes/CN-2026-0901": NOTE, "policies/holds": GUIDE}
    assert [candidate.question for candidate in guide] == [
        "What does “Holds” say under “How long”?",
        "What does “Holds” say under “Who decides”?",
    ]
    assert "48 hours" in guide[0].reference_answer
    assert stale_gold([*note, *guide], texts.get) == []


def test_the_same_document_makes_the_same_candidates(note):
    assert note == list(from_document("case_notes/CN-2026-0901", "A mule", NOTE, FIELDS))
    assert len({candidate.id for candidate in note}) == len(note)


def test_what_a_model_makes_up_needs_a_quote_that_stands_there():
    quote = "A hold is lifted after 48 hours unless the payer confirms the fraud."
    found = from_model(
        "policies/holds", GUIDE, MadeUp(question="When is a hold lifted?", answer="48 hours", quote=quote)
    )
    assert found is not None and found.gold == (GoldPassage("policies/holds", quote),)
    invented = MadeUp(question="When is it?", answer="now", quote="A hold is lifted after 72 hours unless it is not.")
    assert from_model("policies/holds", GUIDE, invented) is None


def test_the_sentence_that_says_what_a_correction_says_is_found():
    passages = [("typologies/mule", "Money goes on within 2 hours."), ("policies/holds", GUIDE)]
    found = bearing_passage("the hold is lifted after 48 hours", passages)
    assert found == GoldPassage(
        "policies/holds", "A hold is lifted after 48 hours unless the payer confirms the fraud."
    )
    assert bearing_passage("the hold is lifted after 72 hours", passages) is None
    assert bearing_passage("", passages) is None


def test_a_person_decides_once(tmp_path, note):
    book = CandidateBook(tmp_path)
    assert book.add(note) == len(note)
    assert book.add(note) == 0
    text_of = {"case_notes/CN-2026-0901": NOTE}.get
    ending = next(candidate for candidate in note if candidate.question.startswith("How did case"))
    taken = book.accept(ending.id, "ann", text_of, question="How was CN-2026-0901 closed?", split="development")
    assert (taken.question, taken.split) == ("How was CN-2026-0901 closed?", "development")
    assert load_questions(tmp_path / "questions") == [taken]
    book.reject(note[0].id, "ann", "trivial")
    assert {candidate.id for candidate in book.pending()} == {c.id for c in note} - {ending.id, note[0].id}
    assert book.decided() == {ending.id: "accepted", note[0].id: "rejected"}
    assert book.add(note) == 0
    with pytest.raises(EvalInputError, match="was accepted before"):
        book.reject(ending.id, "bob")
    with pytest.raises(EvalInputError, match="no candidate D-none"):
        book.accept("D-none", "ann", text_of)


def test_a_correction_needs_a_passage_or_becomes_a_question_to_refuse(tmp_path):
    line = {"id": "C-7", "question": "When?", "reference_answer": "After 48 hours.", "gold": [], "source": "correction"}
    (tmp_path / "candidates.jsonl").write_text(json.dumps({**line, "who": "ann", "message_id": 3}))
    book = CandidateBook(tmp_path)
    (waiting,) = book.pending()
    assert (waiting.source, waiting.made_from) == ("correction", "ann")
    with pytest.raises(EvalInputError, match="no passage bears the answer"):
        book.accept("C-7", "ann", {}.get)
    with pytest.raises(EvalInputError, match="no longer says"):
        book.accept("C-7", "ann", {"policies/holds": GUIDE}.get, gold=[GoldPassage("policies/holds", "after 3 hours")])
    # The line above has no end: the next one must not run into it.
    book.add(from_document("policies/holds", "Holds", GUIDE, {}))
    assert len(book.pending()) == 3
    refused = book.accept("C-7", "ann", {}.get, kind="unanswerable")
    assert (refused.kind, refused.reference_answer, refused.gold) == ("unanswerable", "", ())


def test_a_line_that_is_none_is_named(tmp_path):
    (tmp_path / "candidates.jsonl").write_text('{"id": "C-1", "question": "q"}\n{"id": \n')
    with pytest.raises(EvalInputError, match=r"candidates\.jsonl, line 2"):
        CandidateBook(tmp_path).pending()


def test_the_split_hangs_on_the_id_alone():
    splits = [split_of(f"D-{number}") for number in range(500)]
    assert splits == [split_of(f"D-{number}") for number in range(500)]
    assert 0.5 < splits.count("gate") / 500 < 0.7
