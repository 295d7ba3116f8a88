"""The chain of decision records: what was sealed stays, and the first place where it does not is named."""

import json
import threading
from dataclasses import replace

import pytest
from sqlalchemy import inspect, text, update

from app import tables
from app.ledger_check import check_ledger, check_payment
from app.records import Precedent, Typology
from app.store import Store

NEAR = Precedent(
    "case_notes/CN-1", "CN-1", "Title", "legitimate", "", "", 5.0, "EUR", "a.md", "quote", 0, 5, 0.5, ("C1",)
)
LIKELY = Typology("mule_chain", "Mule chain", 0.5, "two payers", "typologies/mule-chain", "m.md", "A mule", 0, 6)


@pytest.fixture
def worked(store, scored):
    """A store in which everything has happened once."""
    store.add_alerts([scored(1), scored(2), scored(3)])
    store.freeze_found(1, [NEAR], LIKELY)
    store.decisions.claim(1, "ana")
    store.decide(1, "confirmed_fraud", "F02", "known mule", "ana")
    store.decide(2, "legitimate", "L01", "", "ben")
    store.undo(2, "ben")
    store.decisions.claim(3, "ben")
    store.decisions.release(3, "ben")
    store.narratives.sign(store.alert(1), "The payment [F1].", "ana")
    return store


def test_what_nobody_touched_is_intact(worked):
    report = check_ledger(worked.engine)
    assert report.intact
    assert (report.entries, report.alerts) == (11, 3)
    assert [entry.kind for entry in worked.ledger.entries_of("T00000001")] == [
        "alert", "found", "claim", "decision", "narrative",
    ]  # fmt: skip
    assert check_payment(worked.engine, "T00000001").intact


def change(column, value, row=1):
    return lambda connection: connection.execute(
        update(column.table).where(column.table.c.id == row).values({column.name: value})
    )


def sql(statement):
    return lambda connection: connection.execute(text(statement))


ALERTS, MADE, LEDGER = tables.alerts.c, tables.dispositions.c, tables.ledger.c


@pytest.mark.parametrize(
    ("tamper", "entry", "payment", "words"),
    [
        (change(ALERTS.probability, 0.1), 1, "T00000001", "frozen record was changed"),
        (change(ALERTS.model_version, "9"), 1, "T00000001", "frozen record was changed"),
        (
            change(ALERTS.record, {"transaction": {}, "features": {}, "reasons": []}),
            1,
            "T00000001",
            "record was changed",
        ),
        (change(ALERTS.precedents, []), 4, "T00000001", "precedents and typology was changed"),
        (change(ALERTS.likely, None), 4, "T00000001", "precedents and typology was changed"),
        (change(MADE.decision, "legitimate"), 6, "T00000001", "decision 1 was changed"),
        (change(MADE.note, "another"), 6, "T00000001", "decision 1 was changed"),
        (change(MADE.undone_at, 5), 0, "T00000001", "undo 1 is not in the chain"),
        (change(MADE.undone_at, None, 2), 8, "T00000002", "undo 2 was removed"),
        (change(LEDGER.body, "{}", 2), 2, "T00000002", "text was changed"),
        (change(LEDGER.kind, "found", 3), 3, "T00000003", "kind or payment was changed"),
        (change(LEDGER.previous, "f" * 64, 5), 5, "T00000001", "does not follow"),
        (sql("DELETE FROM ledger WHERE id = 4"), 5, "T00000001", "entry 4 is missing"),
        (sql("DELETE FROM ledger WHERE id >= 9"), 9, "", "11 were written"),
        (sql("DELETE FROM alerts WHERE id = 3"), 3, "T00000003", "record was removed"),
        (sql("UPDATE narratives SET text = 'Nothing.'"), 11, "T00000001", "narrative 1 was changed"),
        (sql("DELETE FROM narratives"), 11, "T00000001", "narrative 1 was removed"),
    ],
)
def test_the_first_broken_link_is_named(worked, tamper, entry, payment, words):
    with worked.engine.begin() as connection:
        tamper(connection)
    broken = check_ledger(worked.engine).broken
    assert broken is not None
    assert (broken.entry, broken.transaction_id) == (entry, payment)
    assert words in broken.problem


