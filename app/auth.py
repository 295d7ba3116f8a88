"""The door of the service: no request reaches a route before it is known who sent it and that it may come in.

    app.add_middleware(Door, guard=guard, limits=Limits.of(settings))

Everything but a few open paths takes a session or a token once the desk has users. Plain ASGI, so that the page's
long event streams pass through untouched, and around everything, so that the page's own routes, files and uploads
pass it too.
"""

import math
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app import context
from app.access import User
from app.errors import Problem, problem_of, response_of
from app.guard import NOBODY, SINGLE, TOKEN, Guard, Visitor
from app.limits import RateLimit
from app.settings import Settings

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"
OPEN_PATHS = frozenset({"/health", "/ready", SIGN_IN, SIGN_OUT, "/favicon.ico", "/robots.txt"})
"""Paths that need no user. `/ready` tells strangers less."""

# What programs use with a token; the page and its files take a session.
_FOR_TOKENS = ("/api/", "/metrics", "/openapi.json", "/docs")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Limits:
    """Budgets of requests to the API, each by user."""

    ask: RateLimit
    score: RateLimit
    others: RateLimit

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The budgets that the settings give."""
        minutes = (settings.ask_per_minute, settings.score_per_minute, settings.api_per_minute)
        return cls(*(RateLimit(count) for count in minutes))

    def take(self, path: str, visitor: Visitor, address: str) -> float:
        """Takes one request from its budget; seconds to wait where that is empty."""
        if path == "/api/ask":
            limit = self.ask
        elif path.startswith("/api/score"):
            limit = self.score
        else:
            limit = self.others
        return limit.take(visitor.secret or (visitor.user.name if visitor.user else address))


class Door:
    """Middleware that lets requests in.

    Args:
        app: What is behind it.
        guard: Knows who requests come from.
        limits: Budgets of requests to the API.
    """

    def __init__(self, app: ASGIApp, guard: Guard, limits: Limits) -> None:
        self.app = app
        self.guard = guard
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or answers why not."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            visitor = self.guard.recall(headers)
            if visitor is None:
                visitor = await run_in_threadpool(self.guard.find, headers)
        except Exception as error:
            if scope["path"] == "/health":
                await self.app(scope, receive, send)
                return
            await self._refuse(scope, receive, send, problem_of(error))
            return
        problem, answer_headers = self._objection(scope, headers, visitor)
        if problem is not None:
            if problem.status == 401 and _wants_page(scope, headers):
                asked = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
                away = RedirectResponse(f"{SIGN_IN}?next={quote(asked)}" if asked != "/" else SIGN_IN, 303)
                await away(scope, receive, send)
                return
            await self._refuse(scope, receive, send, problem, answer_headers)
            return
        state = scope.setdefault("state", {})
        state["visitor"] = visitor
        if visitor.user is not None:
            state["user"] = visitor.user
            context.user_name.set(visitor.user.name)
        await self.app(scope, receive, send)

    def _objection(
        self, scope: Scope, headers: dict[bytes, bytes], visitor: Visitor
    ) -> tuple[Problem | None, dict[str, str]]:
        """Why a request may not come in, and headers that say what to do; None where it may."""
        path = scope["path"]
        if visitor.kind == SINGLE and not _names_this_machine(scope, headers):
            detail = "this desk has no users and answers only to this machine's own names, such as 127.0.0.1"
            return Problem(403, "forbidden_host", detail), {}
        if visitor.kind != TOKEN and scope.get("method") not in _SAFE and _from_elsewhere(headers):
            return Problem(403, "cross_site", "another site sent this request; send it from the desk's own page"), {}
        if visitor.kind == NOBODY and path not in OPEN_PATHS:
            if visitor.wrong_token:
                problem = Problem(401, "invalid_token", "this token is unknown, has ended or was revoked")
                return problem, {"WWW-Authenticate": 'Bearer realm="Fraud Desk", error="invalid_token"'}
            detail = "sign in, or send a token made by `frauddesk users token` as Authorization: Bearer"
            return Problem(401, "not_signed_in", detail), {"WWW-Authenticate": 'Bearer realm="Fraud Desk"'}
        if visitor.kind == TOKEN and path not in OPEN_PATHS and not path.startswith(_FOR_TOKENS):
            return Problem(403, "forbidden", "tokens are for the API; the page takes a sign-in"), {}
        if path.startswith("/api/"):
            wait = self.limits.take(path, visitor, context.address.get())
            if wait:
                seconds = math.ceil(wait)
                problem = Problem(429, "too_many_requests", f"too many requests; the next in {seconds} s")
                return problem, {"Retry-After": str(seconds)}
        return None, {}

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, problem: Problem, headers: dict[str, str] | None = None
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await response_of(problem, headers)(scope, receive, send)


def user_or_none(scope: Scope) -> User | None:
    """The user of a request that may come from nobody, as on the open paths."""
    found = scope.get("state", {}).get("user")
    return found if isinstance(found, User) else None


def _wants_page(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    reads = scope.get("method") in ("GET", "HEAD")
    return reads and b"text/html" in headers.get(b"accept", b"") and not scope["path"].startswith("/api/")


def _names_this_machine(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether the request was sent to this machine by name or number, not to a name that only leads here.

    A page elsewhere can let its own name lead to 127.0.0.1 and would then read the desk as its own site.
    """
    try:
        name = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}").hostname or ""
    except ValueError:
        return False
    listening = (scope.get("server") or ("", None))[0]
    return name in _LOCAL_NAMES or (bool(name) and name == listening)


def _from_elsewhere(headers: dict[bytes, bytes]) -> bool:
    """Whether another site's page sent a request that changes something; what is no browser sends neither header."""
    fetched = headers.get(b"sec-fetch-site")
    if fetched is not None:
        return fetched not in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    if origin is None:
        return False
    return origin.partition(b"://")[2] != headers.get(b"host", b"")
