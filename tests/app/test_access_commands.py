"""Commands about users as people type them, and the addresses that a desk without users does not listen on."""

import json

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.failures import NoUsers, classify
from app.serve import require_users
from app.settings import Settings

PASSWORD = "correct horse battery"


def run(*words, typed=""):
    return CliRunner().invoke(cli, [*words], input=typed)


def add(name="ann", role="lead", password=PASSWORD):
    return run("users", "add", name, "--role", role, "--password-stdin", typed=f"{password}\n")


def test_a_user_is_made_listed_changed_and_kept_out():
    assert "single-user" in run("users", "list").stdout
    assert add().exit_code == 0
    assert run("users", "role", "ann", "auditor").exit_code == 0
    assert run("users", "disable", "ann").exit_code == 0
    (listed,) = json.loads(run("users", "list", "--json").stdout)["users"]
    assert (listed["name"], listed["role"]) == ("ann", "auditor") and listed["disabled_at"]
    assert "password" not in str(listed)
    assert run("users", "enable", "ann").exit_code == 0
    assert run("users", "password", "ann", "--password-stdin", typed=PASSWORD[::-1] + "\n").exit_code == 0
    actions = [entry["action"] for entry in json.loads(run("audit", "--json").stdout)["entries"]]
    assert actions == ["user_password", "user_enable", "user_disable", "user_role", "user_add"]


def test_a_token_is_shown_once():
    add()
    secret = run("users", "token", "ann", "--scopes", "read, score", "--days", "3").stdout.strip().splitlines()[-1]
    assert secret.startswith("fd_")
    listed = run("users", "tokens", "--json").stdout
    assert secret not in listed and json.loads(listed)["tokens"][0]["scopes"] == ["read", "score"]
    assert run("users", "revoke", "1").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("users", "add", "two words", "--role", "lead"),
        ("users", "add", "ann", "--role", "boss"),
        ("users", "disable", "nobody"),
        ("users", "token", "nobody", "--scopes", "read"),
        ("users", "revoke", "7"),
        ("users", "add", "ann", "--role", "lead"),  # no terminal to ask for the password
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(words):
    failure = classify(run(*words).exception)
    assert failure is not None and failure.exit_code == 2 and "\n" not in failure.message


def test_a_password_is_never_an_argument():
    assert run("users", "add", "ann", "--role", "lead", "--password", PASSWORD).exit_code == 2
    assert run("users", "add", "ann", PASSWORD, "--role", "lead").exit_code == 2


def test_the_trail_as_a_table_for_spreadsheets_holds_no_formula():
    from app.store import Store

    add()
    store = Store(Settings.load().desk_database)
    store.audit("=cmd()", "read", "@alert")
    store.close()
    assert "'=cmd(),read,'@alert" in run("audit", "--csv").stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_without_users_the_desk_listens_on_this_machine(tmp_path, host):
    require_users(Settings(home=tmp_path, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "desk.bank.example"])
def test_without_users_it_listens_nowhere_else(tmp_path, host):
    settings = Settings(home=tmp_path, host=host)
    with pytest.raises(NoUsers, match="frauddesk users add") as refused:
        require_users(settings)
    assert classify(refused.value).exit_code == 2
    assert not (tmp_path / "desk.db").exists()


def test_with_a_user_it_listens_where_it_is_told():
    add()
    require_users(Settings.load({"host": "0.0.0.0"}))


@pytest.mark.parametrize("words", [("serve",), ("up",)])
def test_serving_is_refused_before_any_work(words):
    failure = classify(run(*words, "--host", "0.0.0.0", "--port", "1").exception)
    assert failure.code == "no_users"


def test_the_container_files_say_how_the_first_user_is_made():
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    assert "FRAUDDESK_HOST=0.0.0.0" in (root / "Dockerfile").read_text()
    for name in ("Dockerfile", "compose.yaml", "README.md"):
        assert "frauddesk users add" in (root / name).read_text()
