"""Tokens for the API: who they act for, what for, until when. The database keeps only their SHA-256."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from app import audit, tables
from app.access import ACTIONS, User
from app.rows import moment, seconds
from app.sessions import hashed

PREFIX = "fd_"
MOST_DAYS = 366
# A token in use is written to the database at most this often.
_USED_SECONDS = 60


class TokenError(Exception):
    """A token, scope or number of days that does not fit or does not exist; the message says which."""


@dataclass(frozen=True)
class Token:
    """One token as the list shows it, without its secret. Times UTC."""

    id: int
    user: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class Tokens:
    """Tokens of users."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(self, name: str, scopes: Iterable[str], days: int, by: str) -> str:
        """Makes a token.

        Args:
            name: The user that it acts for.
            scopes: Actions of `app.access.ACTIONS` that it is for; the user's role must allow each.
            days: Days until it ends, 1 to 366.
            by: Who makes it, for the audit trail.

        Returns:
            The token itself, which is kept nowhere.

        Raises:
            TokenError: user, scope or days do not fit.
        """
        wanted = tuple(dict.fromkeys(scopes))
        unknown = [scope for scope in wanted if scope not in ACTIONS]
        if unknown or not wanted:
            found = f"scope {unknown[0]!r} is not one" if unknown else "a token needs at least one scope"
            raise TokenError(f"{found}; there are: {', '.join(ACTIONS)}")
        if not 1 <= days <= MOST_DAYS:
            raise TokenError(f"{days} days: a token lasts 1 to {MOST_DAYS} days")
        secret, now = PREFIX + secrets.token_urlsafe(32), datetime.now(UTC)
        with self._engine.begin() as connection:
            query = select(tables.users).where(tables.users.c.key == name.lower(), tables.users.c.disabled_at.is_(None))
            user = connection.execute(query).mappings().first()
            if user is None:
                raise TokenError(f"there is no user {name} who may sign in; frauddesk users list shows them")
            refused = [scope for scope in wanted if not User(user["name"], user["role"]).may(scope)]
            if refused:
                raise TokenError(f"{user['name']} is {user['role']}, whose role does not allow {', '.join(refused)}")
            values = {
                "user_id": user["id"],
                "hash": hashed(secret),
                "scopes": list(wanted),
                "created_at": seconds(now),
                "expires_at": seconds(now + timedelta(days=days)),
            }
            key = connection.execute(tables.tokens.insert().values(**values)).inserted_primary_key
            detail = {"token": int(key[0]) if key else 0, "scopes": list(wanted), "days": days}
            audit.write(connection, by, "token_make", f"user {user['name']}", detail)
        return secret

    def user(self, secret: str) -> User | None:
        """Whom a token acts for, with its scopes; None where it is unknown, ended or revoked."""
        now = seconds(datetime.now(UTC))
        query = (
            select(
                tables.tokens.c.id, tables.tokens.c.scopes, tables.tokens.c.used_at, tables.users.c.name,
                tables.users.c.role,
            )
            .join(tables.users, tables.users.c.id == tables.tokens.c.user_id)
            .where(
                tables.tokens.c.hash == hashed(secret),
                tables.tokens.c.expires_at > now,
                tables.tokens.c.revoked_at.is_(None),
                tables.users.c.disabled_at.is_(None),
            )
        )  # fmt: skip
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if row.used_at is None or now - row.used_at >= _USED_SECONDS:
            with self._engine.begin() as connection:
                connection.execute(update(tables.tokens).where(tables.tokens.c.id == row.id).values(used_at=now))
        return User(row.name, row.role, frozenset(row.scopes))

    def listed(self) -> list[Token]:
        """Every token, the latest first."""
        query = (
            select(tables.tokens, tables.users.c.name)
            .join(tables.users, tables.users.c.id == tables.tokens.c.user_id)
            .order_by(tables.tokens.c.id.desc())
        )
        with self._engine.connect() as connection:
            return [_token(row) for row in connection.execute(query).mappings()]

    def revoke(self, token_id: int, by: str) -> None:
        """Ends a token.

        Raises:
            TokenError: there is no such token.
        """
        now = seconds(datetime.now(UTC))
        table = tables.tokens
        with self._engine.begin() as connection:
            if connection.scalar(select(table.c.id).where(table.c.id == token_id)) is None:
                raise TokenError(f"there is no token {token_id}; frauddesk users tokens shows them")
            ended = update(table).where(table.c.id == token_id, table.c.revoked_at.is_(None))
            connection.execute(ended.values(revoked_at=now))
            audit.write(connection, by, "token_revoke", f"token {token_id}", {})

    def revoke_all(self, connection: Connection, user_id: int) -> None:
        """Ends every token of a user, within a transaction."""
        table = tables.tokens
        ended = update(table).where(table.c.user_id == user_id, table.c.revoked_at.is_(None))
        connection.execute(ended.values(revoked_at=seconds(datetime.now(UTC))))


def _token(row: Any) -> Token:
    used, revoked = row["used_at"], row["revoked_at"]
    return Token(
        row["id"],
        row["name"],
        tuple(row["scopes"]),
        moment(row["created_at"]),
        moment(row["expires_at"]),
        None if used is None else moment(used),
        None if revoked is None else moment(revoked),
    )
