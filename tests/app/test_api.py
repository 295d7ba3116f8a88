"""The service over a built home: routes, errors in one shape, what a decision changes."""

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from app.api import create_app
from app.desk import Desk
from app.scoring import score_plain
from app.settings import Settings

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def desk(desk_settings):
    return Desk(desk_settings)


@pytest.fixture(scope="module")
def client(desk):
    with TestClient(create_app(desk.settings, desk), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def payment(desk):
    row = desk.history.frame.iloc[-1]
    return {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in desk.scorer.schema.required}


def test_every_part_is_ready(client):
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready")
    assert ready.status_code == 200, ready.text
    assert {part["name"] for part in ready.json()["parts"]} >= {"database", "model", "history", "index"}


def test_a_home_without_anything_says_what_to_run(tmp_path):
    with TestClient(create_app(Settings(home=tmp_path), page=False), raise_server_exceptions=False) as empty:
        ready = empty.get("/ready")
        assert ready.status_code == 503
        model = next(part for part in ready.json()["parts"] if part["name"] == "model")
        assert not model["ready"]
        assert "train" in model["detail"] or "frauddesk" in model["detail"]
        assert empty.get("/health").status_code == 200
        scored = empty.post("/api/score", json={"step": 1})
        assert scored.status_code in (409, 503)
        assert scored.headers["content-type"] == PROBLEM
        assert empty.get("/api/alerts").json()["total"] == 0


def test_the_quick_way_gives_what_the_careful_way_gives(desk):
    frame = desk.history.frame
    assert all(part.ready for part in desk.ready())
    for row in range(0, len(frame), len(frame) // 40):
        values = json.loads(frame[list(desk.scorer.schema.required)].iloc[[row]].to_json(orient="records"))[0]
        quick = desk.score_at_once(values | {"transaction_id": f"Q{row}"})
        careful = desk.score_payments(frame.iloc[[row]], ids=[f"Q{row}"], reasons=0)[0]
        assert quick is not None
        assert replace(quick, transaction={}) == replace(careful, transaction={})
        assert quick.transaction.items() <= careful.transaction.items()
    assert desk.score_at_once(values | {"amount": "12"}) is None
    popular = str(frame[desk.scorer.schema.payee].value_counts().index[0])
    payment = desk.history.past.read(values | {"nameDest": popular}, desk.scorer.categories)
    many = desk.history.past.count_near(payment) - 1
    assert score_plain(desk.scorer, desk.history.past, values | {"nameDest": popular}, "Q", many) is None


def test_a_score_equals_that_of_the_same_payment_in_the_file(client, desk, payment):
    whole = desk.scorer.score(desk.history.frame)
    answer = client.post("/api/score", json=payment, params={"reasons": 3})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["fraud_probability"] == pytest.approx(whole["fraud_probability"].iloc[-1], abs=1e-12)
    assert len(body["reasons"]) == 3
    assert body["model_version"] == desk.scorer.model_version


def test_an_alert_holds_the_score_of_the_whole_file(client, desk):
    scores = desk.scorer.score(desk.history.frame).set_index("transaction_id")["fraud_probability"]
    for item in client.get("/api/alerts", params={"limit": 20}).json()["items"]:
        assert item["probability"] == pytest.approx(scores[item["transaction_id"]], abs=1e-12)
        assert item["probability"] >= item["threshold"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"amount": "much"}, "amount"),
        ({"amount": -5}, "negative"),
        ({"amount": "nan"}, "amount"),
        ({"step": "soon"}, "step"),
        ({"nameOrig": None}, "nameOrig"),
    ],
)
def test_a_wrong_payment_is_a_problem_that_names_the_column(client, payment, change, word):
    answer = client.post("/api/score", json={**payment, **change})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert word in answer.json()["detail"]


def test_a_recorded_payment_is_history_to_the_next(client, desk, payment):
    known = len(desk.history)
    first = {**payment, "nameOrig": "C-brand-new", "transaction_id": "X-1", "step": payment["step"] + 1}
    client.post("/api/score", json=first)
    assert len(desk.history) == known
    client.post("/api/score", json=first, params={"record": True})
    client.post("/api/score", json=first, params={"record": True})
    assert len(desk.history) == known + 1
    second = desk.score_one({**first, "transaction_id": "X-2", "step": payment["step"] + 2})
    assert second.features["payer_count_all"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/score", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("GET", "/api/alerts/999999", 404, "not_found"),
        ("GET", "/api/alerts/abc", 422, "invalid_request"),
        ("GET", "/api/alerts?limit=0", 422, "invalid_request"),
        ("GET", "/api/alerts?state=weird", 422, "invalid_request"),
        ("POST", "/api/ask", 422, "invalid_request"),
    ],
)
def test_every_error_is_a_problem(client, method, path, status, code):
    answer = client.request(method, path)
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]


def test_decide_twice_and_take_back(client):
    alert = client.get("/api/alerts", params={"state": "open", "limit": 1}).json()["items"][0]["id"]
    path = f"/api/alerts/{alert}/disposition"
    decision = {"decision": "confirmed_fraud", "reason_code": "F02", "note": "mule"}
    made = client.post(path, json=decision)
    assert made.status_code == 201, made.text
    assert client.post(path, json=decision).json()["code"] == "conflict"
    assert client.get(f"/api/alerts/{alert}").json()["state"] == "confirmed_fraud"
    assert client.delete(path).json()["state"] == "open"
    assert client.delete(path).status_code == 409
    assert client.post(path, json={**decision, "reason_code": "L01"}).json()["code"] == "invalid_decision"
    assert client.post(path, json={**decision, "more": 1}).json()["code"] == "invalid_request"


