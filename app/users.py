"""Users of the desk: names, roles, passwords as Argon2 hashes.

    users = Users(engine)
    users.add("ann", "analyst", password)
    users.sign_in("ann", password)          # a session, or None

Argon2id with the parameters that argon2-cffi recommends (RFC 9106, low memory); a hash made with other parameters is
made anew at the next sign-in. A name that nobody has takes as long to refuse as a wrong password.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine, func, select, update
from sqlalchemy.exc import IntegrityError

from app import audit, tables
from app.access import ROLES, User
from app.rows import moment, seconds
from app.sessions import Sessions
from app.tokens import Tokens

LEAST_PASSWORD = 12
_MOST_PASSWORD = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
# One hash takes 64 MiB for a moment: as many at once, and the others wait.
_HASHES_AT_ONCE = threading.BoundedSemaphore(3)


class UserError(Exception):
    """A user, role, password, scope or token that does not fit or does not exist; the message says which."""


@dataclass(frozen=True)
class Account:
    """One user as the list shows them. Times UTC; `disabled_at` is None while the user may sign in."""

    id: int
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True)
class SignedIn:
    """A session that has just started; `secret` is what the cookie holds, kept nowhere else."""

    secret: str
    user: User


class Users:
    """Who may work at the desk.

    Attributes:
        sessions: Sign-ins in force.
        tokens: Tokens for the API.
    """

    def __init__(self, engine: Engine, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._hasher = hasher or PasswordHasher()
        self.sessions = Sessions(engine)
        self.tokens = Tokens(engine)

    def any(self) -> bool:
        """Whether the desk has users; one who was disabled counts, so that no desk falls open."""
        with self._engine.connect() as connection:
            return connection.execute(select(tables.users.c.id).limit(1)).first() is not None

    def listed(self) -> list[Account]:
        """Every user, by name."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(tables.users).order_by(tables.users.c.key)).mappings().all()
        return [_account(row) for row in rows]

    def check(self, name: str, role: str) -> None:
        """Refuses a name or role that no user can have, before a password is asked for.

        Raises:
            UserError: says which.
        """
        if not _NAME.fullmatch(name):
            raise UserError(
                f"user {name!r}: a name is up to 100 letters, digits and . _ @ + -, a letter or digit first"
            )
        _check_role(role)

    def add(self, name: str, role: str, password: str, by: str) -> Account:
        """Adds a user.

        Args:
            name: Letters, digits and `. _ @ + -`; two users never differ by case alone.
            role: One of `ROLES`.
            password: At least 12 characters.
            by: Who adds the user, for the audit trail.

        Raises:
            UserError: name, role or password do not fit, or the name is taken.
        """
        if not _NAME.fullmatch(name):
            raise UserError(
                f"user {name!r}: a name is up to 100 letters, digits and . _ @ + -, a letter or digit first"
            )
        _check_role(role)
        _check_password(name, password)
        values = {
            "name": name,
            "key": name.lower(),
            "role": role,
            "password_hash": self._hash(password),
            "created_at": seconds(datetime.now(UTC)),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(tables.users.insert().values(**values))
                audit.write(connection, by, "user_add", f"user {name}", {"role": role})
        except IntegrityError as error:
            raise UserError(f"there is a user {name} already; frauddesk users list shows them") from error
        return self.account(name)

    def find(self, name: str) -> Account | None:
        """One user; None where nobody has this name."""
        with self._engine.connect() as connection:
            row = connection.execute(select(tables.users).where(tables.users.c.key == name.lower())).mappings().first()
        return None if row is None else _account(row)

    def account(self, name: str) -> Account:
        """One user.

        Raises:
            UserError: nobody has this name.
        """
        with self._engine.connect() as connection:
            return _account(_row(connection, name))

    def set_role(self, name: str, role: str, by: str) -> None:
        """Gives a user another role, from their next request on.

        Raises:
            UserError: nobody has this name, or there is no such role.
        """
        _check_role(role)
        self._change(name, {"role": role}, by, "user_role", {"role": role})

    def set_password(self, name: str, password: str, by: str) -> None:
        """Gives a user another password and ends every session of theirs; tokens stay.

        Raises:
            UserError: nobody has this name, or the password does not fit.
        """
        _check_password(name, password)
        self._change(name, {"password_hash": self._hash(password)}, by, "user_password", {}, self.sessions.end_all)

    def disable(self, name: str, by: str) -> None:
        """Keeps a user out: no sign-in, every session ended, every token revoked. What they did stays.

        Raises:
            UserError: nobody has this name.
        """

        def end(connection: Connection, user_id: int) -> None:
            self.sessions.end_all(connection, user_id)
            self.tokens.revoke_all(connection, user_id)

        self._change(name, {"disabled_at": seconds(datetime.now(UTC))}, by, "user_disable", {}, end)

    def enable(self, name: str, by: str) -> None:
        """Lets a user in again, with the password they had; tokens stay revoked.

        Raises:
            UserError: nobody has this name.
        """
        self._change(name, {"disabled_at": None}, by, "user_enable", {})

    def sign_in(self, name: str, password: str, address: str = "") -> SignedIn | None:
        """Checks a password and starts a session.

        Args:
            name: As the user typed it.
            password: As the user typed it.
            address: Where the request came from.

        Returns:
            The session; None where name and password do not go together or the user is disabled, after the same work
            whichever it is.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(tables.users).where(tables.users.c.key == name.lower())).mappings().first()
        # Made in both cases, so that the first sign-in after a start does not tell either.
        decoy = self._decoy
        kept = row["password_hash"] if row is not None else decoy
        if len(password) > _MOST_PASSWORD or not self._verified(kept, password) or row is None:
            return None
        fresh = self._hash(password) if self._hasher.check_needs_rehash(kept) else kept
        table = tables.users
        with self._engine.begin() as connection:
            # Whoever was disabled or given another password since the check above gets no session.
            same = update(table).where(
                table.c.id == row["id"], table.c.password_hash == kept, table.c.disabled_at.is_(None)
            )
            if connection.execute(same.values(password_hash=fresh)).rowcount != 1:
                return None
            secret = self.sessions.start(connection, int(row["id"]), address)
            audit.write(connection, row["name"], "sign_in", f"user {row['name']}")
        return SignedIn(secret, User(row["name"], row["role"]))

    @cached_property
    def _decoy(self) -> str:
        """What a password is checked against where nobody has the name."""
        return self._hash("a password that nobody has")

    def _hash(self, password: str) -> str:
        with _HASHES_AT_ONCE:
            return self._hasher.hash(password)

    def _verified(self, kept: str, password: str) -> bool:
        try:
            with _HASHES_AT_ONCE:
                return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    def _change(
        self,
        name: str,
        values: dict[str, Any],
        by: str,
        action: str,
        detail: dict[str, Any],
        then: Callable[[Connection, int], None] | None = None,
    ) -> None:
        with self._engine.begin() as connection:
            row = _row(connection, name)
            connection.execute(update(tables.users).where(tables.users.c.id == row["id"]).values(**values))
            if then is not None:
                then(connection, int(row["id"]))
            audit.write(connection, by, action, f"user {row['name']}", detail)


def _row(connection: Connection, name: str) -> Any:
    row = connection.execute(select(tables.users).where(tables.users.c.key == name.lower())).mappings().first()
    if row is None:
        count = connection.scalar(select(func.count()).select_from(tables.users)) or 0
        hint = "frauddesk users list shows them" if count else "there are none yet; frauddesk users add makes one"
        raise UserError(f"there is no user {name}; {hint}")
    return row


def _account(row: Any) -> Account:
    disabled = row["disabled_at"]
    return Account(
        row["id"], row["name"], row["role"], moment(row["created_at"]), None if disabled is None else moment(disabled)
    )


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise UserError(f"role {role!r} is not one of: {', '.join(ROLES)}")


def _check_password(name: str, password: str) -> None:
    if len(password) < LEAST_PASSWORD:
        raise UserError(f"the password has {len(password)} characters; it takes at least {LEAST_PASSWORD}")
    if len(password) > _MOST_PASSWORD:
        raise UserError(f"the password is longer than {_MOST_PASSWORD:,} characters")
    if name.lower() in password.lower() and len(password) < LEAST_PASSWORD + len(name):
        raise UserError("the password is little more than the name")
