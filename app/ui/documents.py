"""Page Documents: what the index holds, search in it, uploads and their removal, sync with progress."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from app.access import User, user_of
from app.desk import Desk
from app.errors import message_of
from app.ui import format as show
from app.ui.documents_view import hits_view, outcome_view, status_view, sync_view, uploads_view
from app.ui.events import sent_text, shown
from app.ui.panel import panel
from app.visible import visible_collections
from retrieval.readers import READERS

log = logging.getLogger(__name__)

_HITS = 10
_STATUS_JS = """
element.addEventListener('click', (event) => {
  if (event.target.closest('[data-sync]')) trigger('sync', {});
});
"""
_UPLOADS_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-remove]');
  if (!button) return;
  if (button.dataset.sure) trigger('remove', { id: button.dataset.remove });
  else {
    button.dataset.sure = '1'; button.textContent = 'Remove for good?';
    setTimeout(() => { delete button.dataset.sure; button.textContent = 'Remove'; }, 4000);
  }
});
"""


class DocumentsPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, tab: gr.Tab) -> None:
        """Lays the page out and wires it; it fills when its tab is opened."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
        with gr.Row(equal_height=False, elem_classes="fd-documents-page"):
            with gr.Column(scale=36, min_width=320, elem_classes="fd-pane"):
                status = panel(elem_id="documents-status", js_on_load=_STATUS_JS)
                progress = panel(elem_id="documents-sync")
                with gr.Column(visible=False, elem_classes="fd-card fd-upload") as adding:
                    panel("<h3>Add a document</h3>")
                    collection = gr.Dropdown(
                        label="Collection", choices=[], elem_id="documents-collection", interactive=True
                    )
                    upload = gr.File(
                        label="Markdown, text, PDF, Word, HTML, CSV or JSON lines",
                        file_types=sorted(READERS),
                        height=130,
                        elem_id="documents-upload",
                    )
                    add = gr.Button("Add to the documents", variant="primary", elem_id="documents-add")
                    outcome = panel(elem_id="documents-outcome")
                uploads = panel(elem_id="documents-uploads", js_on_load=_UPLOADS_JS)
            with gr.Column(scale=64, min_width=480, elem_classes="fd-pane"):
                query = gr.Textbox(
                    label="Search the documents",
                    show_label=False,
                    container=False,
                    placeholder="Search: words, a case id, an account",
                    max_length=400,
                    elem_id="documents-query",
                )
                found = panel(_nothing_searched(), elem_id="documents-found")
        tab.select(self.opened, None, [status, progress, uploads, adding, collection], **quiet)
        query.submit(self.search, [query], [found], **quiet)
        add.click(
            self.add,
            [upload, collection],
            [outcome, upload, status, uploads],
            show_progress="full",
            show_progress_on=[outcome],
            api_visibility="private",
            concurrency_limit=2,
        )
        status.sync(self.sync, None, [progress, status], **quiet)
        uploads.remove(self.remove, None, [outcome, status, uploads], **quiet)

    def opened(self, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """What the index holds; a sync at work is followed."""
        user = user_of(request)
        known = list(self.desk.library.collections_for(user))
        choices = [(name.replace("_", " ").capitalize(), name) for name in known]
        first = "policies" if "policies" in known else known[0]
        yield (
            self._status(user),
            self._progress(),
            self._uploads(user),
            gr.update(visible=user.may("documents")),
            gr.update(choices=choices, value=first),
        )
        if self.desk.library.sync_state.running:
            for shown_now in self._followed(user):
                yield shown_now[1], shown_now[0], gr.skip(), gr.skip(), gr.skip()

    def search(self, query: str, request: gr.Request) -> str:
        """The passages nearest to a query, of what the user may see."""
        user = user_of(request)
        if not query.strip():
            return _nothing_searched()
        try:
            hits = self.desk.index.search(query, _HITS, collections=visible_collections(self.desk.index, user))
        except Exception as error:
            raise shown(error) from error
        return hits_view(hits, query)

    def add(self, upload: str | None, collection: str, request: gr.Request) -> tuple[Any, ...]:
        """Takes the uploaded file into its collection."""
        user = user_of(request)
        if not upload:
            return outcome_view("Choose a file first.", bad=True), gr.skip(), gr.skip(), gr.skip()
        path = Path(upload)
        try:
            with path.open("rb") as incoming:
                made = self.desk.library.upload(user, str(collection or ""), path.name, incoming)
        except Exception as error:
            return outcome_view(message_of(error), bad=True), gr.skip(), gr.skip(), gr.skip()
        finally:
            # Gradio's copy of the upload is of no more use.
            path.unlink(missing_ok=True)
        count = len(made.documents)
        said = f"{made.document_id} is indexed" + (f": {count} documents" if count != 1 else "; search finds it now")
        return (
            outcome_view(f"{said}.", failures=made.failures),
            None,
            self._status(user),
            self._uploads(user),
        )

    def remove(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Removes an uploaded document."""
        user = user_of(request)
        try:
            gone = self.desk.library.remove(user, sent_text(event, "id", 200))
        except Exception as error:
            raise shown(error) from error
        said = f"{gone.document_id} is removed; {gone.retrievable} of its passages can still be found."
        return outcome_view(said), self._status(user), self._uploads(user)

    def sync(self, request: gr.Request) -> Iterator[tuple[str, Any]]:
        """Brings the index up to date, showing how far it is."""
        user = user_of(request)
        try:
            self.desk.library.start_sync(user)
        except Exception as error:
            raise shown(error) from error
        yield from self._followed(user)

    def _followed(self, user: User) -> Iterator[tuple[str, Any]]:
        for state in self.desk.library.follow_sync():
            yield sync_view(state), gr.skip() if state.running else self._status(user)

    def _progress(self) -> str:
        state = self.desk.library.sync_state
        return sync_view(state) if state.running or state.report or state.problem else ""

    def _status(self, user: User) -> str:
        try:
            listing = self.desk.library.listing(user)
        except Exception as error:
            log.warning("the index shows no status: %s", error)
            return show.empty_state("The index is not there", message_of(error), "frauddesk index sync")
        return status_view(listing, user.may("documents"))

    def _uploads(self, user: User) -> str:
        try:
            return uploads_view(self.desk.library.listing(user).uploads, user.may("documents"))
        except Exception:
            return ""


def _nothing_searched() -> str:
    about = "Words, a case id such as CN-2026-0017, a payment or an account."
    return show.empty_state("Search the documents", about)
