"""Page Models: champion and challenger side by side, promotion, rejection, rollback, training, history."""

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.access import User, user_of
from app.challengers import alert_change, side_by_side
from app.desk import Desk
from app.errors import message_of
from app.jobs import RETRAIN
from app.model_settings import gates_of
from app.ui import format as show
from app.ui.events import sent_text, shown
from app.ui.models_view import change_view, compared_view, history_view, training_view, versions_view
from app.ui.panel import panel
from fraud_model.registry import ModelVersionInfo

log = logging.getLogger(__name__)

_POLL_SECONDS = 2.0
_JS = """
element.addEventListener('click', (event) => {
  const compare = event.target.closest('[data-compare]');
  if (compare) trigger('compare', { version: compare.dataset.compare });
  const cancel = event.target.closest('[data-cancel]');
  if (cancel) trigger('cancel', { job: cancel.dataset.cancel });
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target;
  const values = Object.fromEntries(new FormData(form));
  // Pressed twice it is asked for once; where it was refused, the form is there again.
  const buttons = form.querySelectorAll('button');
  for (const button of buttons) button.disabled = true;
  setTimeout(() => { for (const button of buttons) button.disabled = false; }, 2000);
  const asked = { version: form.dataset.version || '', ...values };
  const wanted = event.submitter.dataset.do;
  if (wanted === 'promote') trigger('promote', asked);
  if (wanted === 'reject') trigger('reject', asked);
  if (wanted === 'rollback') trigger('rollback', asked);
  if (wanted === 'retrain') trigger('retrain', asked);
});
"""


class ModelsPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, tab: gr.Tab) -> None:
        """Lays the page out; it fills when its tab is opened."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
        chosen = gr.State("")
        with gr.Column(elem_classes="fd-pane fd-wide"):
            versions = panel(elem_id="models-list", js_on_load=_JS)
            compared = panel(elem_id="models-compared", js_on_load=_JS)
            changed = panel(elem_id="models-changed")
            training = panel(elem_id="models-training", js_on_load=_JS)
            history = panel(elem_id="models-history", js_on_load=_JS)
        whole = [versions, compared, changed, training, history]
        poll = gr.Timer(_POLL_SECONDS, active=False)
        tab.select(self.opened, [chosen], [chosen, *whole, poll], **quiet)
        versions.compare(self.choose, None, [chosen, versions, compared, changed], **quiet)
        for part, event, work in (
            (compared, "promote", self.promote),
            (compared, "reject", self.reject),
            (history, "rollback", self.rollback),
        ):
            getattr(part, event)(work, None, [chosen, *whole], **quiet)
        training.retrain(self.retrain, None, [training, poll], **quiet)
        training.cancel(self.cancel, None, [training], **quiet)
        poll.tick(self.polled, [chosen], [chosen, *whole, poll], **quiet)

    def opened(self, chosen: str, request: gr.Request) -> tuple[Any, ...]:
        """The whole page, and whether a training is to be watched."""
        user = user_of(request)
        job = self._training()
        return (*self._page(user, chosen), gr.Timer(active=job is not None and job.open))

    def polled(self, chosen: str, request: gr.Request) -> tuple[Any, ...]:
        """The training's progress; once it has ended, the whole page with the new version beside the champion."""
        user = user_of(request)
        job = self._training()
        if job is not None and job.open:
            return (gr.skip(), gr.skip(), gr.skip(), gr.skip(), training_view(job, user), gr.skip(), gr.skip())
        made = str(job.result.get("version", "")) if job is not None and job.state == "done" else ""
        return (*self._page(user, made or chosen), gr.Timer(active=False))

    def choose(self, event: gr.EventData, request: gr.Request) -> tuple[str, str, str, str]:
        """Another version beside the champion."""
        user = user_of(request)
        chosen, versions, compared, changed, *_ = self._page(user, sent_text(event, "version", 20))
        return chosen, versions, compared, changed

    def promote(self, event: gr.EventData, request: gr.Request) -> tuple[str, ...]:
        """The version becomes the champion."""
        version, reason = sent_text(event, "version", 20), sent_text(event, "reason", 1_000)
        despite = sent_text(event, "despite", 1_000)
        return self._decide(
            request,
            "promote",
            lambda user: self.desk.registry.promote(
                version, user.name, reason, despite=despite, gates=gates_of(self.desk.settings)
            ),
        )

    def reject(self, event: gr.EventData, request: gr.Request) -> tuple[str, ...]:
        """The version will never be the champion."""
        version, reason = sent_text(event, "version", 20), sent_text(event, "reason", 1_000)
        return self._decide(request, "reject", lambda user: self.desk.registry.reject(version, user.name, reason))

    def rollback(self, event: gr.EventData, request: gr.Request) -> tuple[str, ...]:
        """The champion before becomes the champion again."""
        reason = sent_text(event, "reason", 1_000)
        return self._decide(request, "rollback", lambda user: self.desk.registry.rollback(user.name, reason))

    def retrain(self, event: gr.EventData, request: gr.Request) -> tuple[str, gr.Timer]:
        """A training begins in the background."""
        user = user_of(request)
        try:
            user.require("retrain")
            running = self._training()
            if running is not None and running.open:
                raise gr.Error("A training is under way already.")
            self.desk.jobs.submit_retraining(user.name, sent_text(event, "reason", 200))
        except gr.Error:
            raise
        except Exception as error:
            raise shown(error) from error
        return training_view(self._training(), user), gr.Timer(active=True)

    def cancel(self, event: gr.EventData, request: gr.Request) -> str:
        """The training ends, leaving nothing behind."""
        user = user_of(request)
        try:
            user.require("retrain")
            self.desk.jobs.cancel(sent_text(event, "job", 32), user.name)
        except Exception as error:
            raise shown(error) from error
        return training_view(self._training(), user)

    def _decide(self, request: gr.Request, action: str, decide: Callable[[User], ModelVersionInfo]) -> tuple[str, ...]:
        user = user_of(request)
        try:
            user.require("promote")
            info = decide(user)
            self.desk.store.trail.record(user, action, f"model v{info.version}")
            self.desk.follow_champion()
        except Exception as error:
            raise shown(error) from error
        return self._page(user, "" if action != "reject" else info.version)

    def _page(self, user: User, chosen: str) -> tuple[str, str, str, str, str, str]:
        """The chosen version, then the page's parts; the latest version that waits where none is chosen."""
        try:
            registry = self.desk.registry
            versions, history = registry.versions(), registry.history()
        except Exception as error:
            failed = show.empty_state("The registry does not answer", message_of(error), "frauddesk doctor")
            return "", failed, "", "", "", ""
        if not versions:
            empty = show.empty_state("No model yet", "Training registers the first version.", "frauddesk up")
            return "", empty, "", "", "", ""
        others = [version.version for version in versions if version.status != "champion"]
        chosen = chosen if chosen in others else next(iter(others), "")
        compared, changed = self._compared(user, chosen) if chosen else (_alone(), "")
        return (
            chosen,
            versions_view(versions, chosen),
            compared,
            changed,
            training_view(self._training(), user),
            history_view(history, user),
        )

    def _compared(self, user: User, version: str) -> tuple[str, str]:
        try:
            found = side_by_side(self.desk, version)
            compared = compared_view(found, user, self.desk.settings.mlflow_uri)
        except Exception as error:
            return show.empty_state("These versions cannot be compared", message_of(error)), ""
        try:
            change = alert_change(self.desk, version)
        except Exception as error:
            log.warning("alerts of version %s: %s", version, error)
            words = message_of(error)
            return compared, show.empty_state("The alerts of this version cannot be told", words)
        currency = self.desk.scorer.schema.currency
        return compared, change_view(change, found.champion.version, version, currency)

    def _training(self) -> Any:
        return next(iter(self.desk.store.jobs.latest(kind=RETRAIN, count=1)), None)


def _alone() -> str:
    return show.empty_state("No challenger yet", "Train a candidate below; it will stand here beside the champion.")
