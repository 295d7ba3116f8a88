"""Page Queue: alerts by expected loss, the opened one with its record, accounts, nearest cases and the decision."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from app.access import User, user_of
from app.cases import CaseFile
from app.desk import Desk
from app.errors import message_of
from app.queue_figures import queue_figures
from app.records import AlertPage
from app.store_errors import NotFoundError
from app.ui import format as show
from app.ui.ask_panel import CasePanel
from app.ui.case_view import CaseShown, case_page
from app.ui.decision_view import decision_panel
from app.ui.events import sent, sent_number, sent_text, shown
from app.ui.panel import panel
from app.ui.queue_state import QueueState
from app.ui.queue_view import figures_strip, filter_bar, queue_list

log = logging.getLogger(__name__)

PAGE_ROWS = 50
_SENT = (
    "view", "search", "least", "most", "min_amount", "max_amount", "typology", "owner", "age", "analysts", "each",
    "within", "wide", "budget_open",
)  # fmt: skip


def _script(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


class QueuePage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, demo: gr.Blocks) -> None:
        """Lays the page out and wires it."""
        # The browser keeps what is shown: a reload or a restart of the desk goes on where one was.
        state = gr.BrowserState({}, storage_key="frauddesk.queue", secret="queue")
        opened = gr.State(None)
        with gr.Row(elem_classes="fd-queue-page", equal_height=False):
            with gr.Column(scale=48, min_width=320, elem_classes="fd-pane fd-pane-list"):
                strip = panel(elem_id="queue-figures")
                bar = panel(elem_id="queue-filter", js_on_load=_script("queue_filter.js"))
                listing = panel(elem_id="queue-list", js_on_load=_script("queue_list.js"))
            with gr.Column(scale=52, min_width=320, elem_classes="fd-pane fd-pane-case"):
                case = panel(elem_id="queue-case", js_on_load=_script("queue_case.js"))
                decision = panel(elem_id="queue-decision", js_on_load=_script("queue_decision.js"))
            with gr.Column(scale=30, min_width=280, elem_classes="fd-pane fd-pane-ask"):
                CasePanel(self.desk).build(opened, lambda alert_id: alert_id)
        everything = [state, opened, strip, bar, listing, case, decision]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 8}
        demo.load(self.start, [state], everything, **quiet)
        bar.filter(self.filter, [state], [state, listing], **quiet)
        bar.use_view(self.use_view, [state], everything, **quiet)
        bar.save_view(self.save_view, [state], everything, **quiet)
        bar.forget_view(self.forget_view, [state], everything, **quiet)
        bar.refresh(self.refresh, [state], [state, strip, bar], **quiet)
        bar.clear(self.clear, [state], everything, **quiet)
        listing.turn(self.turn, [state], [state, listing], **quiet)
        opening = listing.open(self.open, [state], [state, opened, case, decision], **quiet)
        # What an alert looked like before this is not shown after it, however late it comes.
        quiet["cancels"] = [opening]
        case.claim(self.claim, [state], everything, **quiet)
        case.release(self.release, [state], everything, **quiet)
        case.sign(self.sign, [state], everything, **quiet)
        decision.decide(self.decide, [state], everything, **quiet)
        decision.undo(self.undo, [state], everything, **quiet)
        decision.next(self.next, [state], everything, **quiet)

    def start(self, kept: Any, request: gr.Request) -> tuple[Any, ...]:
        """The page as it opens: as this browser left it, else the list with its first alert."""
        user = self._reader(request)
        state = QueueState.of(kept)
        if not state.each:
            state = replace(state, each=max(self.desk.settings.alert_budget, 1))
        if state.selected is not None and self._gone(state.selected):
            state = replace(state, selected=None)
        if state.selected is None:
            page = self._page(state, user)
            state = replace(state, selected=page.items[0].id if page.items else None)
        return self._everything(state, user)

    def filter(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[dict[str, Any], str]:
        """Another state, search, filter or budget."""
        user = self._reader(request)
        values = {name: sent(event, name) for name in _SENT}
        state = QueueState.of({**QueueState.of(kept).to_dict(), **values, "offset": 0})
        return state.to_dict(), self._list(state, user)

    def use_view(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """A saved view."""
        user = self._reader(request)
        state = QueueState.of(kept)
        wanted = self.desk.store.views.of(user.name).get(sent_text(event, "name", 60))
        if wanted is not None:
            state = QueueState.of({**state.to_dict(), **wanted, "offset": 0})
        return self._everything(state, user)

    def save_view(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Keeps the filters under a name."""
        user = self._reader(request)
        values = {name: sent(event, name) for name in _SENT}
        state = QueueState.of({**QueueState.of(kept).to_dict(), **values, "offset": 0})
        name = sent_text(event, "name", 61)
        self._told(lambda: self.desk.store.views.save(user.name, name, state.filters()), f"Saved as {name.strip()}")
        return self._everything(state, user)

    def forget_view(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Forgets a saved view."""
        user = self._reader(request)
        self.desk.store.views.delete(user.name, sent_text(event, "name", 60))
        return self._everything(QueueState.of(kept), user)

    def refresh(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[dict[str, Any], str, str]:
        """Figures and budgets once more, as they are now."""
        user = self._reader(request)
        state = QueueState.of({**QueueState.of(kept).to_dict(), **{name: sent(event, name) for name in _SENT}})
        return state.to_dict(), self._strip(), self._bar(state, user)

    def clear(self, kept: Any, request: gr.Request) -> tuple[Any, ...]:
        """No filter any more; state and budget stay."""
        user = self._reader(request)
        state = QueueState.of(kept)
        names = ("view", "analysts", "each", "within", "budget_open", "wide", "selected")
        return self._everything(QueueState(**{name: getattr(state, name) for name in names}), user)

    def turn(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[dict[str, Any], str]:
        """The previous or the next page of the list."""
        user = self._reader(request)
        state = QueueState.of(kept)
        step = PAGE_ROWS if sent_number(event, "by") > 0 else -PAGE_ROWS
        state = replace(state, offset=max(state.offset + step, 0))
        return state.to_dict(), self._list(state, user)

    def open(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """One alert."""
        user = self._reader(request)
        state = replace(QueueState.of(kept), selected=int(sent_number(event, "id")))
        return (state.to_dict(), state.selected, *self._case(state.selected, user))

    def claim(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Takes the opened alert."""
        user, alert_id = user_of(request), int(sent_number(event, "id"))
        self._told(lambda: self.desk.cases.claim(alert_id, user))
        return self._everything(replace(QueueState.of(kept), selected=alert_id), user)

    def release(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Gives the opened alert back."""
        user, alert_id = user_of(request), int(sent_number(event, "id"))
        self._told(lambda: self.desk.cases.release(alert_id, user))
        return self._everything(replace(QueueState.of(kept), selected=alert_id), user)

    def sign(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Keeps the narrative."""
        user, alert_id = user_of(request), int(sent_number(event, "id"))
        text = sent_text(event, "text", 20_001)
        self._told(lambda: self.desk.cases.sign(alert_id, text, user), "Signed; it is in the chain of records.")
        return self._everything(replace(QueueState.of(kept), selected=alert_id), user)

    def decide(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Records a decision; the alert stays open with its undo."""
        user, alert_id = user_of(request), int(sent_number(event, "id"))
        decision, reason = sent_text(event, "decision"), sent_text(event, "reason")
        note = sent_text(event, "note")
        # Somebody else may have decided meanwhile: that is said, and what stands now is shown.
        self._told(lambda: self.desk.cases.decide(alert_id, decision, reason, note, user))
        return self._everything(replace(QueueState.of(kept), selected=alert_id), user)

    def undo(self, kept: Any, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Takes the decision in force back."""
        user, alert_id = user_of(request), int(sent_number(event, "id"))
        self._told(lambda: self.desk.cases.undo(alert_id, user))
        return self._everything(replace(QueueState.of(kept), selected=alert_id), user)

    def next(self, kept: Any, request: gr.Request) -> tuple[Any, ...]:
        """The alert after the opened one in the list, or the first; what others have claimed is passed over."""
        user = self._reader(request)
        state = QueueState.of(kept)
        items = self._page(state, user).items
        ids = [item.id for item in items]
        # An opened alert that has left the list was decided: the one that took its place is next.
        place = ids.index(state.selected) + 1 if state.selected in ids else self._place_of(state, user)
        if place >= len(ids) and len(ids) == PAGE_ROWS:
            state = replace(state, offset=state.offset + PAGE_ROWS)
            items, place = self._page(state, user).items, 0
        free = [item.id for item in (*items[place:], *items[:place]) if item.owner in (None, user.name)]
        return self._everything(replace(state, selected=free[0] if free else state.selected), user)

    def _place_of(self, state: QueueState, user: User) -> int:
        if state.selected is None or self._gone(state.selected):
            return 0
        loss = self.desk.store.alert(state.selected).expected_loss
        return sum(item.expected_loss > loss for item in self._page(state, user).items)

    def _reader(self, request: gr.Request) -> User:
        user = user_of(request)
        user.require("read")
        return user

    def _told(self, act: Any, done: str = "") -> None:
        """Does something and says on the page why it did not work, or that it did."""
        try:
            act()
        except Exception as error:
            gr.Warning(message_of(error))
        else:
            if done:
                gr.Info(done, duration=4)

    def _gone(self, alert_id: int) -> bool:
        try:
            self.desk.store.alert(alert_id)
        except NotFoundError:
            return True
        return False

    def _page(self, state: QueueState, user: User) -> AlertPage:
        try:
            curve = self.desk.cases.budgets_now() if state.within else None
            point = curve.at(state.budget) if curve is not None else None
            wanted = state.wanted(user.name, point.threshold if point is not None else 0.0)
            return self.desk.store.alerts(wanted, state.offset, PAGE_ROWS)
        except Exception as error:
            raise shown(error) from error

    def _list(self, state: QueueState, user: User) -> str:
        page = self._page(state, user)
        narrowed = state.narrowed or bool(sum(self.desk.store.counts().values()))
        return queue_list(page, state.selected, narrowed, user.name)

    def _everything(self, state: QueueState, user: User) -> tuple[Any, ...]:
        parts = self._strip(), self._bar(state, user), self._list(state, user)
        return (state.to_dict(), state.selected, *parts, *self._case(state.selected, user))

    def _strip(self) -> str:
        return figures_strip(queue_figures(self.desk.store.engine))

    def _bar(self, state: QueueState, user: User) -> str:
        store = self.desk.store
        return filter_bar(
            store.counts(),
            state,
            user=user.name,
            typologies=store.typologies(),
            saved=list(store.views.of(user.name)),
            curve=self.desk.cases.budgets_now(),
        )

    def _case(self, alert_id: int | None, user: User) -> tuple[str, str]:
        if alert_id is None:
            return show.empty_state("No alert opened", "Choose one from the list."), ""
        try:
            problem = self._completed(alert_id)
            case = self.desk.cases.read(alert_id, user)
        except NotFoundError as error:
            raise shown(error) from error
        entries = self.desk.store.ledger.entries_of(case.alert.transaction_id)
        accounts, missing = self._accounts(case)
        shown_with = CaseShown(case, entries, accounts, missing, user)
        if case.hidden:
            problem = "Your role sees no case notes."
        return case_page(case.alert, case.alert.precedents, problem, shown_with), decision_panel(case.alert, user)

    def _completed(self, alert_id: int) -> str:
        """Looks up precedents and typology where that was not done yet; why it cannot be done, if so."""
        try:
            self.desk.complete_record(alert_id)
        except NotFoundError:
            raise
        except Exception as error:
            # The alert itself stays workable without the index; its place on the page says what is wrong.
            log.warning("precedents of alert %s: %s", alert_id, error)
            return message_of(error)
        return ""

    def _accounts(self, case: CaseFile) -> tuple[Any, str]:
        try:
            return self.desk.cases.accounts(case.alert), ""
        except Exception as error:
            log.warning("accounts of alert %s: %s", case.alert.id, error)
            return None, message_of(error)
