"""Page Queue: alerts by expected loss, the opened one with reasons, nearest cases and the decision."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from app.desk import Desk, local_analyst
from app.errors import message_of
from app.records import Alert, AlertFilter, AlertPage, Precedent
from app.store import NotFoundError
from app.ui import format as show
from app.ui.case_view import case_page, decision_panel
from app.ui.events import sent_number, sent_text, shown
from app.ui.panel import panel
from app.ui.queue_view import VIEWS, filter_bar, queue_list

log = logging.getLogger(__name__)

PAGE_ROWS = 50

_FILTER_JS = """
const form = () => element.querySelector('form');
const send = () => { const f = form(); trigger('filter', {
  view: f.view.value, search: f.search.value, least: Number(f.least.value) }); };
let wait;
element.addEventListener('input', (event) => {
  const f = form();
  f.querySelector('output').textContent = Number(f.least.value).toFixed(2);
  clearTimeout(wait); wait = setTimeout(send, event.target.type === 'radio' ? 0 : 250);
});
element.addEventListener('keydown', (event) => { if (event.key === 'Enter') { event.preventDefault(); send(); } });
"""

_LIST_JS = """
const mark = (row) => element.querySelectorAll('tr[data-id]').forEach(
  (other) => other.setAttribute('aria-selected', String(other === row)));
const open = (row) => {
  // Until the other case is there, nobody may decide on the one still shown.
  if (row.getAttribute('aria-selected') !== 'true') document.querySelectorAll('#queue-case, #queue-decision').forEach(
    (part) => { part.inert = true; setTimeout(() => { part.inert = false; }, 10000); });
  mark(row);
  trigger('open', { id: Number(row.dataset.id) });
};
element.addEventListener('click', (event) => {
  const row = event.target.closest('tr[data-id]'), button = event.target.closest('[data-page]');
  if (row) open(row);
  if (button) trigger('turn', { by: Number(button.dataset.page) });
});
element.addEventListener('keydown', (event) => {
  const row = event.target.closest('tr[data-id]');
  if (!row) return;
  const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
  if (to) { event.preventDefault(); to.focus(); open(to); }
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); open(row); }
});
watch('value', () => element.querySelector('tr[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' }));
"""

_DECIDE_JS = """
element.addEventListener('change', (event) => {
  const form = event.target.form, send = form.querySelector('[type=submit]');
  if (event.target.name === 'decision') {
    form.querySelectorAll('[name=reason]:checked').forEach((other) => { other.checked = false; });
    send.disabled = true;
  }
  if (event.target.name === 'reason') send.disabled = false;
});
element.addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target, chosen = form.querySelector('[name=reason]:checked');
  if (!chosen) return;
  form.querySelector('[type=submit]').disabled = true;
  trigger('decide', { id: Number(form.dataset.alert), decision: chosen.dataset.decision,
    reason: chosen.value, note: form.note.value });
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (button?.dataset.do === 'undo') trigger('undo', {
    id: Number(element.querySelector('[data-alert]').dataset.alert) });
  if (button?.dataset.do === 'next') trigger('next', {});
});
watch('value', () => {
  document.querySelectorAll('#queue-case, #queue-decision').forEach((part) => { part.inert = false; });
  const form = element.querySelector('form');
  if (form) { form.reset(); form.querySelector('[type=submit]').disabled = true; }
  else element.querySelector('[data-do=next]')?.focus({ preventScroll: true });
});
"""


@dataclass(frozen=True)
class QueueView:
    """What one analyst's browser shows: filter, page, opened alert."""

    view: str = "open"
    search: str = ""
    least: float = 0.0
    offset: int = 0
    selected: int | None = None

    @property
    def narrowed(self) -> bool:
        """Whether anything but the usual list is asked for."""
        return bool(self.search.strip()) or self.least > 0 or self.view != "open"

    def wanted(self) -> AlertFilter:
        """The same for the store."""
        return AlertFilter(VIEWS[self.view][1], self.least, self.search)


