"""Page Score: one payment by form, scored again as fields change; a file by upload, checked before it is scored."""

import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app.access import User, user_of
from app.api_jobs import owner_of_changes, visible_owner
from app.batch import check_upload
from app.desk import Desk
from app.errors import message_of
from app.jobs import DONE, SCORE, Job
from app.records import Precedent, Scored
from app.ui import format as show
from app.ui.case_view import scored_page
from app.ui.events import sent, sent_text, shown
from app.ui.panel import panel
from app.ui.score_view import (
    PREVIEW_ROWS,
    job_view,
    jobs_view,
    payment_form,
    report_view,
    result_view,
    what_if_view,
)
from app.uploads import SUFFIXES, suffix_of

log = logging.getLogger(__name__)

_REASONS_IN_FILE = 3
_JOBS_SHOWN = 8
_POLL_SECONDS = 1.0
_ROWS_AT_ONCE = 200_000
_MOST_FIELDS = 200

_FORM_JS = """
let scored = false, wait;
const form = () => element.querySelector('form');
const send = (changed) => {
  const values = Object.fromEntries(new FormData(form()));
  delete values.known;
  scored = true;
  trigger('score', { values, changed });
};
element.addEventListener('submit', (event) => { event.preventDefault(); send(false); });
element.addEventListener('input', (event) => {
  if (event.target.name === 'known' || !scored) return;
  clearTimeout(wait); wait = setTimeout(() => { if (form().checkValidity()) send(true); }, 350);
});
const load = () => { const id = form().known.value.trim(); if (id) { scored = true; trigger('fetch', { id }); } };
element.addEventListener('click', (event) => { if (event.target.closest('[data-do=load]')) load(); });
element.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.target.name === 'known') { event.preventDefault(); load(); }
});
watch('value', () => { const known = form()?.known.value; form()?.reset(); if (form()) form().known.value = known; });
"""


_JOBS_JS = """
element.addEventListener('click', (event) => {
  const cancel = event.target.closest('[data-cancel]');
  if (cancel) trigger('cancel', { job: cancel.dataset.cancel });
  const open = event.target.closest('[data-job]');
  if (open) trigger('open', { job: open.dataset.job });
});
"""


