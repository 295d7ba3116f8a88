"""Who a request comes from: its token, its session, or the one user of a desk without users.

What was found is remembered for two seconds, so that a token revoked or a user disabled by a command is refused two
seconds later at most, and no request waits for the database in between. A first user made by a command is noticed as
fast: sign-in then applies at once, without a restart.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import cookie_parser

from app.access import User, local_user
from app.users import Users

COOKIE = "frauddesk_session"
_REMEMBER_SECONDS = 2.0
_MOST_REMEMBERED = 5_000

SINGLE, TOKEN, SESSION, NOBODY = "single", "token", "session", "nobody"


@dataclass(frozen=True)
class Visitor:
    """Who a request comes from.

    Attributes:
        kind: `single`, `token`, `session`, or `nobody`.
        user: The user; None for nobody.
        secret: Token or session as it came; empty otherwise.
        wrong_token: Whether a token came that is unknown, ended or revoked.
    """

    kind: str
    user: User | None = None
    secret: str = ""
    wrong_token: bool = False


class Guard:
    """Looks up who requests come from.

    Args:
        users: Gives the users of the desk; opened at the first request.
        session_hours: Hours without use after which a session ends.
        clock: Seconds that only grow.
    """

    def __init__(
        self, users: Callable[[], Users], session_hours: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._users = users
        self._idle = timedelta(hours=session_hours)
        self._clock = clock
        self._known: dict[str, tuple[float, User | None]] = {}
        self._any: tuple[float, bool] | None = None
        self._local = local_user()
        self._lock = threading.Lock()

    def recall(self, headers: dict[bytes, bytes]) -> Visitor | None:
        """Who a request comes from, where that is remembered; None where the database must be asked."""
        now = self._clock()
        if self._any is None or (not self._any[1] and now >= self._any[0]):
            return None
        if not self._any[1]:
            return Visitor(SINGLE, self._local)
        kind, secret = credential(headers)
        if not secret:
            return Visitor(NOBODY)
        known = self._known.get(secret)
        return None if known is None or now >= known[0] else _visitor(kind, secret, known[1])

    def find(self, headers: dict[bytes, bytes]) -> Visitor:
        """Who a request comes from, as the database says.

        Raises:
            StoreError: the database does not answer.
        """
        users, now = self._users(), self._clock()
        some = users.any()
        # Users are never removed: where there are some, there will be.
        self._any = (now + _REMEMBER_SECONDS, some)
        if not some:
            return Visitor(SINGLE, self._local)
        kind, secret = credential(headers)
        if not secret:
            return Visitor(NOBODY)
        user = users.tokens.user(secret) if kind == TOKEN else users.sessions.user(secret, self._idle)
        with self._lock:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known = {key: kept for key, kept in self._known.items() if now < kept[0]}
            if len(self._known) < _MOST_REMEMBERED:
                self._known[secret] = (now + _REMEMBER_SECONDS, user)
        return _visitor(kind, secret, user)

    def forget(self, secret: str) -> None:
        """Asks the database again at the next request with this session or token."""
        with self._lock:
            self._known.pop(secret, None)


def credential(headers: dict[bytes, bytes]) -> tuple[str, str]:
    """The token or the session that a request brings; a token goes before a session. Both empty where it has none."""
    scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return TOKEN, value.strip()[:200]
    session = cookie_parser(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE, "")
    return (SESSION, session[:200]) if session else (NOBODY, "")


def _visitor(kind: str, secret: str, user: User | None) -> Visitor:
    if user is None:
        return Visitor(NOBODY, secret=secret, wrong_token=kind == TOKEN)
    return Visitor(kind, user, secret)