def test_an_alert_put_in_past_the_chain_is_found(worked, scored):
    with worked.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO alerts SELECT 99, 'T9', event_time, created_at, payer, payee, amount, currency,"
                " probability, threshold, expected_loss, model_version, state, headline, record, NULL, NULL, NULL,"
                " NULL, NULL FROM alerts WHERE id = 1"
            )
        )
    broken = check_ledger(worked.engine).broken
    assert broken is not None
    assert broken.transaction_id == "T9"


def test_a_noted_head_shows_that_the_whole_chain_was_made_anew(worked):
    head = check_ledger(worked.engine).head
    worked.decisions.claim(2, "ana")
    assert check_ledger(worked.engine, head).intact
    assert not check_ledger(worked.engine, "0f" * 32).intact


def test_one_payments_check_sees_its_own_records_only(worked):
    with worked.engine.begin() as connection:
        connection.execute(update(tables.alerts).where(ALERTS.id == 2).values(probability=0.2))
    assert check_payment(worked.engine, "T00000001").intact
    assert not check_payment(worked.engine, "T00000002").intact


def test_many_at_once_leave_one_chain(tmp_path, scored):
    stores = [Store(f"sqlite:///{tmp_path}/desk.db") for _ in range(4)]
    stores[0].add_alerts(scored(number) for number in range(1, 41))

    def work(number):
        for alert in range(number, 41, 4):
            stores[number - 1].decisions.claim(alert, f"analyst {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = check_ledger(stores[0].engine)
    assert report.intact
    assert report.entries == 80


def test_withdrawn_alerts_leave_the_chain_intact(store, scored):
    store.add_alerts([scored(1), scored(2)])
    store.decide(2, "legitimate", "L01", "", "ana")
    assert store.withdraw_alerts("ana", "other data") == 1
    store.add_alerts([replace(scored(1), probability=0.9)])
    assert check_ledger(store.engine).intact


def test_a_database_without_chain_is_taken_in_once(tmp_path, scored):
    url = f"sqlite:///{tmp_path}/desk.db"
    first = Store(url)
    first.add_alerts([scored(1), scored(2)])
    first.decide(1, "legitimate", "L01", "", "ana")
    first.undo(1, "ana")
    with first.engine.begin() as connection:
        for statement in (
            "DROP TABLE ledger", "DROP TABLE ledger_head", "DROP TABLE case_notes",
            *(f"DROP INDEX {index['name']}" for index in inspect(connection).get_indexes("alerts")),
            "ALTER TABLE alerts DROP COLUMN owner", "ALTER TABLE alerts DROP COLUMN claimed_at",
            "ALTER TABLE alerts DROP COLUMN typology", "ALTER TABLE alerts DROP COLUMN likely",
        ):  # fmt: skip
            connection.execute(text(statement))
    first.close()
    again = Store(url)
    report = check_ledger(again.engine)
    assert report.intact
    assert report.entries == 4
    again.decisions.claim(1, "ana")
    again.close()
    assert check_ledger(Store(url).engine).entries == 5


def test_many_records_are_read_a_part_at_a_time(store, scored):
    store.add_alerts(scored(number) for number in range(1, 10_001))
    told = []
    report = check_ledger(store.engine, progress=lambda done, total: told.append((done, total)))
    assert report.intact
    assert told[-1] == (10_000, 10_000)


def test_the_command_names_the_broken_link(worked, tmp_path, monkeypatch, capsys):
    from typer.testing import CliRunner

    from app.cli import cli

    monkeypatch.setenv("FRAUDDESK_DATABASE_URL", str(worked.engine.url))
    fine = CliRunner().invoke(cli, ["records", "verify", "--json"])
    assert fine.exit_code == 0
    assert json.loads(fine.stdout)["intact"] is True
    with worked.engine.begin() as connection:
        connection.execute(update(tables.alerts).where(ALERTS.id == 2).values(amount=1.0))
    found = CliRunner().invoke(cli, ["records", "verify"])
    assert found.exit_code == 1
    assert "BROKEN at entry 2 (payment T00000002)" in found.stdout
