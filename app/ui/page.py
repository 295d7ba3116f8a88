"""The page as a whole: header, tabs, theme; mounted at the root of the service."""

import asyncio
import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
from fastapi import FastAPI
from gradio.route_utils import BUILD_PATH_LIB
from starlette.routing import Mount

from app.access import User, user_of
from app.desk import Desk
from app.errors import message_of
from app.queue_figures import queue_figures
from app.ui import format as show
from app.ui.ask import AskPage
from app.ui.audit import AuditTrailPage
from app.ui.documents import DocumentsPage
from app.ui.mark import MARK
from app.ui.models import ModelsPage
from app.ui.panel import panel
from app.ui.quality import QualityPage
from app.ui.queue import QueuePage
from app.ui.score import ScorePage
from app.ui.theme import SCRIPT, desk_theme, styles

log = logging.getLogger(__name__)

# Uploads and results are gone a day after they were made; looked at every hour.
_DELETE_CACHE = (3_600, 86_400)


def build_page(desk: Desk) -> gr.Blocks:
    """The page, working on a desk."""
    with gr.Blocks(title="Fraud Desk", analytics_enabled=False, fill_width=True, delete_cache=_DELETE_CACHE) as demo:
        header = panel(_header(None, None), elem_id="fd-header")
        conversation = AskPage.remembered()
        with gr.Tabs(elem_id="fd-pages"):
            with gr.Tab("Queue", id="queue"):
                QueuePage(desk).build(demo)
            with gr.Tab("Ask", id="ask"):
                AskPage(desk).build(demo, conversation)
            with gr.Tab("Score", id="score"):
                ScorePage(desk).build(demo)
            with gr.Tab("Documents", id="documents") as documents:
                DocumentsPage(desk).build(documents)
            with gr.Tab("Models", id="models") as models:
                ModelsPage(desk).build(models)
            with gr.Tab("Quality", id="quality") as quality:
                QualityPage(desk).build(quality)
            # Shown on arrival to those whose role has it.
            with gr.Tab("Audit", id="audit", visible=False) as audit:
                AuditTrailPage(desk).build(audit)

        def arrive(request: gr.Request) -> tuple[str, Any]:
            user = user_of(request)
            return _header(desk, user), gr.Tab(visible=user.may("audit"))

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
        demo.load(arrive, None, [header, audit], **quiet)
    demo.queue(max_size=64, default_concurrency_limit=4)
    return demo


def asset_folder() -> Path:
    """Where the framework keeps the page's scripts and styles."""
    return Path(BUILD_PATH_LIB)


def warm_up() -> None:
    """Loads what the page's framework would load at its first event: half a second that nobody need wait for."""
    import matplotlib

    matplotlib.use("agg")


def read_ahead(desk: Desk) -> None:
    """Reads what the first visitor will see, so that the database has it at hand."""
    try:
        queue_figures(desk.store.engine)
        desk.cases.budgets_now()
        for first in desk.store.alerts(limit=1).items:
            desk.cases.accounts(desk.store.alert(first.id))
    except Exception as error:
        # The page says it to whoever comes; here nobody waits for it.
        log.warning("the queue could not be read ahead: %s", message_of(error))


def open_once(app: FastAPI) -> None:
    """Has the framework make the page once, for nobody: its first time takes longer than all others.

    Args:
        app: The service with the page at its root.
    """
    page = next(route.app for route in reversed(app.routes) if isinstance(route, Mount) and route.path == "")

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=page)) as client:
            return (await client.get("http://127.0.0.1/")).status_code

    try:
        status = asyncio.run(ask())
    except Exception as error:
        log.warning("the page could not be made ahead: %s", message_of(error))
    else:
        if status != HTTPStatus.OK:
            log.warning("the page could not be made ahead: it answered %d", status)


def mount(app: FastAPI, desk: Desk) -> FastAPI:
    """The service with the page at its root; every route of its own must be there already."""
    return gr.mount_gradio_app(
        app,
        build_page(desk),
        path="/",
        theme=desk_theme(),
        css=styles(),
        js=SCRIPT.read_text(encoding="utf-8"),
        footer_links=[],
        # Recorded runs would keep payments in the browser's storage.
        run_history=False,
        show_error=False,
        max_file_size=f"{desk.settings.max_upload_mb}mb",
        ssr_mode=False,
    )


def _header(desk: Desk | None, user: User | None) -> str:
    model = "<span class='fd-chip'>loading the model</span>" if desk is None else _model_chip(desk)
    return (
        f"<div class='fd-brand'>{MARK}<span>Fraud Desk</span></div><div class='fd-header-end'>{model}"
        "<a class='fd-link' href='/docs' target='_blank' rel='noopener'>API</a>"
        "<button type='button' class='fd-button' data-theme-toggle aria-label='Dark colours' aria-pressed='false'>"
        "<span class='fd-only-light'>☾</span><span class='fd-only-dark'>☀</span></button>"
        f"{'' if user is None else _who(user)}</div>"
    )


def _who(user: User) -> str:
    if user.single:
        return "<span class='fd-chip fd-chip-wait' title='No users yet: frauddesk users add'>Single user</span>"
    # A tab that was never opened cannot be hidden from here; the style sheet does it.
    hidden = "" if user.may("score") else "<span hidden data-hide='score'></span>"
    name, role = show.text(user.name), show.text(user.role)
    return (
        f"{hidden}<span class='fd-who' title='{name}'><b>{name}</b> <span class='fd-soft'>{role}</span></span>"
        "<form method='post' action='/sign-out'><button class='fd-button'>Sign out</button></form>"
    )


def _model_chip(desk: Desk) -> str:
    try:
        return f"<span class='fd-chip fd-chip-good'>Model version {show.text(desk.scorer.model_version)}</span>"
    except Exception as error:
        log.warning("the header shows no model: %s", error)
        return f"<span class='fd-chip fd-chip-bad' title='{show.text(message_of(error))}'>No model</span>"
