from pathlib import Path

import pytest

from retrieval import Answerer, Document, Index, read_documents
from retrieval.errors import InputError
from retrieval.text import terms

CASE = "What did the caller make the customer install in CN-2026-0001?"


@pytest.mark.parametrize("query", ["remote tool install caller", "CN-2026-0001", "T00012345", "C1231 M9001"])
def test_search_never_leaves_the_askers_collections(index: Index, query: str) -> None:
    hits = index.search(query, 10, collections=["policies", "typologies"], per_document=5)
    assert hits and {hit.metadata["collection"] for hit in hits} <= {"policies", "typologies"}
    assert not any(hit.named for hit in hits)


def test_hidden_collections_change_no_score(index: Index) -> None:
    seen = index.search("payment hold", 5, collections=["policies"])
    filtered = index.search("payment hold", 5, where={"collection": "policies"})
    assert [(hit.passage_id, hit.score) for hit in seen] == [(hit.passage_id, hit.score) for hit in filtered]
    policies = {"collection": {"$in": ["policies"]}}
    hidden, unknown = (index.term_weights(terms(word), where=policies) for word in ("landlord", "zeppelin"))
    assert list(hidden.values()) == list(unknown.values())


def test_a_document_outside_is_as_if_it_were_not_there(index: Index) -> None:
    assert index.document("case_notes/CN-2026-0001", collections=["policies"]) is None
    with pytest.raises(InputError, match="no such document"):
        index.document_text("case_notes/CN-2026-0001", collections=["policies"])
    assert index.document_text("policies/payment-holds", collections=["policies"])
    assert index.document_ids(collections=["policies"]) == ["policies/payment-holds"]
    assert index.search("payment", collections=[]) == []


def test_an_answer_cites_only_what_the_asker_may_see(index: Index) -> None:
    answerer = Answerer(index)
    assert answerer.ask(CASE).status != "not_in_documents"
    hidden = answerer.ask(CASE, collections=["policies"])
    assert hidden.status == "not_in_documents" and "remote tool" not in hidden.answer
    assert all(hit.metadata["collection"] == "policies" for hit in hidden.hits)


def test_an_answerers_own_limits_cannot_be_widened(index: Index) -> None:
    answerer = Answerer(index, collections=["policies"])
    for asked in (None, ["case_notes"], ["case_notes", "policies"]):
        answer = answerer.ask(CASE, collections=asked)
        assert all(hit.metadata["collection"] == "policies" for hit in answer.hits)
        events = list(answerer.stream(CASE, where={"$or": [{"collection": "case_notes"}]}, collections=asked))
        assert not events[0].hits


def test_one_text_is_no_list_of_collections(index: Index) -> None:
    with pytest.raises(InputError, match="give a list of names"):
        index.search("payment", collections="policies")


def test_a_hidden_collection_influences_nothing(index: Index, corpus: Path, tmp_path: Path) -> None:
    """The same answers, scores and counts as from an index that never held the hidden documents."""
    without = Index.open(tmp_path / "without")
    entries = [entry for entry in read_documents(corpus) if isinstance(entry, Document)]
    without.sync([entry for entry in entries if entry.metadata["collection"] != "case_notes"])
    hidden = {"hidden_collections": {"case_notes"}}
    for asked in (
        CASE,
        "T00012345 C1231",
        "How long does a hold last?",
        "Who approves the release of a payment?",
        "v7",
    ):
        found, expected = index.search(asked, **hidden), without.search(asked)
        assert [(hit.passage_id, hit.score) for hit in found] == [(hit.passage_id, hit.score) for hit in expected]
        ours, theirs = Answerer(index).ask(asked, **hidden), Answerer(without).ask(asked)
        assert ours.confidence == theirs.confidence
        assert ours.to_dict() | {"elapsed_ms": 0} == theirs.to_dict() | {"elapsed_ms": 0}
        *_, last = Answerer(index).stream(asked, **hidden)
        assert last.answer is not None and last.answer.sentences == theirs.sentences
    seen, expected_status = index.status(**hidden), without.status()
    for name in ("documents", "passages", "vectors", "keyword_passages", "collections"):
        assert getattr(seen, name) == getattr(expected_status, name)
    assert (seen.bytes, seen.failures) == (0, ())
    assert index.document_ids(**hidden) == without.document_ids()
    assert index.collections(**hidden) == without.collections() == ("policies", "run_reports", "typologies")
    assert index.document("case_notes/CN-2026-0001", **hidden) is None


def test_what_is_hidden_changes_no_version_that_is_shown(tmp_path: Path) -> None:
    def note(text: str, collection: str) -> Document:
        return Document(f"{collection}/a", "", text, {"collection": collection})

    index = Index.open(tmp_path / "index")
    hidden = {"hidden_collections": {"case_notes"}}
    index.sync([note("A hold lasts 48 hours.", "policies")])
    shown, whole = index.status(**hidden).version, index.status().version
    index.sync([note("The caller posed as the bank.", "case_notes")])
    assert index.status(**hidden).version == shown and index.status().version != whole
    index.sync([note("A hold lasts 24 hours.", "policies")])
    assert index.status(**hidden).version != shown


def test_a_kept_answer_is_not_given_to_other_eyes(index: Index) -> None:
    answerer = Answerer(index)
    assert answerer.ask(CASE).hits[0].metadata["collection"] == "case_notes"
    for _ in range(2):
        answer = answerer.ask(CASE, hidden_collections=["case_notes"])
        assert all(hit.metadata["collection"] != "case_notes" for hit in answer.hits)
    assert answerer.ask(CASE).cached


def test_a_note_cannot_name_its_own_collection_or_source(tmp_path: Path) -> None:
    note = tmp_path / "case_notes" / "CN-2026-0009.md"
    note.parent.mkdir()
    note.write_text("---\ncollection: policies\nsource: /etc/hosts\n---\nA hold lasts 900 hours.\n", encoding="utf-8")
    (found,) = read_documents(tmp_path)
    assert isinstance(found, Document)
    assert (found.metadata["collection"], found.source) == ("case_notes", str(note))
