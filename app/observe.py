"""What can be seen of the running desk: an id and a log line for each request, and figures for Prometheus."""

import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import context
from app.errors import problem_of, response_of

log = logging.getLogger(__name__)

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# The page's framework makes functions and styles from text, so that it needs both `unsafe` words; nothing is fetched
# from or sent to another place, and nobody may show the desk within a frame.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# What holds figures of cases is not kept by browsers and proxies; the page's own scripts and fonts are.
_KEPT = ("/assets/", "/static/", "/svelte/", "/theme.css", "/favicon.ico")

_UNMATCHED = "unmatched"
_PAGE_EVENTS = "/gradio_api/"


class Metrics:
    """The desk's own figures, apart from those of other programs in the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "frauddesk_requests_total", "HTTP requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "frauddesk_request_seconds", "Time to answer a request.", ["route"], registry=self.registry
        )
        self.scored = Counter("frauddesk_scored_total", "Payments scored.", registry=self.registry)
        self.answers = Counter("frauddesk_answers_total", "Questions answered.", ["status"], registry=self.registry)
        self.alerts = Gauge("frauddesk_alerts", "Alerts by state.", ["state"], registry=self.registry)
        self.schedule = Gauge(
            "frauddesk_schedule_problem",
            "1 where the last scheduled measurement failed or one was missed.",
            ["kind"],
            registry=self.registry,
        )
        self.model = Gauge("frauddesk_model_info", "Champion in use.", ["version"], registry=self.registry)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


class FollowRequests:
    """Middleware that gives each request an id, logs its end, and adds the headers that guard the page.

    A caller's own X-Request-ID is kept where it is short and plain. The answer, every log line and the audit trail
    carry the id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        key = given.decode() if _SANE_ID.fullmatch(given) else uuid4().hex
        client = (scope.get("client") or ("", 0))[0]
        scope.setdefault("state", {}).update(request_id=key, address=client)
        context.request_id.set(key)
        context.address.set(client)
        context.user_name.set("")
        started, status = time.perf_counter(), 0

        async def mark(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = key
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith(_KEPT):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, mark)
        except Exception as error:
            problem = problem_of(error)
            if not status and scope["type"] == "http":
                await response_of(problem)(scope, receive, mark)
        finally:
            # The path without its query, where names of accounts may stand.
            took = round(1_000 * (time.perf_counter() - started), 1)
            fields = {"method": scope.get("method", ""), "path": scope["path"], "status": status, "ms": took}
            log.info("%(method)s %(path)s %(status)s %(ms)s ms", fields, extra={"fields": fields})


class CountRequests:
    """Middleware that counts and times requests to the API; the page's own traffic is left out.

    Plain ASGI, so that the page's long event streams pass through untouched.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            # The route's pattern and not the path: ids in paths would make a series each.
            route = getattr(scope.get("route"), "path", None)
            if route is not None or scope["path"].startswith("/api/"):
                name = route or _UNMATCHED
                self.metrics.requests.labels(scope["method"], name, status).inc()
                self.metrics.seconds.labels(name).observe(time.perf_counter() - started)


class NoticePage:
    """Middleware that tells when someone uses the page: opens it, or sets off one of its events."""

    def __init__(self, app: ASGIApp, used: Callable[[], None]) -> None:
        self.app = app
        self.used = used

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and (scope["path"] == "/" or scope["path"].startswith(_PAGE_EVENTS)):
            self.used()
        await self.app(scope, receive, send)