class ScorePage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, demo: gr.Blocks) -> None:
        """Lays the page out and wires it."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
        first = gr.State(None)
        shown_job = gr.State("")
        with gr.Tabs(elem_classes="fd-subtabs"):
            with gr.Tab("One payment"), gr.Row(elem_classes="fd-score-page", equal_height=False):
                with gr.Column(scale=40, min_width=360, elem_classes="fd-pane"):
                    form = panel(elem_id="score-form", js_on_load=_FORM_JS)
                with gr.Column(scale=60, min_width=480, elem_classes="fd-pane"):
                    result = panel(_nothing_yet(), elem_id="score-result")
            with gr.Tab("A file") as files, gr.Row(elem_classes="fd-score-page", equal_height=False):
                with gr.Column(scale=40, min_width=360, elem_classes="fd-pane"):
                    panel(self._file_help())
                    upload = gr.File(
                        label="CSV or Parquet", file_types=list(SUFFIXES), height=140, elem_id="score-upload"
                    )
                    report = panel(elem_id="score-report")
                    run = gr.Button("Score file", variant="primary", interactive=False, elem_id="score-run")
                    jobs = panel(elem_id="score-jobs", js_on_load=_JOBS_JS)
                with gr.Column(scale=60, min_width=480, elem_classes="fd-pane"):
                    table = panel(_no_file_yet(), elem_id="score-table")
        poll = gr.Timer(_POLL_SECONDS, active=False)
        demo.load(self.start, None, [form], **quiet)
        form.score(self.score, [first], [first, result], **quiet)
        form.fetch(self.fetch, None, [first, form, result], **quiet)
        upload.change(self.check, [upload], [report, run], **quiet)
        files.select(self.look, [shown_job], [shown_job, jobs, table, poll], **quiet)
        run.click(self.score_file, [upload], [shown_job, jobs, table, poll, run], **quiet)
        jobs.cancel(self.cancel, [shown_job], [shown_job, jobs, table, poll], **quiet)
        jobs.open(self.open, None, [shown_job, jobs, table, poll], **quiet)
        poll.tick(self.look, [shown_job], [shown_job, jobs, table, poll], **quiet)

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

    def score(self, event: gr.EventData, first: Scored | None, request: gr.Request) -> tuple[Scored | None, str]:
        """Scores the payment in the form; after a changed field, beside the score before any change."""
        user = user_of(request)
        values = sent(event, "values", {})
        if not isinstance(values, dict) or len(values) > _MOST_FIELDS:
            raise gr.Error("The page sent something unexpected; reload it.")
        try:
            user.require("score")
            scored = self.desk.score_one(values)
            found = scored_page(scored, *self._precedents(scored, user))
        except Exception as error:
            raise shown(error) from error
        if first is None or not sent(event, "changed", False):
            return scored, found
        return first, what_if_view(first, scored) + found

    def fetch(self, event: gr.EventData, request: gr.Request) -> tuple[Scored, str, str]:
        """A known payment into the form, with its score."""
        user = user_of(request)
        name = sent_text(event, "id", 200).strip()
        try:
            user.require("score")
            scored = self.desk.score_known(name)
            schema = self.desk.scorer.schema
        except Exception as error:
            raise shown(error) from error
        if scored is None:
            raise gr.Error(f"No payment {name} is known here.")
        return scored, payment_form(schema, scored.transaction), scored_page(scored, *self._precedents(scored, user))

    def check(self, path: str | None, request: gr.Request) -> tuple[str, gr.Button]:
        """Everything that is wrong with an uploaded file, before it can be scored."""
        user = user_of(request)
        if path is None:
            return "", gr.Button(interactive=False)
        try:
            user.require("score")
            suffix_of(path)
            report = check_upload(self.desk, Path(path))
        except Exception as error:
            raise shown(error) from error
        return report_view(report, Path(path).name), gr.Button(interactive=report.ok)

    def score_file(self, path: str | None, request: gr.Request) -> tuple[Any, ...]:
        """Queues an uploaded file; its scores come even where the page is closed."""
        user = user_of(request)
        if path is None:
            raise gr.Error("Upload a file first.")
        try:
            user.require("score")
            with Path(path).open("rb") as incoming:
                job = self.desk.jobs.submit_file(incoming, Path(path).name, user.name, reasons=_REASONS_IN_FILE)
        except Exception as error:
            raise shown(error) from error
        return (*self._jobs(user, job.id), gr.Button(interactive=False))

    def look(self, shown_job: str, request: gr.Request) -> tuple[Any, ...]:
        """How far the jobs are."""
        return self._jobs(user_of(request), shown_job)

    def open(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """The scores of another job."""
        return self._jobs(user_of(request), sent_text(event, "job", 32))

    def cancel(self, event: gr.EventData, shown_job: str, request: gr.Request) -> tuple[Any, ...]:
        """Ends a job."""
        user = user_of(request)
        try:
            user.require("score")
            job = self.desk.store.jobs.one(sent_text(event, "job", 32), owner_of_changes(user))
            self.desk.jobs.cancel(job.id, user.name)
        except Exception as error:
            raise shown(error) from error
        return self._jobs(user, shown_job)

    def _jobs(self, user: User, wanted: str) -> tuple[Any, ...]:
        """The job shown, the list of jobs, the scores of the one shown, and whether to look again."""
        try:
            jobs = self.desk.store.jobs.latest(visible_owner(user), kind=SCORE, count=_JOBS_SHOWN)
        except Exception as error:
            return "", show.empty_state("The jobs cannot be read", message_of(error)), gr.skip(), gr.Timer(active=False)
        wanted = wanted or next((job.id for job in jobs), "")
        chosen = next((job for job in jobs if job.id == wanted), None)
        waiting = any(job.open for job in jobs)
        return (
            wanted,
            jobs_view(jobs, wanted, user),
            self._scores(chosen) if chosen is not None else _no_file_yet(),
            gr.Timer(active=waiting),
        )

    def _scores(self, job: Job) -> str:
        if job.state != DONE:
            return job_view(job)
        path = self.desk.jobs.result_path(job)
        if not path.exists():
            return show.empty_state("These scores were removed", "Results are kept for a week; score the file again.")
        return result_view(_top(path), job)

    def _precedents(self, scored: Scored, user: User) -> tuple[Sequence[Precedent] | None, str]:
        if "case_notes" in user.hidden_collections:
            return None, f"Case notes are not shown to the role {user.role}."
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


@lru_cache(maxsize=16)
def _top(path: Path) -> pd.DataFrame:
    """The highest scores of a finished job, read piece by piece: the file may be larger than memory."""
    best = pd.DataFrame()
    for piece in _pieces(path):
        best = pd.concat([best, piece] if len(best) else [piece]).nlargest(PREVIEW_ROWS, "fraud_probability")
    return best


def _pieces(path: Path) -> Iterator[pd.DataFrame]:
    if path.suffix == ".parquet":
        from pyarrow.parquet import ParquetFile

        for batch in ParquetFile(path).iter_batches(_ROWS_AT_ONCE):
            yield batch.to_pandas()
        return
    with pd.read_csv(path, dtype={"transaction_id": str}, chunksize=_ROWS_AT_ONCE) as pieces:
        yield from pieces


def _no_file_yet() -> str:
    return show.empty_state("No scores yet", "Upload a file; it is checked before it is scored.")


def _nothing_yet() -> str:
    return show.empty_state("No score yet", "Fill in a payment, or load one by its id, and score it.")
