"""Claims, labels and figures: one alert has one owner, a label counts from its own time on."""

import threading
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from app import tables
from app.labels import with_decisions
from app.queue_figures import OLDEST, queue_figures, wilson
from app.records import NOBODY, AlertFilter, Label, Typology
from app.store import ConflictError, InvalidDecisionError, NotFoundError
from fraud_model import load_schema

DAY = 86_400


def test_a_claimed_alert_is_worked_by_its_owner_only(store, scored):
    store.add_alerts([scored(1)])
    work = store.decisions
    work.claim(1, "ana")
    work.claim(1, "ana")
    assert (store.alert(1).owner, store.alert(1).claimed_at is not None) == ("ana", True)
    with pytest.raises(ConflictError, match="claimed by ana"):
        work.claim(1, "ben")
    with pytest.raises(ConflictError, match="claimed by ana"):
        store.decide(1, "legitimate", "L01", "", "ben")
    with pytest.raises(ConflictError, match="claimed by ana"):
        work.release(1, "ben")
    work.release(1, "ben", anyones=True)
    work.release(1, "ana")
    assert store.alert(1).owner is None
    store.decide(1, "legitimate", "L01", "", "ben")
    with pytest.raises(ConflictError, match="already decided"):
        work.claim(1, "ana")
    with pytest.raises(NotFoundError):
        work.claim(7, "ana")


def test_of_many_who_claim_at_once_one_has_it(store, scored):
    store.add_alerts([scored(1)])
    got = []

    def claim(who):
        try:
            store.decisions.claim(1, who)
            got.append(who)
        except ConflictError:
            pass

    threads = [threading.Thread(target=claim, args=(f"analyst {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [store.alert(1).owner]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AlertFilter(min_amount=200.0, max_amount=300.0), {2, 3}),
        (AlertFilter(max_probability=0.4), {4}),
        (AlertFilter(owner="ana"), {1}),
        (AlertFilter(owner=NOBODY), {2, 3, 4}),
        (AlertFilter(typology="mule_chain"), {2}),
        (AlertFilter(min_age_hours=24), {3}),
        (AlertFilter(max_age_hours=24), {1, 2, 4}),
    ],
)
def test_filters(store, scored, wanted, found):
    store.add_alerts([scored(1), scored(2), scored(3), scored(4, probability=0.3)])
    store.decisions.claim(1, "ana")
    store.freeze_found(2, [], Typology("mule_chain", "", 1.0, "", "", "", "", 0, 0))
    with store.engine.begin() as connection:
        age = tables.alerts.c.created_at - 2 * DAY
        connection.execute(tables.alerts.update().where(tables.alerts.c.id == 3).values(created_at=age))
    assert {item.id for item in store.alerts(wanted).items} == found
    assert store.typologies() == ["mule_chain"]


def test_a_label_counts_from_its_decision_until_it_is_taken_back(store, scored):
    store.add_alerts([scored(1), scored(2), scored(3), scored(4)])
    store.decide(1, "confirmed_fraud", "F02", "", "ana")
    store.decide(2, "legitimate", "L01", "", "ben")
    store.decide(3, "inconclusive", "N01", "", "ben")
    store.decide(4, "needs_information", "W01", "", "ben")
    now = datetime.now(UTC)
    labels = store.labels()
    assert [(label.transaction_id, label.label, label.analyst) for label in labels] == [
        ("T00000001", 1, "ana"),
        ("T00000002", 0, "ben"),
    ]
    assert store.labels(now - timedelta(hours=1)) == []
    store.undo(1, "ana")
    assert [label.transaction_id for label in store.labels()] == ["T00000002"]
    made = tables.dispositions
    with store.engine.begin() as connection:
        at = {"decided_at": made.c.decided_at - 10 * DAY}
        connection.execute(made.update().where(made.c.alert_id == 1).values(**at))
    assert {label.transaction_id for label in store.labels(now - timedelta(days=1))} == {"T00000001"}


def payments(*rows):
    return pd.DataFrame(
        [
            {"step": step, "type": "TRANSFER", "amount": 10.0, "nameOrig": a, "nameDest": b, "isFraud": 0}
            for step, a, b in rows
        ]
    )


@pytest.mark.parametrize(
    ("rows", "known_after_days", "used", "held_back"),
    [
        ([(1, "C1", "M1"), (900, "C2", "M1")], 5, 1, 0),  # known before the delay is over: nobody sees it early
        ([(1, "C1", "M1"), (900, "C2", "M1")], 30, 1, 0),  # the next payment came after the decision
        ([(1, "C1", "M1"), (300, "C2", "M1")], 30, 0, 1),  # a payment of the payee would know it 18 days too early
        ([(1, "C1", "M1"), (300, "C1", "M2")], 30, 0, 1),  # the same for the payer
        ([(1, "C1", "M1"), (300, "C2", "M2")], 30, 1, 0),  # others see nothing of it
        ([(1, "C1", "M1"), (100, "C2", "M1")], 30, 1, 0),  # too early to count any label
    ],
)
def test_no_payment_knows_a_decision_before_it_was_made(rows, known_after_days, used, held_back):
    schema = load_schema("paysim")
    table = payments(*rows)
    paid = datetime.fromtimestamp(int(schema.times(table)[0]), UTC)
    label = Label("T00000001", 1, "ana", paid + timedelta(days=known_after_days))
    merged = with_decisions(table, schema, [label, Label("T00000099", 1, "ana", paid)])
    assert (merged.used, merged.held_back, merged.unknown) == (used, held_back, 1)
    assert merged.frame["isFraud"].tolist()[0] == used
    assert table["isFraud"].tolist()[0] == 0


def test_figures_of_the_queue(store, scored):
    store.add_alerts(scored(number) for number in range(1, 8))
    store.decide(1, "confirmed_fraud", "F02", "", "ana")
    store.decide(2, "legitimate", "L01", "", "ana")
    store.decide(3, "confirmed_fraud", "F02", "", "ana")
    store.undo(3, "ana")
    store.decide(4, "needs_information", "W01", "", "ana")
    store.decisions.claim(5, "ana")
    with store.engine.begin() as connection:
        age = tables.alerts.c.created_at - 5 * DAY
        connection.execute(tables.alerts.update().where(tables.alerts.c.id == 6).values(created_at=age))
    figures = queue_figures(store.engine)
    assert (figures.open, figures.claimed, figures.decided_today) == (5, 1, 2)
    assert figures.by_age == {"under 4 hours": 4, "4 to 24 hours": 0, "1 to 3 days": 0, OLDEST: 1}
    assert (figures.precision, figures.decided, figures.fraud) == (0.5, 2, 1)
    assert figures.value_confirmed == {"EUR": 100.0}


def test_wilson_interval():
    assert wilson(0, 0) == (None, None)
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx((0.490, 0.943), abs=0.001)
    assert wilson(0, 5)[0] == 0.0


def test_views_are_kept_for_each_user(store):
    views = store.views
    views.save("ana", " Large  mules ", {"typology": "mule_chain"})
    views.save("ana", "Large mules", {"typology": "structuring"})
    views.save("ben", "Mine", {})
    assert views.of("ana") == {"Large mules": {"typology": "structuring"}}
    views.delete("ben", "Large mules")
    views.delete("ana", "Large mules")
    assert views.of("ana") == {}
    for name in ("", " ", "x" * 61):
        with pytest.raises(InvalidDecisionError):
            views.save("ana", name, {})
    for number in range(30):
        views.save("ben", f"view {number}" if number else "Mine", {})
    with pytest.raises(InvalidDecisionError, match="30 saved views"):
        views.save("ben", "one more", {})
