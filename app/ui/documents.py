"""Page Documents: what the index holds, and search in it."""

from typing import Any

import gradio as gr

from app.desk import Desk
from app.errors import message_of
from app.ui import format as show
from app.ui.ask_view import flowing
from app.ui.events import shown
from app.ui.panel import panel

_HITS = 10


class DocumentsPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, tab: gr.Tab) -> None:
        """Lays the page out and wires it; it fills when its tab is opened."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
        with gr.Row(equal_height=False):
            with gr.Column(scale=34, min_width=300, elem_classes="fd-pane"):
                status = panel(elem_id="documents-status")
            with gr.Column(scale=66, min_width=480, elem_classes="fd-pane"):
                query = gr.Textbox(
                    label="Search the documents",
                    show_label=False,
                    container=False,
                    placeholder="Search: words, a case id, an account",
                    max_length=400,
                    elem_id="documents-query",
                )
                found = panel(elem_id="documents-found")
        tab.select(self.status, None, [status], **quiet)
        query.submit(self.search, [query], [found], **quiet)

    def status(self) -> str:
        """What the index holds."""
        try:
            state = self.desk.index.status()
        except Exception as error:
            return show.empty_state("The index is not there", message_of(error), "frauddesk index sync")
        if not state.documents:
            return show.empty_state("No documents yet", "Nothing is indexed.", "frauddesk index sync")
        rows = "".join(
            f"<div><dt>{show.plain_name(name or 'other')}</dt><dd>{count:,}</dd></div>"
            for name, count in sorted(state.collections.items())
        )
        failures = "".join(f"<li><b>{show.text(source)}</b> {show.text(why)}</li>" for source, why in state.failures)
        failed = f"<h3>Could not be read</h3><ul class='fd-list'>{failures}</ul>" if failures else ""
        sound = (
            "✓ all parts of the index agree"
            if state.consistent
            else "▲ the parts of the index differ; run frauddesk index rebuild"
        )
        return (
            "<section class='fd-card'><h3>Indexed</h3><dl class='fd-figures'><div><dt>Documents</dt><dd "
            "class='fd-big'>"
            f"{state.documents:,}</dd></div><div><dt>Passages</dt><dd class='fd-big'>{state.passages:,}</dd></div></dl>"
            f"<dl class='fd-rows'>{rows}<div><dt>Last sync</dt><dd>{show.moment(state.last_sync)} UTC</dd></div>"
            f"<div><dt>Size</dt><dd>{state.bytes / 1e6:.1f} MB</dd></div></dl><p class='fd-soft'>{sound}</p>{failed}"
            "<p class='fd-soft'>New and changed files are taken in by <code>frauddesk index sync</code>.</p></section>"
        )

    def search(self, query: str) -> str:
        """The passages nearest to a query."""
        if not query.strip():
            return ""
        try:
            hits = self.desk.index.search(query, k=_HITS)
        except Exception as error:
            raise shown(error) from error
        if not hits:
            return show.empty_state("Nothing found", "No passage fits these words.")
        return f"<ol class='fd-hits'>{''.join(_hit(hit) for hit in hits)}</ol>"


def _hit(hit: Any) -> str:
    collection = show.plain_name(str(hit.metadata.get("collection", "")))
    heading = f"<span class='fd-soft'>{show.text(hit.heading)}</span>" if getattr(hit, "heading", "") else ""
    return (
        f"<li><header><strong>{show.text(hit.title)}</strong><span class='fd-tag'>{collection}</span>{heading}</header>"
        f"<p>{flowing(hit.text)}</p><p class='fd-soft'><span "
        f"class='fd-id'>{show.text(hit.document_id)}</span></p></li>"
    )