class QueuePage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, demo: gr.Blocks) -> None:
        """Lays the page out and wires it."""
        state = gr.State(QueueView())
        with gr.Row(elem_classes="fd-queue-page", equal_height=False):
            with gr.Column(scale=48, min_width=480, elem_classes="fd-pane"):
                bar = panel(elem_id="queue-filter", js_on_load=_FILTER_JS)
                listing = panel(elem_id="queue-list", js_on_load=_LIST_JS)
            with gr.Column(scale=52, min_width=480, elem_classes="fd-pane fd-pane-case"):
                case = panel(elem_id="queue-case")
                decision = panel(elem_id="queue-decision", js_on_load=_DECIDE_JS)
        everything = [state, bar, listing, case, decision]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
        demo.load(self.start, [state], everything, **quiet)
        bar.filter(self.filter, [state], [state, listing], **quiet)
        listing.turn(self.turn, [state], [state, listing], **quiet)
        listing.open(self.open, [state], [state, case, decision], **quiet)
        decision.decide(self.decide, [state], everything, **quiet)
        decision.undo(self.undo, [state], everything, **quiet)
        decision.next(self.next, [state], everything, **quiet)

    def start(self, state: QueueView) -> tuple[Any, ...]:
        """The page as it opens: the list, and its first alert."""
        page = self._page(state)
        return self._everything(replace(state, selected=page.items[0].id if page.items else None))

    def filter(self, state: QueueView, event: gr.EventData) -> tuple[QueueView, str]:
        """Another state, search or least score."""
        view = sent_text(event, "view")
        least = min(max(sent_number(event, "least"), 0.0), 1.0)
        changed = replace(
            state,
            view=view if view in VIEWS else "open",
            search=sent_text(event, "search", 200),
            least=least,
            offset=0,
        )
        return changed, self._list(changed)

    def turn(self, state: QueueView, event: gr.EventData) -> tuple[QueueView, str]:
        """The previous or the next page of the list."""
        step = PAGE_ROWS if sent_number(event, "by") > 0 else -PAGE_ROWS
        changed = replace(state, offset=max(state.offset + step, 0))
        return changed, self._list(changed)

    def open(self, state: QueueView, event: gr.EventData) -> tuple[QueueView, str, str]:
        """One alert."""
        changed = replace(state, selected=int(sent_number(event, "id")))
        return (changed, *self._case(changed.selected))

    def decide(self, state: QueueView, event: gr.EventData) -> tuple[Any, ...]:
        """Records a decision; the alert stays open with its undo."""
        alert_id = int(sent_number(event, "id"))
        try:
            self.desk.store.decide(
                alert_id,
                sent_text(event, "decision"),
                sent_text(event, "reason"),
                sent_text(event, "note"),
                local_analyst(),
            )
        except Exception as error:
            # Somebody else may have decided meanwhile: say so, and show what stands now.
            gr.Warning(message_of(error))
        return self._everything(replace(state, selected=alert_id))

    def undo(self, state: QueueView, event: gr.EventData) -> tuple[Any, ...]:
        """Takes the decision in force back."""
        alert_id = int(sent_number(event, "id"))
        try:
            self.desk.store.undo(alert_id, local_analyst())
        except Exception as error:
            gr.Warning(message_of(error))
        return self._everything(replace(state, selected=alert_id))

    def next(self, state: QueueView) -> tuple[Any, ...]:
        """The alert after the opened one in the list, or the first."""
        items = self._page(state).items
        ids = [item.id for item in items]
        # An opened alert that has left the list was decided: the one that took its place is next.
        place = ids.index(state.selected) + 1 if state.selected in ids else self._place_of(state)
        if place >= len(ids) and len(ids) == PAGE_ROWS:
            state = replace(state, offset=state.offset + PAGE_ROWS)
            ids, place = [item.id for item in self._page(state).items], 0
        following = ids[place] if place < len(ids) else (ids[0] if ids else None)
        return self._everything(replace(state, selected=following))

    def _place_of(self, state: QueueView) -> int:
        if state.selected is None:
            return 0
        loss = self._alert(state.selected).expected_loss
        return sum(item.expected_loss > loss for item in self._page(state).items)

    def _page(self, state: QueueView) -> AlertPage:
        try:
            return self.desk.store.alerts(state.wanted(), state.offset, PAGE_ROWS)
        except Exception as error:
            raise shown(error) from error

    def _list(self, state: QueueView) -> str:
        return queue_list(self._page(state), state.selected, state.narrowed)

    def _everything(self, state: QueueView) -> tuple[Any, ...]:
        bar = filter_bar(self.desk.store.counts(), state.view)
        return (state, bar, self._list(state), *self._case(state.selected))

    def _alert(self, alert_id: int) -> Alert:
        try:
            return self.desk.store.alert(alert_id)
        except NotFoundError as error:
            raise shown(error) from error

    def _case(self, alert_id: int | None) -> tuple[str, str]:
        if alert_id is None:
            return show.empty_state("No alert opened", "Choose one from the list."), ""
        alert = self._alert(alert_id)
        self.desk.store.audit(local_analyst(), "read", f"alert {alert_id}")
        precedents, problem = self._precedents(alert)
        return case_page(alert, precedents, problem), decision_panel(alert)

    def _precedents(self, alert: Alert) -> tuple[Sequence[Precedent] | None, str]:
        try:
            return self.desk.precedents(alert), ""
        except Exception as error:
            # The alert itself stays workable without the index; its place on the page says what is wrong.
            log.warning("precedents of alert %s: %s", alert.id, error)
            return None, message_of(error)