def test_precedents_were_closed_before_the_payment(desk):
    seen = 0
    for item in desk.store.alerts(limit=10).items:
        alert = desk.store.alert(item.id)
        for precedent in desk.precedents(alert):
            seen += 1
            assert pd.Timestamp(precedent.closed) < pd.Timestamp(alert.event_time)
            text = desk.index.document_text(precedent.document_id)
            assert text[precedent.start : precedent.end] == precedent.quote
    if desk.index.search("case", where={"collection": "case_notes"}):
        assert seen


def test_an_answer_cites_what_stands_in_its_document(client, desk):
    question = {"question": "How long may a payment be held?"}
    body = client.post("/api/ask", json=question).json()
    assert body["status"] in ("answered", "partial")
    citations = [citation for sentence in body["sentences"] for citation in sentence["citations"]]
    assert citations
    for citation in citations:
        text = desk.index.document_text(citation["document_id"])
        assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_an_answer_as_events(client):
    with client.stream("POST", "/api/ask", json={"question": "How long may a payment be held?"},
                       headers={"accept": "text/event-stream"}) as answer:  # fmt: skip
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    events = [block.split("\n") for block in text.strip().split("\n\n")]
    assert events[0][0] == "event: step"
    assert events[-1][0] == "event: answer"
    assert json.loads(events[-1][1].removeprefix("data: "))["status"] in ("answered", "partial")


def test_a_question_that_names_a_payment_brings_its_figures(client):
    alert = client.get("/api/alerts", params={"limit": 1}).json()["items"][0]
    body = client.post("/api/ask", json={"question": f"Why was {alert['transaction_id']} flagged?"}).json()
    assert body["case"]["probability"] == alert["probability"]
    assert body["case"]["model_version"] == alert["model_version"]
    assert body["case"]["origin"] == "alert record"
    assert body["case"]["reasons"]
    quiet = client.post("/api/ask", json={"question": "What is the limit over 10,000 in 2026?"}).json()
    assert "case" not in quiet
    unknown = client.post("/api/ask", json={"question": "Why was T99999999 flagged?"}).json()
    assert any("T99999999" in notice for notice in unknown["notices"])


def test_a_file_in_gives_a_row_for_each_payment(client, desk):
    # Whole steps: of the step that a file begins in, the working payments are not taken as its history.
    steps = desk.history.frame["step"]
    sample = desk.history.frame[steps > steps.iloc[-50]]
    sent = {"file": ("../../evil name.csv", sample.to_csv(index=False).encode())}
    answer = client.post("/api/score/batch", files=sent, params={"reasons": 1})
    assert answer.status_code == 200, answer.text
    table = pd.read_csv(io.BytesIO(answer.content))
    assert len(table) == len(sample) > 10
    assert {"transaction_id", "fraud_probability", "alert", "model_version", "reason_1"} <= set(table.columns)
    whole = desk.scorer.score(desk.history.frame)["fraud_probability"].tail(len(sample))
    assert table["fraud_probability"].to_numpy() == pytest.approx(whole.to_numpy(), abs=1e-9)
    assert not list((desk.settings.home / "tmp").glob("*"))


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.exe", b"MZ", 415, "unsupported_file"),
        ("a.csv", b"", 422, "empty_file"),
        ("a.csv", b"step,type\n1,TRANSFER\n", 422, "invalid_transactions"),
        ("a.parquet", b"no parquet at all", 422, None),
    ],
)
def test_a_wrong_file_is_a_problem(client, desk, name, content, status, code):
    answer = client.post("/api/score/batch", files={"file": (name, content)})
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code
    assert not list((desk.settings.home / "tmp").glob("*"))


def test_feedback_is_kept(client):
    assert client.post("/api/feedback", json={"helpful": True, "question": "q", "answer": "a"}).status_code == 201
    assert client.post("/api/feedback", json={"helpful": True, "message_id": 10**9}).json()["code"] == "not_found"


def test_the_model_and_the_figures(client, desk):
    model = client.get("/api/model").json()
    assert model["version"] == desk.scorer.model_version
    assert 0 < model["threshold"] < 1
    text = client.get("/metrics").text
    assert "frauddesk_requests_total" in text
    assert 'frauddesk_alerts{state="open"}' in text


def test_documents_and_page_name_no_other_host(client):
    docs = client.get("/docs").text
    assert "/api/score" in docs
    for page in (docs, client.get("/").text):
        assert "cdn." not in page
        assert "googleapis" not in page
    assert client.get("/openapi.json").json()["info"]["title"] == "Fraud Desk"


def test_a_failed_reload_keeps_the_old_model(desk, monkeypatch):
    before = desk.scorer
    monkeypatch.setattr("app.desk.Scorer.load", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("store away")))
    with pytest.raises(OSError, match="store away"):
        desk.reload_model()
    assert desk.scorer is before
    desk.follow_champion()
    assert desk.scorer is before
