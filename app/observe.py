"""Figures about the running desk for Prometheus: requests, their time, scores, answers, open alerts."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UNMATCHED = "unmatched"


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
        self.model = Gauge("frauddesk_model_info", "Champion in use.", ["version"], registry=self.registry)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


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
