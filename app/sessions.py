"""Sign-ins in force: a random number of 256 bits in the browser's cookie, its SHA-256 in the database.

A session ends after hours without use, after a week in any case, at sign-out, and when its user is disabled or given
another password.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, select, update

from app import tables
from app.access import User
from app.rows import seconds

LONGEST = timedelta(days=7)
# A session in use is written to the database at most this often.
_SEEN_SECONDS = 60


class Sessions:
    """Sessions of users; times are seconds since 1970, UTC."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, connection: Connection, user_id: int, address: str) -> str:
        """Starts a session within a transaction and returns its secret, which is kept nowhere else."""
        secret, now = secrets.token_urlsafe(32), seconds(datetime.now(UTC))
        # Those that ended long ago say nothing to anybody.
        connection.execute(delete(tables.sessions).where(tables.sessions.c.created_at < now - LONGEST.total_seconds()))
        values = {"user_id": user_id, "hash": hashed(secret), "address": address, "created_at": now, "seen_at": now}
        connection.execute(tables.sessions.insert().values(**values))
        return secret

    def user(self, secret: str, idle: timedelta) -> User | None:
        """Whose session a secret is; None where it is nobody's or has ended.

        Args:
            secret: What the cookie holds.
            idle: Time without use after which a session ends.
        """
        now = seconds(datetime.now(UTC))
        query = (
            select(tables.sessions.c.id, tables.sessions.c.seen_at, tables.users.c.name, tables.users.c.role)
            .join(tables.users, tables.users.c.id == tables.sessions.c.user_id)
            .where(
                tables.sessions.c.hash == hashed(secret),
                tables.sessions.c.seen_at > now - idle.total_seconds(),
                tables.sessions.c.created_at > now - LONGEST.total_seconds(),
                tables.users.c.disabled_at.is_(None),
            )
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if now - row.seen_at >= _SEEN_SECONDS:
            with self._engine.begin() as connection:
                connection.execute(update(tables.sessions).where(tables.sessions.c.id == row.id).values(seen_at=now))
        return User(row.name, row.role)

    def end(self, secret: str) -> None:
        """Ends a session."""
        with self._engine.begin() as connection:
            connection.execute(delete(tables.sessions).where(tables.sessions.c.hash == hashed(secret)))

    def end_all(self, connection: Connection, user_id: int) -> None:
        """Ends every session of a user, within a transaction."""
        connection.execute(delete(tables.sessions).where(tables.sessions.c.user_id == user_id))


def hashed(secret: str) -> str:
    """What the database keeps of a secret. It is random already, so that a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()
