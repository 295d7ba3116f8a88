"""A case over HTTP and as a file: claims that clash, packs, narratives that cite the record, budgets, export."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from pypdf import PdfReader

from app.access import ForbiddenError, User
from app.api import create_app
from app.budget import BudgetCurve, budget_points
from app.case_accounts import network, timelines
from app.case_pack import case_pack, to_markdown
from app.case_pdf import to_pdf
from app.cases import Cases
from app.desk import Desk
from app.history import History
from app.ledger_check import check_payment
from app.narratives import cited, draft, references, unknown_references
from app.records import AlertFilter, Precedent, ReasonRecord, Typology
from app.store import InvalidDecisionError
from app.typologies import sign_profile
from app.ui.case_record import nearness
from app.ui.case_view import CaseShown, case_page
from app.ui.decision_view import decision_panel
from app.ui.network import network_svg
from app.ui.queue_state import QueueState
from app.ui.queue_view import age_of, filter_bar, queue_list
from app.ui.timeline import timeline_svg
from fraud_model import load_schema

EVIL = "<img src=x onerror=alert(1)>|**[x](y)"
NEAR = Precedent(
    "case_notes/CN-7", "CN-7", "Courier", "confirmed_fraud", "mule_chain", "2026-07-01T00:00:00Z", 110.0, "EUR",
    "n.md", "A transfer fetched by a courier", 0, 31, 0.61, ("M1",),
)  # fmt: skip
LIKELY = Typology("mule_chain", "Mule chain", 0.6, "two payers", "typologies/mule-chain", "m.md", "A mule", 0, 6)


@pytest.fixture
def case(store, scored):
    """An alert with everything in its record."""
    reasons = (ReasonRecord("a", 1.0, 1.2, "first payment to this payee"), ReasonRecord("b", 2.0, -0.4, "known payer"))
    store.add_alerts([scored(1, reasons=reasons)])
    store.freeze_found(1, [NEAR], LIKELY)
    store.decide(1, "confirmed_fraud", "F02", "Known\nmule", "ana")
    return store.alert(1)


def pack_of(store, alert):
    return case_pack(
        alert,
        store.ledger.entries_of(alert.transaction_id),
        check_payment(store.engine, alert.transaction_id),
        store.narratives.of_alert(alert.id),
        datetime(2026, 11, 21, tzinfo=UTC),
    )


def test_each_sentence_of_a_draft_cites_the_record(case):
    known = references(case)
    lines = draft(case).splitlines()
    assert len(lines) >= 7
    for line in lines:
        assert cited(line), line
        assert set(cited(line)) <= known.keys()
    assert {"F1", "S1", "R1", "R2", "P1", "T1", "D1"} <= set(cited(draft(case)))
    assert unknown_references("It is so [R9] and [P1], again [R9].", case) == ["R9"]


def test_figures_of_a_draft_stand_in_what_it_cites(case):
    import re

    known = references(case)
    for line in draft(case).splitlines():
        told = " ".join(known[name] for name in cited(line))
        for figure in re.findall(r"\d[\d.,]*\d|\d", re.sub(r"\[[A-Z]\d+\]", "", line)):
            assert figure in told, (figure, line)


def test_a_narrative_is_signed_once_and_stays(store, case):
    signed = store.narratives.sign(case, "It was fraud [D1].\r\nThe payee is a mule [P1]. ", "ana")
    assert (signed.text, signed.signed_by) == ("It was fraud [D1].\nThe payee is a mule [P1].", "ana")
    store.narratives.sign(case, "Again [F1].", "ben")
    assert store.narratives.of_alert(1).signed_by == "ben"
    assert check_payment(store.engine, case.transaction_id).intact
    for text in ("", "  ", "It cites [R7].", "x" * 20_001):
        with pytest.raises(InvalidDecisionError):
            store.narratives.sign(case, text, "ana")


def test_a_pack_holds_the_whole_record(store, case):
    text = to_markdown(pack_of(store, case))
    for part in (
        "## Payment \\[F1\\]", "## Reasons", "## Nearest closed cases", "## Decisions",
        "## Narrative (draft, not signed)", "## References", "## Features", "## Chain of records", "CN-7: Courier",
        "T00000001", "F02 Mule account or chain", "first payment to this payee", "Known mule",
        "3 entries about this payment hold.",
    ):  # fmt: skip
        assert part in text, part
    store.narratives.sign(case, "It was fraud [D1].", "ana")
    assert "Signed by ana" in to_markdown(pack_of(store, case))


def test_a_pack_takes_foreign_text_as_text(store, scored):
    reasons = (ReasonRecord("a", 1.0, 1.0, EVIL),)
    store.add_alerts([scored(1, payer=EVIL, payee=EVIL, transaction={EVIL: EVIL}, reasons=reasons)])
    text = to_markdown(pack_of(store, store.alert(1)))
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;\\|\\*\\*\\[x\\](y)" in text


def test_a_pack_as_pdf_reads_back(store, scored):
    store.add_alerts([scored(1, payer="Zoë Łukasz Αθήνα Київ", features={f"feature_{n}": n / 3 for n in range(120)})])
    pages = PdfReader(io.BytesIO(to_pdf(pack_of(store, store.alert(1))))).pages
    text = "\n".join(page.extract_text() for page in pages)
    assert len(pages) > 2
    assert "Zoë Łukasz Αθήνα Київ" in text
    assert "feature_119" in text
    assert f"2 / {len(pages)}" in text


def past(*rows):
    frame = pd.DataFrame(
        [{"step": s, "type": "TRANSFER", "amount": a, "nameOrig": x, "nameDest": y} for s, a, x, y in rows]
    )
    return History(frame, load_schema("paysim"))


@pytest.fixture
def linked(store, scored):
    """An alert on C1 paying M1 at step 700, with a past and a future."""
    history = past(
        (100, 5.0, "C1", "M1"), (600, 7.0, "C1", "M2"), (610, 9.0, "C2", "M1"), (620, 3.0, "C2", "M2"),
        (630, 2.0, "C2", "M9"), (650, 4.0, "C3", "M1"), (700, 50.0, "C1", "M1"), (700, 1.0, "C1", "M5"),
        (701, 99.0, "C1", "M6"), (702, 98.0, "C4", "M1"),
    )  # fmt: skip
    at = datetime.fromtimestamp(int(history.schema.times(history.frame)[6]), UTC)
    store.add_alerts(
        [
            scored(7, transaction_id="T00000007", event_time=at, payer="C1", payee="M1", amount=50.0),
            scored(3, transaction_id="T00000003", event_time=datetime(2026, 6, 2, tzinfo=UTC), payer="C2", payee="M1"),
            scored(9, transaction_id="T00000009", event_time=datetime(2026, 9, 2, tzinfo=UTC), payer="C3", payee="M1"),
        ]
    )
    return history, store.alert_of("T00000007")


def test_accounts_show_what_was_before_and_nothing_after(store, linked):
    history, alert = linked
    payer, payee = timelines(history, alert)
    assert [(item.amount, item.other) for item in payer.payments] == [(5.0, "M1"), (7.0, "M2")]
    assert [(item.amount, item.other) for item in payee.payments] == [(5.0, "C1"), (9.0, "C2"), (4.0, "C3")]
    web = network(history, store.engine, alert)
    assert [item.account for item in web.shared] == ["M2"]
    assert [item.account for item in web.payees] == []
    assert [item.account for item in web.payers] == ["C2", "C3"]
    assert web.links == (("C2", "M2"),)
    assert {item.account: item.alerts for item in (web.payee, *web.payers)} == {"M1": 1, "C2": 1, "C3": 0}
    for picture in (timeline_svg(payer, alert), timeline_svg(payee, alert), network_svg(web, alert)):
        assert "<title" in picture
        assert "<desc" in picture
    assert "had an alert before" in network_svg(web, alert)


def test_an_account_without_past_is_shown_empty(store, scored):
    history = past((1, 1.0, "C8", "M8"))
    store.add_alerts(
        [scored(1, transaction={"step": 5, "type": "TRANSFER", "amount": 1.0, "nameOrig": "C1", "nameDest": "M1"})]
    )
    alert = store.alert(1)
    assert [line.total for line in timelines(history, alert)] == [0, 0]
    assert network(history, store.engine, alert).payers == ()
    assert "No payments in these days" in timeline_svg(timelines(history, alert)[0], alert)


def test_foreign_text_never_becomes_markup(store, scored):
    user = User("ana")
    reasons = (ReasonRecord("a", 1.0, 1.0, EVIL),)
    store.add_alerts([scored(1, payer=EVIL, payee=EVIL, transaction={EVIL: EVIL, "type": EVIL}, reasons=reasons)])
    near = replace(NEAR, title=EVIL, quote=EVIL, case_id=EVIL, shared_accounts=(EVIL,))
    store.freeze_found(1, [near], replace(LIKELY, title=EVIL, quote=EVIL, why=EVIL, name=EVIL))
    store.decisions.claim(1, EVIL)
    history = past((1, 1.0, EVIL, EVIL), (2, 1.0, EVIL, "M2"))
    alert = store.alert(1)

    class FakeDesk:
        pass

    desk = FakeDesk()
    desk.store, desk.history = store, history
    cases = Cases(desk)
    seen = cases.read(1, user)
    shown = CaseShown(seen, store.ledger.entries_of(alert.transaction_id), cases.accounts(alert), "", user)
    page = store.alerts()
    pieces = [
        case_page(alert, alert.precedents, "", shown),
        queue_list(page, 1, True, EVIL),
        filter_bar(
            store.counts(), QueueState(search=EVIL, owner=EVIL, typology=EVIL), user=EVIL, typologies=[EVIL],
            saved=[EVIL], curve=None,
        ),
    ]  # fmt: skip
    for piece in pieces:
        assert "<img" not in piece
        assert "&lt;img" in piece


@pytest.mark.parametrize(
    ("user", "owner", "shows", "hides"),
    [
        (User("ana", "analyst"), None, "<form", "Claimed by"),
        (User("ana", "analyst"), "ana", "<form", "Claimed by"),
        (User("ana", "analyst"), "ben", "Claimed by", "<form"),
        (User("lea", "lead"), "ben", "Claimed by", "<form"),
        (User("eve", "auditor"), None, "Not decided yet", "<form"),
    ],
)
def test_only_who_may_decide_gets_the_form(store, scored, user, owner, shows, hides):
    store.add_alerts([scored(1)])
    if owner:
        store.decisions.claim(1, owner)
    panel = decision_panel(store.alert(1), user)
    assert shows in panel
    assert hides not in panel


@pytest.mark.parametrize(
    ("role", "decided"), [("analyst", True), ("lead", True), ("auditor", False), ("engineer", False)]
)
def test_a_role_that_may_not_decide_is_refused(client, role, decided):
    _, desk = client
    number = desk.store.alerts(AlertFilter(states=("open",))).items[-1].id
    user = User("somebody", role)
    if decided:
        desk.cases.claim(number, user)
        desk.cases.release(number, user)
        return
    for act in (
        lambda: desk.cases.claim(number, user),
        lambda: desk.cases.release(number, user),
        lambda: desk.cases.decide(number, "legitimate", "L01", "", user),
        lambda: desk.cases.undo(number, user),
        lambda: desk.cases.sign(number, "So [F1].", user),
    ):
        with pytest.raises(ForbiddenError):
            act()
    if role == "engineer":
        with pytest.raises(ForbiddenError):
            desk.cases.pack(number, user)


def test_why_a_case_is_near_is_said_in_words(case):
    told = nearness(case, NEAR)
    for part in ("the same payee", "mule chain, which this looks like", "amount is similar", "“transfer”"):
        assert part in told
    other = replace(NEAR, shared_accounts=(), typology="", amount=None, title="", quote="zzz")
    assert nearness(case, other) == "its text is the nearest to the reasons, as a whole"


def test_a_budget_is_measured_with_its_uncertainty():
    rng = np.random.default_rng(5)
    labels = (rng.random(4_000) < 0.02).astype(float)
    scores = np.clip(labels * 0.3 + rng.random(4_000) * 0.7, 0, 1)
    amounts = rng.random(4_000) * 100
    points = budget_points(labels, scores, amounts, days=10)
    by_budget = {point.alerts_per_day: point for point in points}
    point = by_budget[20]
    chosen = scores >= point.threshold
    assert chosen.sum() == 200
    assert point.precision.value == pytest.approx(labels[chosen].mean())
    assert point.recall.value == pytest.approx(labels[chosen].sum() / labels.sum())
    assert point.value.value == pytest.approx((amounts * labels)[chosen].sum() / 10)
    for figure in (point.precision, point.recall, point.value):
        assert figure.low < figure.value < figure.high
    assert [p.threshold for p in points] == sorted((p.threshold for p in points), reverse=True)
    assert [p.recall.value for p in points] == sorted(p.recall.value for p in points)
    curve = BudgetCurve("1", datetime.now(UTC), datetime.now(UTC), 4_000, 80, "EUR", tuple(points))
    assert curve.at(62).alerts_per_day == 60
    assert curve.at(0.5).alerts_per_day == 1
    assert budget_points(np.zeros(5), scores[:5], amounts[:5], 1) == []


def test_tied_scores_are_alerts_together():
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    points = budget_points(np.array([1.0, 0, 1, 0, 0]), scores, np.ones(5), days=1)
    assert points[1].threshold == 0.5
    assert points[1].precision.value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            {"view": "nothing", "least": "x", "most": 7, "each": 1e9, "offset": -4},
            {"most": 1.0, "each": 500, "offset": 0},
        ),
        ({"min_amount": float("nan"), "max_amount": None, "selected": 3.0}, {"selected": 3}),
        ({"within": "yes", "age": "old", "search": "x" * 999}, {"age": "old", "search": "x" * 200}),
        ("not even a dictionary", {}),
    ],
)
def test_what_a_browser_sends_is_checked(sent, kept):
    assert QueueState.of(sent) == QueueState(**kept)


def test_ages_are_told_in_words(store, scored):
    store.add_alerts([scored(1)])
    item = store.alerts().items[0]
    for hours, told in ((0.5, ("young", "30 min old")), (30, ("day", "30 h old")), (100, ("old", "4 days old"))):
        now = datetime.fromtimestamp(item.created_at.timestamp() + hours * 3_600, UTC)
        assert age_of(item, now) == told


@pytest.fixture(scope="module")
def client(desk_settings):
    """The service on a copy of the built home."""
    desk = Desk(desk_settings)
    with TestClient(create_app(desk_settings, desk, page=False)) as opened:
        yield opened, desk


def alerts(client, **params):
    return client.get("/api/alerts", params={"limit": 500, **params}).json()["items"]


def test_a_claim_of_somebody_else_is_a_conflict(client):
    http, desk = client
    number = alerts(http)[-1]["id"]
    desk.store.decisions.claim(number, "somebody else")
    for path in ("claim", "release"):
        answer = http.post(f"/api/alerts/{number}/{path}")
        assert answer.status_code == 409
        assert answer.json()["code"] == "conflict"
        assert "claimed by somebody else" in answer.json()["detail"]
    refused = http.post(f"/api/alerts/{number}/disposition", json={"decision": "legitimate", "reason_code": "L01"})
    assert refused.status_code == 409
    desk.store.decisions.release(number, "somebody else")
    assert http.post(f"/api/alerts/{number}/claim").json()["owner"]
    assert http.post(f"/api/alerts/{number}/release").json()["owner"] is None
    assert http.post("/api/alerts/999999/claim").status_code == 404


def test_the_queue_is_exported_as_it_is_filtered(client):
    http, _ = client
    some = alerts(http)[0]
    answer = http.get("/api/alerts/export.csv", params={"q": some["transaction_id"]})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["transaction_id"] for row in rows] == [some["transaction_id"]]
    assert float(rows[0]["expected_loss"]) == some["expected_loss"]
    every = http.get("/api/alerts/export.csv").text.count("\r\n")
    assert every == len(alerts(http)) + 1


def test_a_cell_is_never_a_formula(client, scored):
    http, desk = client
    desk.store.add_alerts([scored(1, transaction_id="TX-FORMULA", payer='=HYPERLINK("x")', payee="+1")])
    rows = list(csv.DictReader(io.StringIO(http.get("/api/alerts/export.csv", params={"q": "TX-FORMULA"}).text)))
    assert (rows[0]["payer"], rows[0]["payee"]) == ('\'=HYPERLINK("x")', "'+1")


def test_a_pack_is_downloaded_and_its_reading_recorded(client):
    http, desk = client
    number = alerts(http)[0]["id"]
    markdown = http.get(f"/api/alerts/{number}/pack", params={"format": "md"})
    assert markdown.text.startswith(f"# Case pack: alert {number}")
    assert "Nearest closed cases" in markdown.text
    pdf = http.get(f"/api/alerts/{number}/pack")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert f"alert-{number}.pdf" in pdf.headers["content-disposition"]
    assert http.get(f"/api/alerts/{number}/pack", params={"format": "doc"}).status_code == 422
    actions = [(entry.action, entry.subject) for entry in desk.store.trail.entries().items]
    assert ("pack", f"alert {number}") in actions
    assert ("read", f"alert {number}") in actions


def test_a_narrative_over_http(client):
    http, _ = client
    number = alerts(http)[1]["id"]
    told = http.get(f"/api/alerts/{number}/narrative").json()
    assert set(cited(told["draft"])) <= told["references"].keys()
    assert http.post(f"/api/alerts/{number}/narrative", json={"text": "So it was [R99]."}).status_code == 422
    signed = http.post(f"/api/alerts/{number}/narrative", json={"text": told["draft"]})
    assert signed.status_code == 201
    assert http.get(f"/api/alerts/{number}/narrative").json()["signed"]["text"] == told["draft"]


def test_figures_budgets_and_records_over_http(client):
    http, _ = client
    figures = http.get("/api/alerts/figures").json()
    assert figures["open"] == sum(figures["by_age"].values())
    small, large = (http.get("/api/alerts/budget", params={"alerts_per_day": n}).json() for n in (5, 50))
    assert small["threshold"] > large["threshold"]
    assert small["recall"]["value"] <= large["recall"]["value"]
    assert small["recall"]["low"] <= small["recall"]["value"] <= small["recall"]["high"]
    assert http.get("/api/alerts/budget", params={"alerts_per_day": 0}).status_code == 422
    records = http.get("/api/alerts/records").json()
    assert records["intact"]
    assert http.get("/api/alerts/records", params={"noted": records["head"]}).json()["intact"]
    one = http.get(f"/api/alerts/{alerts(http)[0]['id']}/records").json()
    assert one["intact"]
    assert one["alerts"] == 1


def test_the_record_of_an_alert_never_holds_the_label(client):
    http, desk = client
    number = alerts(http)[0]["id"]
    payment = desk.score_known(desk.store.alert(number).transaction_id)
    assert desk.history.schema.label not in payment.transaction


def test_an_engineer_sees_no_case_notes(client):
    _, desk = client
    number = desk.store.alerts().items[0].id
    desk.complete_record(number)
    desk.store.freeze_found(number, [])
    seen = desk.cases.read(number, User("eve", "engineer"))
    assert (seen.hidden, seen.alert.precedents, seen.signed) == (True, None, None)
    assert desk.cases.read(number, User("ana", "analyst")).alert.precedents is not None


@pytest.mark.parametrize(
    ("typology", "kind", "amount", "features"),
    [
        ("structuring", "CASH_IN", 9_300.0, {"payer_sum_1d": 9_100.0}),
        ("credential_testing", "PAYMENT", 1.99, {"payer_count_1d": 4.0, "payer_since_last": 900.0}),
        (
            "merchant_collusion",
            "PAYMENT",
            80.0,
            {"payee_ratio_30d": 2.2, "payee_others_30d": 9.0, "payer_count_1d": 0.0},
        ),
        ("mule_chain", "CASH_OUT", 600.0, {"payee_others_30d": 15.0, "payee_others_1d": 3.0}),
        ("account_takeover", "TRANSFER", 1_200.0, {"payer_count_1d": 3.0, "payer_since_last": 7_200.0, "hour": 3.0}),
        ("social_engineering", "TRANSFER", 700.0, {"pair_first": 0.0, "pair_since_last": 110_000.0}),
    ],
)
def test_the_signs_of_each_typology(scored, typology, kind, amount, features):
    weights, words = sign_profile(scored(1, amount=amount, transaction={"type": kind}, features=features))
    assert max(weights, key=lambda name: weights[name]) == typology
    assert words[typology]


def test_a_payment_without_any_sign_has_none(scored):
    assert sign_profile(scored(1, amount=30.0, transaction={}, features={"payer_count_1d": None})) == ({}, {})
