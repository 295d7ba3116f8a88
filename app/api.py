"""The web service: routes of the API, health and metrics, and the page.

    uvicorn.run(create_app(Settings.load()))

The API's own document is at /docs, drawn from /openapi.json without anything from outside.
"""

import gc
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app import (
    api_alerts,
    api_ask,
    api_audit,
    api_documents,
    api_jobs,
    api_registry,
    api_score,
    errors,
    openapi,
    sign_in,
)
from app.access import User
from app.access_api import allowed
from app.api_docs import docs_page
from app.auth import Door, Limits, user_or_none
from app.desk import Desk
from app.guard import Guard
from app.observe import CountRequests, FollowRequests, Metrics, NoticePage
from app.page_assets import PageAssets
from app.schedules import health as health_of_schedules
from app.settings import Settings

log = logging.getLogger(__name__)

# A champion promoted by a command is in use at most this much later; so are decisions as labels of the history.
_CHAMPION_SECONDS = 20.0
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")

DESCRIPTION = """Scores payments, lists alerts with their reasons, takes decisions and answers questions with citations.

Every error is a problem document (`application/problem+json`) with a `code` that stays the same between releases."""


def create_app(settings: Settings, desk: Desk | None = None, page: bool = True) -> FastAPI:
    """The whole service.

    Args:
        settings: Settings in force.
        desk: The parts to work with; opened from the settings where None.
        page: Whether to mount the analysts' page at `/`.
    """
    desk = desk or Desk(settings)
    metrics = Metrics()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        # Routes are read when a request is first held against them: here, so that no visitor waits for it.
        for route in app.routes:
            route.matches({"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []})
        # Serving starts at once; the first request waits only for what it needs.
        stopped, changing = threading.Event(), threading.Lock()
        threading.Thread(target=_attend, args=(app, stopped, changing, page), name="desk", daemon=True).start()
        yield
        stopped.set()
        with changing:
            desk.indexer.stop()
            desk.jobs.stop()
            desk.close()

    app = FastAPI(
        title="Fraud Desk",
        version=_version(),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    app.state.desk = desk
    app.state.metrics = metrics
    guard = Guard(lambda: desk.store.users, settings.session_hours)
    if page:
        from app.ui.page import asset_folder

        app.add_middleware(NoticePage, used=desk.indexer.page_used)
        app.add_middleware(PageAssets, folder=asset_folder())
    # The last added is the outermost: every request has an id, is counted, then passes the door.
    app.add_middleware(Door, guard=guard, limits=Limits.of(settings))
    app.add_middleware(CountRequests, metrics=metrics)
    app.add_middleware(FollowRequests)
    errors.install(app)
    openapi.install(app)
    sign_in.install(app, desk, guard)
    app.include_router(api_score.router(desk, metrics))
    app.include_router(api_alerts.router(desk))
    app.include_router(api_ask.router(desk, metrics))
    app.include_router(api_documents.router(desk))
    app.include_router(api_audit.router(desk))
    app.include_router(api_jobs.router(desk))
    app.include_router(api_registry.router(desk))
    _service_routes(app, desk, metrics)
    app.router.routes.append(_Unmatched(app))
    if page:
        from app.ui.page import mount

        return mount(app, desk)
    return app


def _attend(app: FastAPI, stopped: threading.Event, changing: threading.Lock, page: bool) -> None:
    """Opens every part, then watches for another champion until the service ends.

    Args:
        app: The service.
        stopped: The service ends.
        changing: Held while work begins or ends: a service that ends as it begins must not leave work running.
        page: Whether the page is served.
    """
    desk: Desk = app.state.desk
    if page:
        from app.ui.page import warm_up

        warm_up()
    desk.warm()
    if page:
        from app.ui.page import open_once, read_ahead

        open_once(app)
        read_ahead(desk)
    # What a service needs to start stays for its whole life: to look through it for garbage, again and again, held
    # requests up for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    with changing:
        if stopped.is_set():
            return
        desk.indexer.start()
        desk.jobs.start()
    desk.cases.budgets_now()
    while not stopped.wait(_CHAMPION_SECONDS):
        desk.follow_champion()
        desk.follow_decisions()


def _service_routes(app: FastAPI, desk: Desk, metrics: Metrics) -> None:
    @app.get("/health", tags=["service"], summary="Whether the process answers")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/ready",
        tags=["service"],
        summary="Whether every part can work",
        responses={503: {"description": "A part is not ready; each says what to do."}},
    )
    def ready(request: Request, response: Response) -> dict[str, Any]:
        parts = desk.ready()
        fine = all(part.ready for part in parts)
        response.status_code = 200 if fine else 503
        # What the parts are is for those who may come in.
        known = user_or_none(request.scope) is not None
        listed = [{"name": part.name, "ready": part.ready, "detail": part.detail if known else ""} for part in parts]
        return {"ready": fine, "parts": listed}

    @app.get("/metrics", tags=["service"], summary="Figures for Prometheus", response_class=Response)
    def figures(user: Annotated[User, allowed("read")]) -> Response:
        for state, count in desk.store.counts().items():
            metrics.alerts.labels(state).set(count)
        for each in health_of_schedules(desk.settings, desk.store.engine):
            metrics.schedule.labels(each.kind).set(1 if each.problem else 0)
        if desk.model_version is not None:
            metrics.model.clear()
            metrics.model.labels(desk.model_version).set(1)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))


class _Unmatched(BaseRoute):
    """Answers what is meant for the API but fits no route, before the page takes every other path.

    404 for an unknown path under /api/, 405 for a known path with another method.
    """

    def __init__(self, app: FastAPI) -> None:
        self._own = list(app.router.routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Takes a request of the API that no route before this one took."""
        if scope["type"] != "http":
            return Match.NONE, {}
        allowed = self._allowed(scope)
        if not allowed and not scope["path"].startswith("/api/"):
            return Match.NONE, {}
        return Match.FULL, {"endpoint": self._answer, "allowed": allowed}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with the problem."""
        await self._answer(scope, receive, send)

    def _allowed(self, scope: Scope) -> list[str]:
        return [
            method
            for method in _METHODS
            if any(route.matches({**scope, "method": method})[0] == Match.FULL for route in self._own)
        ]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = scope.get("allowed") or []
        if allowed:
            detail = f"{scope['path']} takes {', '.join(allowed)}, not {scope['method']}"
            problem = errors.Problem(405, "method_not_allowed", detail)
            answer = errors.response_of(problem, {"Allow": ", ".join(allowed)})
        else:
            answer = errors.response_of(errors.Problem(404, "not_found", f"there is nothing at {scope['path']}"))
        await answer(scope, receive, send)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("frauddesk")
    except PackageNotFoundError:
        # Run from a folder that was never installed.
        return "0"
