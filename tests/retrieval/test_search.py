from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import Document, Index
from retrieval.errors import InputError
from retrieval.filters import matches
from retrieval.identifiers import find_identifiers
from retrieval.keyword import KeywordView, build_segment, count_terms


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what happened in CN-2026-0002?", "case_notes/CN-2026-0002"),
        ("which case is about T00012345", "case_notes/CN-2026-0001"),
        ("anything on account M9001", "case_notes/CN-2026-0001"),
        ("how good is v7", "run_reports/v7"),
        ("model version 7 precision", "run_reports/v7"),
        ("run 0123456789abcdef0123456789abcdef", "run_reports/v7"),
        ("money split into several transfers and cash machines", "typologies/mule-chain"),
        ("who approves the release", "policies/payment-holds"),
    ],
)
def test_finds_the_document(index: Index, question: str, expected: str) -> None:
    hits = index.search(question, k=3)
    assert hits[0].document_id == expected
    assert all(index.document_text(hit.document_id)[hit.start : hit.end] == hit.text for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_offsets_are_offsets_into_the_file(index: Index) -> None:
    for hit in index.search("payment customer account", k=10):
        assert Path(hit.source).read_text(encoding="utf-8")[hit.start : hit.end] == hit.text


def test_distinct_documents_come_before_second_passages(index: Index) -> None:
    hits = index.search("payment", k=5)
    assert len({hit.document_id for hit in hits}) == 5
    assert len(index.search("payment", k=100)) == index.status().passages


@pytest.mark.parametrize(
    ("as_of", "seen"),
    [
        ("2026-07-04T16:30:00Z", False),
        ("2026-07-04T16:30:01Z", True),
        ("2026-07-05", True),
        ("2026-01-01", False),
        (None, True),
    ],
)
def test_a_case_is_seen_only_after_it_was_closed(index: Index, as_of: str | None, seen: bool) -> None:
    found = {hit.document_id for hit in index.search("CN-2026-0001 T00012345", k=20, as_of=as_of)}
    assert ("case_notes/CN-2026-0001" in found) is seen


def test_a_hidden_document_changes_nothing(tmp_path: Path) -> None:
    shown = [
        Document(f"a{i}", "", f"The customer {w} a transfer.", {}) for i, w in enumerate(("made", "denied", "sent"))
    ]
    hidden = [
        Document(f"h{i}", "", "The customer denied denied transfer transfer. " * (i + 1), {"closed": "2026-09-01"})
        for i in range(60)
    ]
    plain, mixed = Index.open(tmp_path / "plain"), Index.open(tmp_path / "mixed")
    plain.sync(shown)
    mixed.sync([*hidden, *shown])
    question = "customer denied the transfer"
    expected, found = plain.search(question), mixed.search(question, as_of="2026-08-01")
    assert [hit.document_id for hit in found] == [hit.document_id for hit in expected]
    assert [hit.score for hit in found] == [hit.score for hit in expected]
    weights = mixed.term_weights(["deni", "transfer"], as_of="2026-08-01")
    assert weights == plain.term_weights(["deni", "transfer"])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"collection": "case_notes"}, {"case_notes/CN-2026-0001", "case_notes/CN-2026-0002"}),
        ({"outcome": {"$ne": "legitimate"}, "collection": "case_notes"}, {"case_notes/CN-2026-0001"}),
        ({"amount": {"$gte": 3000}}, {"case_notes/CN-2026-0001"}),
        ({"transactions": "T00055555"}, {"case_notes/CN-2026-0002"}),
        (
            {"$or": [{"accounts": "M9001"}, {"title": {"$contains": "Mule"}}]},
            {"case_notes/CN-2026-0001", "typologies/mule-chain"},
        ),
        ({"collection": {"$nin": ["case_notes", "policies", "typologies"]}}, {"run_reports/v7"}),
        ({"collection": "none"}, set()),
    ],
)
def test_filters(index: Index, where: dict[str, Any], expected: set[str]) -> None:
    assert {hit.document_id for hit in index.search("payment account v7", k=20, where=where)} == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": "  "}, "the question is empty"),
        ({"query": "x", "k": 0}, "k must be"),
        ({"query": "x", "as_of": "yesterday"}, "as_of: 'yesterday' is no time"),
        ({"query": "x", "where": {"amount": {"$near": 5}}}, "unknown operator \\$near on amount"),
        ({"query": "x", "where": {"$xor": []}}, "unknown operator \\$xor"),
        ({"query": "x", "where": {"amount": {"$in": 5}}}, "takes a list"),
    ],
)
def test_bad_input_is_one_clear_line(index: Index, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        index.search(**arguments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("case cn-2026-0017, T00012345 and C1231006815", ["cn-2026-0017", "t00012345", "c1231006815"]),
        ("between v7 and version 8", ["v7", "v8"]),
        ("see POL-004", ["pol-004"]),
        ("interleukin IL-6, p53 and H1N1 in covid-19", []),
        ("visual cortex V1, ver 2.0, T4 cells, CD4", []),
    ],
)
def test_identifiers(text: str, expected: list[str]) -> None:
    assert find_identifiers(text) == expected


def test_near_duplicates_are_thinned(tmp_path: Path) -> None:
    text = "A mule account forwards stolen money within the hour to three other banks."
    index = Index.open(tmp_path / "index")
    index.sync(
        [Document("one", "", text), Document("copy", "", text), Document("other", "", "Mule accounts are closed.")]
    )
    hits = index.search("mule account forwards stolen money", k=2)
    assert {hit.document_id for hit in hits} in ({"one", "other"}, {"copy", "other"})


def test_posting_lists_in_parts_score_like_one_list() -> None:
    texts = [["a", "b"], ["b", "b", "c"], ["c"], ["a", "c", "c", "d"]]
    rows = []
    for number, text in enumerate(texts, start=1):
        hashes, counts = count_terms(text)
        rows.append((number, len(text), hashes.tobytes(), counts.tobytes()))
    whole, parts = KeywordView([build_segment(rows)]), KeywordView([build_segment(rows[:2]), build_segment(rows[2:])])
    seen = np.array([True, True, False, True])
    weights = {"a": 1.0, "b": 2.0, "c": 1.0, "absent": 1.0}
    np.testing.assert_allclose(whole.scores(weights, seen), parts.scores(weights, seen))
    assert whole.scores(weights, seen)[2] == 0
    assert parts.frequency("c", seen) == 2


def test_dotted_names_and_times_in_filters() -> None:
    assert matches({"a": {"b": 3}}, {"a.b": {"$gt": 2}})
    assert not matches({"a": "text"}, {"a": {"$gt": 2}})
    assert matches({"x": 1}, {"$not": {"x": 2}})
