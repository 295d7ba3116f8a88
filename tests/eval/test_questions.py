"""Questions: what is read, what is refused and with which words."""

import json

import pytest

from eval.errors import EvalInputError
from eval.questions import (
    GoldPassage,
    Question,
    load_questions,
    parse_question,
    question_set_digest,
    sample_questions,
    stale_gold,
)
from eval.spans import figures, locate, overlap_share

GOOD = {
    "id": "Q-1",
    "question": "When is a hold lifted?",
    "reference_answer": "After 48 hours.",
    "kind": "answerable",
    "gold": [{"document_id": "policies/holds", "quote": "lifted after 48 hours"}],
}


def test_a_question_is_read_from_plain_values():
    assert parse_question(GOOD) == Question(
        "Q-1",
        "When is a hold lifted?",
        "After 48 hours.",
        (GoldPassage("policies/holds", "lifted after 48 hours"),),
        "answerable",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "maybe"}, "kind 'maybe' unknown; known: answerable, unanswerable"),
        ({"kind": None}, "kind missing"),
        ({"id": " "}, "id is empty"),
        ({"question": 3}, "question must be text, not 3"),
        ({"gold": []}, "needs at least one gold passage"),
        ({"gold": "policies/holds"}, "gold must be a list"),
        ({"gold": [{"document": "x", "quote": "y"}]}, "document_id and quote, nothing else"),
        ({"kind": "off_topic"}, "kind off_topic has no gold passage"),
        ({"reference_answer": ""}, "needs a reference_answer"),
        ({"as_of": "yesterday"}, "as_of 'yesterday' is not a time"),
        ({"split": "train"}, "split 'train' unknown"),
        ({"refrence": "x"}, "unknown field 'refrence'"),
    ],
)
def test_a_wrong_question_is_refused_with_the_reason(change, words):
    with pytest.raises(EvalInputError, match=words):
        parse_question({**GOOD, **change})


def test_a_hostile_question_expects_an_answer_only_with_gold():
    assert parse_question({**GOOD, "kind": "hostile"}).expects_answer
    assert not parse_question({**GOOD, "kind": "hostile", "gold": [], "reference_answer": ""}).expects_answer


def test_every_wrong_line_of_a_file_is_named(tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_text(
        f"{json.dumps(GOOD)}\n\nnot json\n{json.dumps({**GOOD, 'kind': 'x', 'id': 'Q-2'})}\n{json.dumps(GOOD)}\n"
    )
    with pytest.raises(EvalInputError) as raised:
        load_questions(file)
    message = str(raised.value)
    assert "line 3: not JSON" in message
    assert "line 4: kind 'x' unknown" in message
    assert "line 5: id Q-1 was used before" in message


def test_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path):
    (tmp_path / "b.jsonl").write_text(json.dumps({**GOOD, "id": "B", "split": "development"}))
    (tmp_path / "a.jsonl").write_text(json.dumps({**GOOD, "id": "A"}))
    assert [question.id for question in load_questions(tmp_path)] == ["A", "B"]
    assert [question.id for question in load_questions(tmp_path, split="gate")] == ["A"]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_no_file_an_empty_one_and_a_binary_one_are_refused(tmp_path, content):
    file = tmp_path / "q.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(EvalInputError, match=r"q\.jsonl"):
        load_questions(file)


def test_the_digest_changes_with_a_word_and_not_with_the_order():
    first, second = parse_question(GOOD), parse_question({**GOOD, "id": "Q-2"})
    assert question_set_digest([first, second]) == question_set_digest([second, first])
    assert question_set_digest([first]) != question_set_digest([parse_question({**GOOD, "question": "When?"})])


def test_gold_that_no_longer_stands_in_the_documents_is_named():
    question = parse_question(GOOD)
    assert stale_gold([question], {"policies/holds": "It is lifted\nafter 48 hours."}.get) == []
    assert "no longer says" in stale_gold([question], {"policies/holds": "It is kept."}.get)[0]
    assert "no document policies/holds" in stale_gold([question], {}.get)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EUR 1,200.00 and 1.2k and 1200", {"1200"}),
        ("12,50 or 12.5", {"12.5"}),
        ("T00012345 and CN-2026-0017 [1] [2, 3]", {"T00012345", "CN-2026-0017"}),
        ("on 2026-07-02T09:14:00Z, at 14:30", {"2026-07-02", "09:14:00", "14:30"}),
        ("about 5% of 1'000'000", {"5", "1000000"}),
        ("no figures here", set()),
    ],
)
def test_figures_are_compared_by_value(text, expected):
    assert figures(text) == expected


def test_spans_are_found_over_line_breaks_and_compared():
    assert locate("after 48  hours", "lifted after\n48 hours.") == (7, 21)
    assert locate("after 49 hours", "lifted after 48 hours") is None
    assert overlap_share((0, 10), (5, 100)) == 0.5
    assert overlap_share((0, 10), (10, 20)) == 0.0


def test_a_sample_keeps_the_shares_of_the_kinds_and_the_order():
    kinds = ["answerable"] * 60 + ["unanswerable"] * 30 + ["off_topic"] * 10
    asked = [Question(f"Q{n:03}", "?", "", (), kind) for n, kind in enumerate(kinds)]
    chosen = sample_questions(asked, 20)
    assert [
        sum(question.kind == kind for question in chosen) for kind in ("answerable", "unanswerable", "off_topic")
    ] == [12, 6, 2]
    assert chosen == sorted(chosen, key=lambda question: question.id)
    assert chosen == sample_questions(asked, 20)
    assert sample_questions(asked, 200) == asked


def test_the_questions_that_ship_are_sound():
    questions = load_questions()
    assert len(questions) >= 20
    assert {"answerable", "unanswerable", "off_topic"} <= {question.kind for question in questions}
