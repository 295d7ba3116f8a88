"""The door of the service: who comes in, from where, how often; sessions, tokens, roles and scopes over HTTP."""

import io
import json
import logging
import re

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from app import tables
from app.access import ACTIONS, ROLES
from app.api import create_app
from app.desk import Desk
from app.guard import Guard
from app.logs import JsonLines, TextLines
from app.settings import Settings
from app.sign_in import own_path
from app.users import Users

PASSWORD = "correct horse battery"
PROBLEM = "application/problem+json"
PAGE = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def desk(tmp_path):
    opened = Desk(Settings(home=tmp_path, ask_per_minute=3))
    # Hashes that take no time; the real parameters are tried in test_users.py.
    opened.store.users = Users(opened.store.engine, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    yield opened
    opened.close()


@pytest.fixture
def app(desk):
    return create_app(desk.settings, desk, page=False)


@pytest.fixture
def ann(desk):
    """The desk's first user."""
    return desk.store.users.add("ann", "lead", PASSWORD, "test")


@pytest.fixture
def client(app):
    return TestClient(app, follow_redirects=False)


def sign_in(client, name="ann", password=PASSWORD, **more):
    return client.post("/sign-in", data={"name": name, "password": password}, **more)


def bearer(desk, name, scopes):
    return {"authorization": f"Bearer {desk.store.users.tokens.make(name, scopes, 1, 'test')}"}


def test_without_users_everything_is_open_to_this_machine(client):
    me = client.get("/api/me").json()
    assert me["role"] == "" and set(me["may"]) == set(ACTIONS)
    assert client.get("/sign-in").headers["location"] == "/"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "where"),
    [
        ("GET", "/health", {}, 200, None),
        ("GET", "/", PAGE, 303, "/sign-in"),
        ("GET", "/docs?x=1", PAGE, 303, "/sign-in?next=/docs%3Fx%3D1"),
        ("GET", "/", {}, 401, None),
        ("GET", "/config", {}, 401, None),
        ("GET", "/openapi.json", {}, 401, None),
        ("GET", "/metrics", {}, 401, None),
        ("GET", "/gradio_api/file=/etc/passwd", {}, 401, None),
        ("GET", "/gradio_api/queue/data?session_hash=x", {}, 401, None),
        ("POST", "/gradio_api/queue/join", {}, 401, None),
        ("POST", "/gradio_api/upload", {}, 401, None),
        ("GET", "/api/alerts", PAGE, 401, None),
        ("POST", "/api/ask", {}, 401, None),
        ("GET", "/api/nothing", {}, 401, None),
        ("GET", "/api/alerts", {"authorization": "Bearer fd_guessed"}, 401, None),
        ("GET", "/api/alerts", {"cookie": "frauddesk_session=guessed"}, 401, None),
        ("GET", "/api/alerts", {"authorization": "Basic YW5uOmFubg=="}, 401, None),
    ],
)
def test_with_users_nothing_comes_out_without_a_sign_in(client, ann, method, path, headers, status, where):
    answer = client.request(method, path, headers=headers)
    assert (answer.status_code, answer.headers.get("location")) == (status, where)
    if status == 401:
        assert answer.headers["content-type"] == PROBLEM
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["code"] == ("invalid_token" if "fd_guessed" in str(headers) else "not_signed_in")


def test_strangers_learn_only_whether_the_desk_is_ready(client, desk):
    assert any(part["detail"] for part in client.get("/ready").json()["parts"])
    desk.store.users.add("ann", "lead", PASSWORD, "test")
    stranger = TestClient(create_app(desk.settings, desk, page=False))
    assert not any(part["detail"] for part in stranger.get("/ready").json()["parts"])


def test_the_first_user_ends_single_user_mode_without_a_restart(desk):
    now = [0.0]
    guard = Guard(lambda: desk.store.users, 12, clock=lambda: now[0])
    assert guard.find({}).kind == "single"
    desk.store.users.add("ann", "lead", PASSWORD, "test")
    assert guard.recall({}).kind == "single"
    now[0] += 2
    assert guard.recall({}) is None
    assert guard.find({}).kind == "nobody"
    now[0] += 1_000
    assert guard.recall({}).kind == "nobody"


def test_sign_in_sign_out(client, desk, ann):
    answer = sign_in(client)
    cookie = answer.headers["set-cookie"]
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    assert client.get("/api/me").json()["role"] == "lead"
    kept = dict(client.cookies)
    assert client.post("/sign-out").headers["location"] == "/sign-in"
    assert client.get("/api/me", cookies=kept).status_code == 401
    assert [entry.action for entry in desk.store.trail.entries().items][:2] == ["sign_out", "sign_in"]


