"""Page Score: one payment by form, scored again as fields change; a file by upload, checked before it is scored."""

import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app.batch import check_upload, score_upload
from app.desk import Desk
from app.errors import message_of
from app.records import Precedent, Scored
from app.ui import format as show
from app.ui.case_view import scored_page
from app.ui.events import sent, sent_text, shown
from app.ui.panel import panel
from app.ui.score_view import payment_form, report_view, result_view
from app.uploads import SUFFIXES, suffix_of
from fraud_model.progress import Progress

log = logging.getLogger(__name__)

_REASONS_IN_FILE = 3
_RESULT_PREFIX = "frauddesk-scores-"
_RESULT_SECONDS = 86_400
_MOST_FIELDS = 200

_FORM_JS = """
let scored = false, wait;
const form = () => element.querySelector('form');
const send = () => {
  const values = Object.fromEntries(new FormData(form()));
  delete values.known;
  scored = true;
  trigger('score', { values });
};
element.addEventListener('submit', (event) => { event.preventDefault(); send(); });
element.addEventListener('input', (event) => {
  if (event.target.name === 'known' || !scored) return;
  clearTimeout(wait); wait = setTimeout(() => { if (form().checkValidity()) send(); }, 350);
});
const load = () => { const id = form().known.value.trim(); if (id) trigger('fetch', { id }); };
element.addEventListener('click', (event) => { if (event.target.closest('[data-do=load]')) load(); });
element.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.target.name === 'known') { event.preventDefault(); load(); }
});
watch('value', () => { const known = form()?.known.value; form()?.reset(); if (form()) form().known.value = known; });
"""


class ScorePage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, demo: gr.Blocks) -> None:
        """Lays the page out and wires it."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
        with gr.Tabs(elem_classes="fd-subtabs"):
            with gr.Tab("One payment"), gr.Row(elem_classes="fd-score-page", equal_height=False):
                with gr.Column(scale=40, min_width=360, elem_classes="fd-pane"):
                    form = panel(elem_id="score-form", js_on_load=_FORM_JS)
                with gr.Column(scale=60, min_width=480, elem_classes="fd-pane"):
                    result = panel(_nothing_yet(), elem_id="score-result")
            with gr.Tab("A file"), gr.Row(elem_classes="fd-score-page", equal_height=False):
                with gr.Column(scale=40, min_width=360, elem_classes="fd-pane"):
                    panel(self._file_help())
                    upload = gr.File(
                        label="CSV or Parquet", file_types=list(SUFFIXES), height=140, elem_id="score-upload"
                    )
                    report = panel(elem_id="score-report")
                    run = gr.Button("Score file", variant="primary", interactive=False, elem_id="score-run")
                    download = gr.DownloadButton("Download scores", visible=False, elem_id="score-download")
                with gr.Column(scale=60, min_width=480, elem_classes="fd-pane"):
                    table = panel(
                        show.empty_state("No scores yet", "Upload a file; it is checked before it is scored."),
                        elem_id="score-table",
                    )
        demo.load(self.start, None, [form], **quiet)
        form.score(self.score, None, [result], **quiet)
        form.fetch(self.fetch, None, [form, result], **quiet)
        upload.change(self.check, [upload], [report, run, table, download], **quiet)
        run.click(
            self.score_file,
            [upload],
            [table, download],
            show_progress="full",
            show_progress_on=[table],
            api_visibility="private",
            concurrency_limit=1,
        )

    def start(self) -> str:
        """The form, filled with the latest known payment."""
        try:
            schema = self.desk.scorer.schema
        except Exception as error:
            log.warning("the score page has no model: %s", error)
            return show.empty_state("No model to score with", message_of(error), "frauddesk up")
        try:
            values = self.desk.history.frame.iloc[-1].to_dict()
        except Exception as error:
            # Empty fields are as good a start; scoring itself will say what is missing.
            log.warning("no payment to start from: %s", error)
            values = {}
        return payment_form(schema, values)

    def score(self, event: gr.EventData) -> str:
        """Scores the payment in the form."""
        values = sent(event, "values", {})
        if not isinstance(values, dict) or len(values) > _MOST_FIELDS:
            raise gr.Error("The page sent something unexpected; reload it.")
        try:
            scored = self.desk.score_one(values)
            return scored_page(scored, *self._precedents(scored))
        except Exception as error:
            raise shown(error) from error

    def fetch(self, event: gr.EventData) -> tuple[str, str]:
        """A known payment into the form, with its score."""
        name = sent_text(event, "id", 200).strip()
        try:
            scored = self.desk.score_known(name)
            schema = self.desk.scorer.schema
        except Exception as error:
            raise shown(error) from error
        if scored is None:
            raise gr.Error(f"No payment {name} is known here.")
        return payment_form(schema, scored.transaction), scored_page(scored, *self._precedents(scored))

    def check(self, path: str | None) -> tuple[Any, ...]:
        """Everything that is wrong with an uploaded file, before it can be scored."""
        hidden = gr.DownloadButton(visible=False)
        if path is None:
            return "", gr.Button(interactive=False), gr.skip(), hidden
        try:
            suffix_of(path)
            report = check_upload(self.desk, Path(path))
        except Exception as error:
            raise shown(error) from error
        return report_view(report, Path(path).name), gr.Button(interactive=report.ok), gr.skip(), hidden

    def score_file(self, path: str | None, progress: gr.Progress = gr.Progress()) -> tuple[str, gr.DownloadButton]:  # noqa: B008
        """Scores an uploaded file into a table to look at and to download."""
        if path is None:
            raise gr.Error("Upload a file first.")

        def tell(step: Progress) -> None:
            progress((step.done, step.total), desc=step.stage, unit="steps")

        target = _result_folder() / "scores.csv"
        try:
            suffix_of(path)
            summary = score_upload(self.desk, Path(path), target, reasons=_REASONS_IN_FILE, progress=tell)
            scores = pd.read_csv(target, dtype={"transaction_id": str})
        except Exception as error:
            raise shown(error) from error
        shown_rows = min(len(scores), 100)
        line = f"The {shown_rows} highest scores; the file has all {summary.rows:,} rows in their order."
        return result_view(scores, summary, line), gr.DownloadButton(value=str(target), visible=True)

    def _precedents(self, scored: Scored) -> tuple[Sequence[Precedent] | None, str]:
        try:
            return self.desk.precedents(scored), ""
        except Exception as error:
            # The score stands without the index; the place of the cases says what is wrong.
            log.warning("precedents: %s", error)
            return None, message_of(error)

    def _file_help(self) -> str:
        return (
            "<div class='fd-help'><p>Every payment gets its score, whether it alerts, and its three strongest reasons. "
            f"Up to {self.desk.settings.max_upload_mb} MB.</p></div>"
        )


def _result_folder() -> Path:
    """A new folder for a result, in the system's folder for such files, where Gradio serves downloads from.

    Results of yesterday and before go first.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{_RESULT_PREFIX}*"):
        if old.is_dir() and time.time() - old.stat().st_mtime > _RESULT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_RESULT_PREFIX))


def _nothing_yet() -> str:
    return show.empty_state("No score yet", "Fill in a payment, or load one by its id, and score it.")
