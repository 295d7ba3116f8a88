"""The page's scripts and styles come from memory, and only they."""

import re

import pytest
from fastapi.testclient import TestClient

from app.api import create_app
from app.desk import Desk
from app.page_assets import PageAssets
from app.settings import Settings
from app.ui.page import asset_folder
from app.users import Users


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    desk = Desk(Settings(home=tmp_path_factory.mktemp("assets")))
    return TestClient(create_app(desk.settings, desk), base_url="http://127.0.0.1")


def test_the_pages_own_files_may_be_kept_for_good(client):
    page = client.get("/").text
    asked = [path.removeprefix(".") for path in re.findall(r'(?:src|href)="(\./assets/[^"]+)"', page)]
    assert asked
    for path in asked:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Type"].startswith(("text/javascript", "text/css"))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert client.get(path).content == answer.content


def test_the_page_itself_is_not_kept(client):
    assert client.get("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["none-ABCDEFGH.js", "..%2findex.html", "%2e%2e/index.html", ".hidden.js", ""])
def test_what_is_not_there_is_not_found(client, name):
    answer = client.get(f"/assets/{name}")
    assert answer.status_code in (400, 403, 404)
    assert "immutable" not in answer.headers.get("Cache-Control", "")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Index-BtpqUM30.js", "immutable"),
        ("index-Di-EvXS6.css", "immutable"),
        ("Index-BtpqUM302.js", "no-cache"),  # a number beside the digest says nothing of the content
        ("plain.js", "no-cache"),
        ("font-BtpqUM30.woff2", None),
    ],
)
def test_only_a_digest_lets_a_file_be_kept(tmp_path, name, kept):
    (tmp_path / name).write_text("x")

    async def passed_on(scope, receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    answer = TestClient(PageAssets(passed_on, tmp_path)).get(f"/assets/{name}")
    assert answer.status_code == (200 if kept else 418)
    assert (kept or "") in answer.headers.get("Cache-Control", "")


def test_strangers_get_no_asset_of_a_desk_with_users(tmp_path):
    desk = Desk(Settings(home=tmp_path))
    Users(desk.store.engine).add("anna", "analyst", "correct horse battery", by="test")
    client = TestClient(create_app(desk.settings, desk), base_url="http://127.0.0.1")
    name = next(asset_folder().glob("index-*.js")).name
    assert client.get(f"/assets/{name}").status_code == 401