def test_over_https_the_cookie_is_secure(app, ann):
    assert (
        "Secure"
        in sign_in(TestClient(app, base_url="https://testserver", follow_redirects=False)).headers["set-cookie"]
    )


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ("/docs?x=1&y=2", "/docs?x=1&y=2"),
        ("/?tab=queue", "/?tab=queue"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/sign-out", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_only_to_the_desk_itself(asked, where):
    assert own_path(asked) == where


def test_a_wrong_password_says_so_in_the_form_the_caller_reads(client, ann):
    page = sign_in(client, password="wrong", headers=PAGE)
    assert (
        page.status_code == 401 and "do not go together" in page.text and "value='ann'" in page.text.replace('"', "'")
    )
    problem = sign_in(client, password="wrong")
    assert (problem.status_code, problem.headers["content-type"], problem.json()["code"]) == (
        401,
        PROBLEM,
        "wrong_password",
    )
    escaped = sign_in(client, name="<b>'\"", password="wrong", headers=PAGE).text
    assert "<b>" not in escaped


def test_guessing_is_slowed_down(client, desk, ann):
    for _ in range(4):
        assert sign_in(client, password="wrong").status_code == 401
    slowed = [sign_in(client, password="wrong") for _ in range(2)][-1]
    right = sign_in(client)
    for answer in (slowed, right):
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["code"] == "too_many_requests"
    assert "Try again in" in sign_in(client, headers=PAGE).text
    assert {entry.action for entry in desk.store.trail.entries().items} == {"user_add", "sign_in_refused"}


def test_a_form_too_large_is_refused(client, ann):
    assert client.post("/sign-in", content=b"name=" + b"x" * 20_000).json()["code"] == "too_large"


CROSS_SITE = [
    ({"sec-fetch-site": "cross-site"}, True),
    ({"sec-fetch-site": "same-site"}, True),
    ({"sec-fetch-site": "same-origin"}, False),
    ({"sec-fetch-site": "none"}, False),
    ({"origin": "https://evil.example"}, True),
    ({"origin": "null"}, True),
    ({"origin": "http://testserver"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("headers", "refused"), CROSS_SITE)
@pytest.mark.parametrize("mode", ["single", "session"])
def test_another_sites_page_changes_nothing(client, desk, mode, headers, refused):
    if mode == "session":
        desk.store.users.add("ann", "lead", PASSWORD, "test")
        assert sign_in(client).status_code == 303
    answer = client.post("/api/feedback", json={"helpful": True, "question": "q"}, headers=headers)
    assert (answer.status_code == 403 and answer.json()["code"] == "cross_site") == refused
    if mode == "session":
        assert sign_in(client, headers=headers).status_code == (403 if refused else 303)


def test_a_token_needs_no_origin(client, desk, ann):
    headers = {**bearer(desk, "ann", ["read", "feedback"]), "origin": "https://bank.example"}
    answer = client.post("/api/feedback", json={"helpful": True, "question": "q"}, headers=headers)
    assert answer.status_code != 403


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("localhost:7860", False),
        ("127.0.0.1:7860", False),
        ("[::1]:7860", False),
        ("testserver", False),
        ("evil.example", True),
        ("evil.example:7860", True),
        ("127.0.0.1.evil.example", True),
        ("localhost.evil.example", True),
        ("[", True),
        ("", True),
    ],
)
def test_a_desk_without_users_answers_only_to_its_own_names(client, host, refused):
    answer = client.get("/api/me", headers={"host": host})
    assert answer.status_code == (403 if refused else 200)
    if refused:
        assert answer.json()["code"] == "forbidden_host"


def test_tokens_do_not_open_the_page(client, desk, ann):
    headers = bearer(desk, "ann", ["read"])
    assert client.get("/api/me", headers=headers).json()["may"] == ["read"]
    assert client.get("/metrics", headers=headers).status_code == 200
    assert client.get("/config", headers=headers).json()["code"] == "forbidden"
    assert client.get("/", headers={**headers, **PAGE}).status_code == 403


def routes_of(app):
    """Method and path of every route of the API, with numbers for what the path leaves open."""
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            if path not in ("/health", "/ready"):
                yield method.upper(), re.sub(r"\{[^}]+\}", "1", path)


def test_every_route_takes_a_scope(client, app, desk, ann):
    secret = desk.store.users.tokens.make("ann", ["read"], 1, "test")
    with desk.store.engine.begin() as connection:
        connection.execute(tables.tokens.update().values(scopes=[]))
    routes = list(routes_of(app))
    assert len(routes) > 8
    for method, path in routes:
        assert client.request(method, path).status_code == 401, (method, path)
        answer = client.request(method, path, headers={"authorization": f"Bearer {secret}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path, answer.text)


MAY = {
    ("GET", "/api/audit"): {"lead", "auditor"},
    ("GET", "/api/alerts"): set(ROLES),
    ("POST", "/api/alerts/1/disposition"): {"analyst", "lead"},
    ("DELETE", "/api/alerts/1/disposition"): {"analyst", "lead"},
    ("POST", "/api/score"): {"analyst", "lead", "engineer"},
    ("POST", "/api/feedback"): {"analyst", "lead", "engineer"},
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_it_is_for(client, desk, role):
    desk.store.users.add("bob", role, PASSWORD, "test")
    sign_in(client, "bob")
    for (method, path), roles in MAY.items():
        answer = client.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code == 403) == (role not in roles), (method, path, answer.text)
        if answer.status_code == 403:
            assert answer.json()["code"] == "forbidden" and role in answer.json()["detail"]


def test_budgets_of_requests(client, desk, ann):
    headers, other = bearer(desk, "ann", ["ask"]), bearer(desk, "ann", ["ask"])
    # The first request of all opens the desk's parts; the budget of the tokens below refills meanwhile.
    client.post("/api/ask", json={}, headers=bearer(desk, "ann", ["ask"]))
    statuses = [client.post("/api/ask", json={}, headers=headers).status_code for _ in range(4)]
    assert statuses == [422, 422, 422, 429]
    refused = client.post("/api/ask", json={}, headers=headers)
    assert refused.json()["code"] == "too_many_requests" and 1 <= int(refused.headers["retry-after"]) <= 20
    assert client.post("/api/ask", json={}, headers=other).status_code == 422


def test_the_trail_is_read_page_by_page(client, desk, ann):
    sign_in(client)
    for number in range(1, 6):
        desk.store.trail.record(desk.store.users.sign_in("ann", PASSWORD).user, "read", f"alert {number}")
    first = client.get("/api/audit", params={"action": "read", "limit": 2}).json()
    second = client.get("/api/audit", params={"action": "read", "limit": 3, "before": first["next_before"]}).json()
    assert [item["subject"] for item in first["items"] + second["items"]] == [f"alert {n}" for n in (5, 4, 3, 2, 1)]
    assert second["next_before"] is None
    assert client.get("/api/audit", params={"subject": "alert 3"}).json()["items"][0]["who"] == "ann"
    assert client.get("/api/audit", params={"until": "2001-01-01T00:00:00"}).json()["items"] == []


def test_a_request_has_one_id_everywhere(client, desk):
    answer = client.get("/api/alerts/7", headers={"x-request-id": "bank-42"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "bank-42"
    for insane in ("a b", "x" * 65, "<script>", ""):
        made = client.get("/health", headers={"x-request-id": insane}).headers["x-request-id"]
        assert made != insane and re.fullmatch(r"[0-9a-f]{32}", made)
    desk.store.users.add("ann", "lead", PASSWORD, "test")
    sign_in(TestClient(create_app(desk.settings, desk, page=False)), headers={"x-request-id": "bank-43"})
    assert desk.store.trail.entries().items[0].detail["request"] == "bank-43"


def test_log_lines_are_json_name_the_request_and_hold_no_secret(client, desk, ann, caplog):
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not record.name.startswith("httpx"))  # the test's own client
    caplog.set_level("INFO")
    logging.getLogger().addHandler(handler)
    headers = {**bearer(desk, "ann", ["read"]), "x-request-id": "bank-44"}
    client.get("/api/alerts", params={"q": "C1231006815"}, headers=headers)
    sign_in(client)
    logging.getLogger().removeHandler(handler)
    made = [json.loads(line) for line in out.getvalue().splitlines()]
    asked = next(line for line in made if line.get("path") == "/api/alerts")
    assert (asked["request"], asked["user"], asked["status"], asked["method"]) == ("bank-44", "ann", 200, "GET")
    for secret in (PASSWORD, headers["authorization"][7:], client.cookies["frauddesk_session"], "C1231006815"):
        assert secret not in out.getvalue()


def test_card_numbers_in_log_lines_are_masked():
    line = TextLines("%(message)s").format(
        logging.makeLogRecord({"msg": "paid with 4111 1111 1111 1111 by a@b.example"})
    )
    assert "4111 1111" not in line and "a@b.example" not in line and "paid with" in line


def test_no_answer_can_be_framed_sniffed_or_kept(client):
    for path in ("/health", "/sign-in", "/api/alerts", "/api/nothing"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_what_nobody_foresaw_is_a_problem_with_the_id_of_the_request(app, desk, caplog):
    def broken():
        raise RuntimeError("payer C1231006815")

    app.router.routes.insert(0, app.router.route_class("/api/broken", broken))
    answer = TestClient(app).get("/api/broken", headers={"x-request-id": "bank-45"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error" and answer.json()["request_id"] == "bank-45"
    assert "C1231006815" not in answer.text
    assert answer.headers["x-request-id"] == "bank-45"


def test_a_database_that_does_not_open_lets_nobody_in(tmp_path):
    (tmp_path / "desk.db").mkdir()
    client = TestClient(create_app(Settings(home=tmp_path), page=False))
    assert client.get("/health").status_code == 200
    answer = client.get("/api/alerts")
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM)


def test_anothers_conversation_is_not_there(client, desk, ann):
    desk.store.users.add("bob", "analyst", PASSWORD, "test")
    mine = desk.store.conversations.start("ann", "Why was T00000001 flagged?")
    sign_in(client, "bob")
    path = f"/api/conversations/{mine}"
    assert client.get("/api/conversations").json()["items"] == []
    for answer in (client.get(path), client.patch(path, json={"title": "mine now"}), client.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    asked = client.post("/api/ask", json={"question": "And then?", "conversation_id": mine})
    assert asked.status_code == 404, asked.text
    sign_in(client, "ann")
    assert client.get(path).json()["title"] == "Why was T00000001 flagged?"
