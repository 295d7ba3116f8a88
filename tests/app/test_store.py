"""The desk's database: what is added stays as it was, decisions are kept, two at once do not clash."""

import threading
import time

import pytest

from app.records import AlertFilter, Precedent
from app.store import ConflictError, InvalidDecisionError, NotFoundError, Store, StoreError


def precedent(case_id="CN-1"):
    return Precedent("case_notes/CN-1", case_id, "Title", "legitimate", "", "", None, "", "a.md", "quote", 0, 5, 0.5)


def test_alerts_come_by_expected_loss(store, scored):
    store.add_alerts([scored(1), scored(3, probability=0.1), scored(2, probability=0.9)])
    page = store.alerts()
    assert [item.transaction_id for item in page.items] == ["T00000002", "T00000001", "T00000003"]
    assert [item.expected_loss for item in page.items] == pytest.approx([180, 50, 30])


def test_a_payment_keeps_its_first_record(store, scored):
    assert store.add_alerts([scored(1)]) == 1
    assert store.add_alerts([scored(1, probability=0.99), scored(2)]) == 1
    assert store.alert_of("T00000001").probability == 0.5


def test_the_record_holds_what_led_to_the_score(store, scored):
    store.add_alerts([scored(1)])
    alert = store.alert(1)
    assert alert.features == {"amount": 100.0, "payee_mean_7d": None}
    assert alert.reasons[0].text == alert.headline == "first payment to this payee"
    assert alert.event_time == scored(1).event_time
    assert alert.precedents is None


def test_precedents_are_frozen_once(store, scored):
    store.add_alerts([scored(1)])
    assert store.freeze_found(1, [precedent("CN-1")])[0].case_id == "CN-1"
    assert store.freeze_found(1, [precedent("CN-2")])[0].case_id == "CN-1"
    store.add_alerts([scored(2)])
    assert store.freeze_found(2, []) == ()
    assert store.alert(2).precedents == ()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AlertFilter(), 4),
        (AlertFilter(states=("open",)), 3),
        (AlertFilter(states=("confirmed_fraud", "legitimate")), 1),
        (AlertFilter(min_probability=0.6), 1),
        (AlertFilter(search="t0000000"), 4),
        (AlertFilter(search="C3"), 1),
        (AlertFilter(search="%"), 0),
        (AlertFilter(search="_"), 0),
    ],
)
def test_filters(store, scored, wanted, found):
    store.add_alerts([scored(1), scored(2), scored(3, probability=0.7), scored(4)])
    store.decide(1, "legitimate", "L01", "", "ana")
    page = store.alerts(wanted, limit=2)
    assert page.total == found
    assert len(page.items) == min(found, 2)


def test_a_decision_and_its_undo_both_stay(store, scored):
    store.add_alerts([scored(1)])
    made = store.decide(1, "confirmed_fraud", "F02", " known mule ", "ana")
    assert (made.note, store.alert(1).state, store.counts()["confirmed_fraud"]) == ("known mule", "confirmed_fraud", 1)
    undone = store.undo(1, "ben")
    assert undone.state == "open"
    assert undone.decision is None
    assert undone.dispositions[0].undone_by == "ben"
    store.decide(1, "needs_information", "W01", "", "ana")
    store.decide(1, "legitimate", "L01", "", "ana")
    assert store.undo(1, "ana").state == "needs_information"


def test_wrong_decisions_are_refused(store, scored):
    store.add_alerts([scored(1)])
    with pytest.raises(InvalidDecisionError, match="not one of"):
        store.decide(1, "fraud", "F01", "", "ana")
    with pytest.raises(InvalidDecisionError, match="does not go with legitimate"):
        store.decide(1, "legitimate", "F01", "", "ana")
    with pytest.raises(NotFoundError):
        store.decide(7, "legitimate", "L01", "", "ana")
    with pytest.raises(ConflictError, match="no decision"):
        store.undo(1, "ana")


def test_of_two_who_decide_at_once_one_is_told(store, scored):
    store.add_alerts([scored(1)])
    outcomes = []

    def decide(who):
        try:
            outcomes.append(store.decide(1, "legitimate", "L01", "", who))
        except ConflictError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=decide, args=(f"analyst {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 5
    assert len(store.alert(1).dispositions) == 1


def test_what_is_written_is_there_after_opening_again(tmp_path, scored):
    url = f"sqlite:///{tmp_path}/deep/er/desk.db"
    first = Store(url)
    first.add_alerts([scored(1)])
    first.decide(1, "legitimate", "L03", "", "ana")
    first.close()
    assert Store(url).alert(1).decision.reason_code == "L03"


def test_a_wrong_address_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="database_url"):
        Store("nonsense")
    (tmp_path / "text.db").write_text("this is no database, and longer than a header of one would be " * 20)
    with pytest.raises(StoreError, match="does not open"):
        Store(f"sqlite:///{tmp_path}/text.db")


def test_fifty_thousand_alerts_list_fast(store, scored):
    store.add_alerts(scored(number) for number in range(1, 50_001))
    started = time.perf_counter()
    page = store.alerts(AlertFilter(states=("open",)), offset=25_000)
    store.counts()
    assert time.perf_counter() - started < 0.5
    assert page.total == 50_000


def test_conversations_belong_to_their_analyst(store):
    talks = store.conversations
    key = talks.start("ana", "What is a mule?")
    talks.add(key, "user", "What is a mule?")
    answer = talks.add(key, "assistant", "An account that …", {"status": "answered"})
    assert [message.role for message in talks.messages(key, "ana")] == ["user", "assistant"]
    assert talks.messages(key, "ana")[1].payload == {"status": "answered"}
    assert talks.messages(key, "ben") == []
    assert [talk.title for talk in talks.recent("ana")] == ["What is a mule?"]
    assert talks.recent("ben") == []
    assert talks.add_feedback(True, "ana", message_id=answer) == 1
    with pytest.raises(LookupError):
        talks.add_feedback(True, "ana", message_id=99)
