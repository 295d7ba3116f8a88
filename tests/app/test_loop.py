"""The closed loop: a decision becomes a note that is found, a precedent for the next like alert, and goes with undo."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from app.case_notes import note_text
from app.desk import Desk
from app.indexing import Indexer
from app.ledger_check import check_ledger
from app.precedents import find_precedents
from app.records import Disposition, Precedent, ReasonRecord
from app.settings import Settings
from retrieval import Document

HOSTILE = "Known mule\r\n---\n# Heading\n- item\ncase_id: CN-1\x00 <script>alert(1)</script>"
MADE = Disposition(1, 1, "confirmed_fraud", "F02", HOSTILE, "ana", datetime(2026, 11, 21, 9, 30, tzinfo=UTC))


@pytest.fixture
def desk(tmp_path):
    """A desk with an empty index of its own and no model."""
    opened = Desk(Settings(home=tmp_path / "home"))
    yield opened
    opened.indexer.stop()
    opened.close()


def notes(desk):
    folder = desk.settings.corpus_written / "case_notes"
    return sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []


def found(desk, query, **where):
    return [hit.document_id for hit in desk.index.search(query, k=5, where=where or None)]


def front_matter(text):
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_a_note_says_what_the_record_holds(store, scored):
    evil = "C1\n---\nname: [x]"
    near = Precedent("n", "CN-9", "T", "legitimate", "", "", None, "", "", "q", 0, 1, 0.5)
    store.add_alerts([scored(1, payer=evil, reasons=(ReasonRecord("a", 1, 2.0, "first # payment"),))])
    store.freeze_found(1, [near])
    front, body = front_matter(note_text(store.alert(1), MADE, "CN-2026-0071"))
    assert front["case_id"] == "CN-2026-0071"
    assert front["closed"] == "2026-11-21T09:30:00Z"
    assert (front["outcome"], front["typology"], front["origin"], front["alert"]) == (
        "confirmed_fraud", "mule_chain", "desk", 1,
    )  # fmt: skip
    assert front["accounts"] == [evil, "M1"]
    assert front["transactions"] == ["T00000001"]
    lines = body.splitlines()
    assert "- First # payment (+2.00)" in lines
    assert "> Known mule" in lines
    assert "> # Heading" in lines
    assert not [line for line in lines if line.startswith(("#", "---", "case_id"))]
    assert "\x00" not in body
    assert "CN-9 (legitimate)" in body


@pytest.mark.parametrize(
    ("decision", "code", "typology"),
    [("legitimate", "L01", "none"), ("inconclusive", "N01", "none"), ("confirmed_fraud", "F05", "structuring")],
)
def test_the_typology_follows_the_reason(store, scored, decision, code, typology):
    store.add_alerts([scored(1)])
    made = replace(MADE, decision=decision, reason_code=code)
    assert front_matter(note_text(store.alert(1), made, "CN-2026-0001"))[0]["typology"] == typology


def test_a_decision_becomes_a_note_that_is_found_and_a_precedent(desk, scored):
    desk.store.add_alerts([scored(1, payer="C77", payee="M88")])
    desk.store.decide(1, "confirmed_fraud", "F02", "Courier fetched the card at the door", "ana")
    assert desk.indexer.run_once()
    assert notes(desk) == ["CN-2026-0001.md"]
    assert desk.store.notes.of_alert(1).case_id == "CN-2026-0001"
    assert "case_notes/CN-2026-0001" in found(desk, "courier fetched the card")
    answer = desk.answerer.ask("What is known of CN-2026-0001?")
    assert any(c.document_id == "case_notes/CN-2026-0001" for s in answer.sentences for c in s.citations)
    like = scored(2, payer="C99", payee="M88")
    assert [item.case_id for item in desk.precedents(like)] == ["CN-2026-0001"], "closed in this very second"
    desk.store.add_alerts([like])
    later = replace(desk.store.alert(2), created_at=datetime.now(UTC) + timedelta(seconds=2))
    assert [item.shared_accounts for item in find_precedents(desk.index, later)] == [("M88",)]


def test_undo_takes_label_and_note_back(desk, scored):
    desk.store.add_alerts([scored(1)])
    desk.store.decide(1, "legitimate", "L02", "A kitchen", "ana")
    desk.indexer.run_once()
    desk.store.undo(1, "ana")
    assert desk.store.labels() == []
    desk.indexer.run_once()
    assert notes(desk) == []
    assert found(desk, "kitchen") == []
    desk.store.decide(1, "confirmed_fraud", "F05", "", "ana")
    desk.indexer.run_once()
    assert notes(desk) == ["CN-2026-0002.md"], "a number is never given twice"
    assert check_ledger(desk.store.engine).intact


def test_an_undo_before_the_note_was_written_leaves_nothing(desk, scored):
    desk.store.add_alerts([scored(1)])
    desk.store.decide(1, "legitimate", "L02", "", "ana")
    desk.store.undo(1, "ana")
    assert desk.indexer.run_once()
    assert notes(desk) == []
    assert desk.store.notes.counts() == {"gone": 1}


def test_information_asked_for_closes_nothing(desk, scored):
    desk.store.add_alerts([scored(1)])
    desk.store.decide(1, "needs_information", "W01", "", "ana")
    desk.indexer.run_once()
    assert notes(desk) == []


@pytest.mark.parametrize("step", ["complete", "number", "file", "index", "mark"])
def test_a_desk_that_dies_at_any_step_does_it_after_its_restart(desk, scored, monkeypatch, step):
    desk.store.add_alerts([scored(1, payee="M88")])
    desk.store.decide(1, "confirmed_fraud", "F02", "Courier at the door", "ana")

    class Died(BaseException):
        pass

    def die(*_args, **_kwargs):
        raise Died

    with monkeypatch.context() as at_work:
        at_work.setattr(*{
            "complete": (desk, "complete_record", die),
            "number": (desk.store.notes, "give_case_id", die),
            "file": ("app.indexing.write_whole", die),
            "index": (desk.index, "sync", die),
            "mark": (desk.store.notes, "done", die),
        }[step])  # fmt: skip
        with pytest.raises(Died):
            desk.indexer.run_once()
    desk.close()
    desk.index.close()
    again = Desk(desk.settings)
    assert again.indexer.run_once()
    assert notes(again) == ["CN-2026-0001.md"]
    assert found(again, "courier door") == ["case_notes/CN-2026-0001"]
    assert again.store.notes.counts() == {"indexed": 1}
    again.close()


def test_numbers_go_on_after_those_that_are_indexed(desk, scored):
    year = datetime.now(UTC).year
    desk.index.sync([Document(f"case_notes/CN-{year}-0070", "x", "A note.", {"collection": "case_notes"})])
    desk.store.add_alerts([scored(1), scored(2)])
    for alert in (1, 2):
        desk.store.decide(alert, "legitimate", "L01", "", "ana")
    desk.indexer.run_once()
    assert notes(desk) == [f"CN-{year}-0071.md", f"CN-{year}-0072.md"]


def test_a_full_disk_keeps_the_order_and_says_why(desk, scored, monkeypatch):
    desk.store.add_alerts([scored(1)])
    desk.store.decide(1, "legitimate", "L01", "", "ana")
    with monkeypatch.context() as full:
        full.setattr("app.indexing.write_whole", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert not desk.indexer.run_once()
    task = desk.store.notes.open_tasks()[0]
    assert (task.attempts, "No space left" in task.problem) == (1, True)
    assert desk.indexer.run_once()


def test_the_thread_brings_in_what_others_write(desk):
    folder = desk.settings.corpus_written / "run_reports"
    folder.mkdir(parents=True)
    desk.indexer.start()
    (folder / "first.md").write_text("# Report\n\nThe zebra model won.", encoding="utf-8")
    assert eventually(desk, lambda: found(desk, "zebra") == ["run_reports/first"])
    (folder / "first.md").write_text("# Report\n\nThe walrus model won.", encoding="utf-8")
    assert eventually(desk, lambda: "walrus" in desk.index.document_text("run_reports/first"))
    (folder / "first.md").unlink()
    assert eventually(desk, lambda: desk.index.document_ids() == [])


def eventually(desk, holds, patience=20.0):
    import time

    end = time.monotonic() + patience
    while time.monotonic() < end:
        desk.documents_changed()
        if holds():
            return True
        time.sleep(0.2)
    return False


def test_precedents_of_an_alert_are_of_its_own_time(desk, scored):
    old = {"collection": "case_notes", "case_id": "CN-1", "outcome": "legitimate", "accounts": ["M1"]}
    documents = [
        Document("case_notes/before", "b", "Payee M1 again.", {**old, "closed": "2026-07-01T00:00:00Z"}),
        Document("case_notes/after", "a", "Payee M1 again.", {**old, "closed": "2026-09-01T00:00:00Z"}),
        Document(
            "case_notes/desk", "d", "Payee M1 again.", {**old, "closed": "2026-09-01T00:00:00Z", "origin": "desk"}
        ),
        Document(
            "case_notes/own", "o", "Payee M1 again.",
            {**old, "closed": "2026-09-01T00:00:00Z", "origin": "desk", "transactions": ["T00000001"]},
        ),
    ]  # fmt: skip
    desk.index.sync(documents)
    desk.store.add_alerts([scored(1)])
    alert = replace(desk.store.alert(1), created_at=datetime(2026, 9, 2, tzinfo=UTC))
    near = {item.document_id for item in find_precedents(desk.index, alert, count=9)}
    assert near == {"case_notes/before", "case_notes/desk"}
    earlier = replace(alert, created_at=datetime(2026, 8, 20, tzinfo=UTC))
    assert {item.document_id for item in find_precedents(desk.index, earlier, count=9)} == {"case_notes/before"}


def test_records_are_completed_in_the_background(desk, scored):
    desk.store.add_alerts(scored(number) for number in range(1, 30))
    desk.indexer.run_once()
    assert desk.store.unfinished(10) == []
    assert check_ledger(desk.store.engine).intact


def test_one_pass_at_a_time(desk):
    assert isinstance(desk.indexer, Indexer)
    desk.indexer.start()
    desk.indexer.start()
    desk.indexer.stop()
