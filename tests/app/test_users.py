"""Users, sessions and tokens as the database keeps them."""

from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import update

from app import tables
from app.tokens import TokenError
from app.users import UserError, Users

PASSWORD = "correct horse battery"
IDLE = timedelta(hours=1)
QUICK = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


class CountingHasher(PasswordHasher):
    """Counts how often a password was checked."""

    def __init__(self, **cost):
        super().__init__(**(cost or QUICK))
        self.checked = 0

    def verify(self, hash, password):
        self.checked += 1
        return super().verify(hash, password)


@pytest.fixture
def hasher():
    return CountingHasher()


@pytest.fixture
def users(store, hasher):
    made = Users(store.engine, hasher)
    made.add("Ann", "lead", PASSWORD, "test")
    return made


@pytest.mark.parametrize(
    ("name", "role", "password", "word"),
    [
        ("", "lead", PASSWORD, "name"),
        ("two words", "lead", PASSWORD, "name"),
        ("-rf", "lead", PASSWORD, "name"),
        ("b" * 101, "lead", PASSWORD, "name"),
        ("bob", "boss", PASSWORD, "auditor"),
        ("bob", "lead", "short", "at least 12"),
        ("bob", "lead", "x" * 1_001, "longer"),
        ("ANN", "lead", PASSWORD, "already"),
        ("bob.the.great", "lead", "bob.the.great1", "name"),
    ],
)
def test_what_no_user_can_have_is_refused(users, name, role, password, word):
    with pytest.raises(UserError, match=word):
        users.add(name, role, password, "test")


def test_a_password_signs_in_whatever_the_case_of_the_name(users):
    done = users.sign_in("aNN", PASSWORD)
    assert (done.user.name, done.user.role) == ("Ann", "lead")
    assert users.sessions.user(done.secret, IDLE) == done.user
    assert users.sign_in("ann", PASSWORD.upper()) is None
    assert users.sessions.user("guessed", IDLE) is None


def test_an_unknown_name_costs_as_much_as_a_wrong_password(users, hasher):
    users.sign_in("ann", "wrong")
    before = hasher.checked
    assert users.sign_in("nobody", "wrong") is None
    assert hasher.checked == before + 1


def test_a_hash_with_old_parameters_is_made_anew(users, store):
    def kept():
        with store.engine.connect() as connection:
            return connection.execute(tables.users.select()).mappings().one()["password_hash"]

    old = kept()
    stronger = Users(store.engine, CountingHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert stronger.sign_in("ann", PASSWORD)
    assert kept() != old
    assert stronger.sign_in("ann", PASSWORD)


@pytest.mark.parametrize("change", ["password", "disable", "sign_out", "idle", "too_long"])
def test_a_session_ends(users, store, change):
    secret = users.sign_in("ann", PASSWORD).secret
    if change == "password":
        users.set_password("ann", "another long password", "test")
    elif change == "disable":
        users.disable("ann", "test")
    elif change == "sign_out":
        users.sessions.end(secret)
    else:
        # Set back instead of waiting.
        column, back = ("seen_at", 3_601) if change == "idle" else ("created_at", 7 * 86_400 + 1)
        with store.engine.begin() as connection:
            table = tables.sessions
            connection.execute(update(table).values({column: table.c[column] - back}))
    assert users.sessions.user(secret, IDLE) is None


def test_use_keeps_a_session(users, store):
    secret = users.sign_in("ann", PASSWORD).secret
    for _ in range(3):
        with store.engine.begin() as connection:
            connection.execute(update(tables.sessions).values(seen_at=tables.sessions.c.seen_at - 3_000))
        assert users.sessions.user(secret, IDLE)


def test_a_disabled_user_comes_back_with_the_password_and_without_tokens(users):
    token = users.tokens.make("ann", ["read"], 1, "test")
    users.disable("ann", "test")
    assert users.sign_in("ann", PASSWORD) is None
    assert users.tokens.user(token) is None
    assert users.any()
    users.enable("ann", "test")
    assert users.sign_in("ann", PASSWORD)
    assert users.tokens.user(token) is None


def test_a_role_changes_at_once(users):
    secret = users.sign_in("ann", PASSWORD).secret
    token = users.tokens.make("ann", ["decide"], 1, "test")
    users.set_role("ann", "auditor", "test")
    assert users.sessions.user(secret, IDLE).role == "auditor"
    assert not users.tokens.user(token).may("decide")


@pytest.mark.parametrize(
    ("name", "scopes", "days", "word"),
    [
        ("ann", ["fly"], 30, "scope 'fly'"),
        ("ann", [], 30, "at least one"),
        ("ann", ["retrain"], 30, "does not allow retrain"),
        ("ann", ["read"], 0, "1 to 366"),
        ("ann", ["read"], 999, "1 to 366"),
        ("bob", ["read"], 30, "no user bob"),
    ],
)
def test_a_token_that_does_not_fit_is_refused(users, name, scopes, days, word):
    with pytest.raises(TokenError, match=word):
        users.tokens.make(name, scopes, days, "test")


def test_a_token_is_for_its_scopes_until_its_end(users, store):
    token = users.tokens.make("ann", ["read", "score"], 1, "test")
    user = users.tokens.user(token)
    assert user.may("score") and not user.may("decide")
    with store.engine.begin() as connection:
        connection.execute(update(tables.tokens).values(expires_at=tables.tokens.c.expires_at - 86_400))
    assert users.tokens.user(token) is None
    other = users.tokens.make("ann", ["read"], 1, "test")
    users.tokens.revoke(users.tokens.listed()[0].id, "test")
    assert users.tokens.user(other) is None
    with pytest.raises(TokenError, match="no token 99"):
        users.tokens.revoke(99, "test")


def test_the_database_gives_no_secret_away(users, store, tmp_path):
    secrets = [users.sign_in("ann", PASSWORD).secret, users.tokens.make("ann", ["read"], 1, "test"), PASSWORD]
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("desk.db*"))
    assert b"argon2id" in kept
    assert not [secret for secret in secrets if secret.encode() in kept]


def test_every_change_of_users_is_in_the_trail(users, store):
    users.tokens.make("ann", ["read"], 1, "root")
    users.tokens.revoke(1, "root")
    users.set_role("ann", "analyst", "root")
    users.set_password("ann", "another long password", "root")
    users.disable("ann", "root")
    users.enable("ann", "root")
    done = [(entry.who, entry.action) for entry in reversed(store.trail.entries().items)]
    assert done == [
        ("test", "user_add"),
        *(("root", action) for action in ("token_make", "token_revoke", "user_role", "user_password")),
        ("root", "user_disable"),
        ("root", "user_enable"),
    ]
    assert "another long password" not in str(store.trail.entries().items)
