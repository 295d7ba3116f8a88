"""Page Audit, for leads and auditors: who read and changed what, the latest first, with filters."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import gradio as gr

from app.access import user_of
from app.audit import AuditEntry, AuditFilter, AuditPage
from app.desk import Desk
from app.ui import format as show
from app.ui.events import sent, sent_number, sent_text, shown
from app.ui.panel import panel

_ROWS = 50
_PERIODS = {"day": ("Last 24 hours", 1), "week": ("Last 7 days", 7), "all": ("All", 0)}

_FILTER_JS = """
const send = () => { const f = element.querySelector('form'); if (f) trigger('filter', {
  who: f.who.value, action: f.action.value, subject: f.subject.value, period: f.period.value }); };
let wait;
const soon = (event) => { clearTimeout(wait); wait = setTimeout(send, event.target.type === 'search' ? 300 : 0); };
element.addEventListener('input', soon);
element.addEventListener('keydown', (event) => { if (event.key === 'Enter') { event.preventDefault(); send(); } });
"""
_LIST_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-before]');
  if (button) trigger('turn', { before: Number(button.dataset.before) });
});
"""


@dataclass(frozen=True)
class AuditView:
    """What one browser shows: filters, and the line before which the list starts (None: at the latest)."""

    who: str = ""
    action: str = ""
    subject: str = ""
    period: str = "week"
    before: int | None = None

    def wanted(self) -> AuditFilter:
        """The same for the trail."""
        days = _PERIODS[self.period][1]
        since = datetime.now(UTC) - timedelta(days=days) if days else None
        return AuditFilter(self.who, self.action, self.subject, since)


class AuditTrailPage:
    """Builds the page and answers its events."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def build(self, tab: gr.Tab) -> None:
        """Lays the page out and wires it; it fills when its tab is opened."""
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
        state = gr.State(AuditView())
        with gr.Column(elem_classes="fd-pane fd-wide"):
            bar = panel(elem_id="audit-filter", js_on_load=_FILTER_JS)
            listing = panel(elem_id="audit-list", js_on_load=_LIST_JS)
        tab.select(self.start, [state], [state, bar, listing], **quiet)
        bar.filter(self.filter, [state], [state, listing], **quiet)
        listing.turn(self.turn, [state], [state, listing], **quiet)

    def start(self, state: AuditView, request: gr.Request) -> tuple[AuditView, str, str]:
        """The page as it opens: the latest lines."""
        latest = replace(state, before=None)
        rows = self._list(latest, request)
        return latest, _filter_bar(latest, self.desk.store.trail.actions()), rows

    def filter(self, state: AuditView, event: gr.EventData, request: gr.Request) -> tuple[AuditView, str]:
        """Another user, action, subject or period."""
        period = sent_text(event, "period")
        changed = AuditView(
            who=sent_text(event, "who", 100).strip(),
            action=sent_text(event, "action", 50),
            subject=sent_text(event, "subject", 200).strip(),
            period=period if period in _PERIODS else state.period,
        )
        return changed, self._list(changed, request)

    def turn(self, state: AuditView, event: gr.EventData, request: gr.Request) -> tuple[AuditView, str]:
        """Older lines, or the latest again."""
        before = int(sent_number(event, "before")) if sent(event, "before") else None
        changed = replace(state, before=before)
        return changed, self._list(changed, request)

    def _list(self, view: AuditView, request: gr.Request) -> str:
        try:
            user_of(request).require("audit")
            page = self.desk.store.trail.entries(view.wanted(), view.before, _ROWS)
        except Exception as error:
            raise shown(error) from error
        return _listed(page, view)


def _filter_bar(view: AuditView, actions: list[str]) -> str:
    chosen = "".join(_option(name, name == view.action) for name in actions)
    periods = "".join(
        f"<label><input type='radio' name='period' value='{key}'{' checked' if key == view.period else ''}>"
        f"<span>{label}</span></label>"
        for key, (label, _) in _PERIODS.items()
    )
    return (
        "<form class='fd-filter' role='search' aria-label='Filter the audit trail' onsubmit='return false'>"
        f"<div class='fd-segments' role='radiogroup' aria-label='Period'>{periods}</div>"
        "<label class='fd-search'><span class='fd-hidden'>User</span><input type='search' name='who' maxlength='100' "
        f"placeholder='User' autocomplete='off' value='{show.text(view.who)}'></label>"
        f"<label class='fd-select'><span class='fd-hidden'>Action</span><select name='action'><option value=''>Every "
        f"action</option>{chosen}</select></label>"
        "<label class='fd-search'><span class='fd-hidden'>Subject</span><input type='search' name='subject' "
        f"maxlength='200' placeholder='Subject, such as alert 7' autocomplete='off' value='{show.text(view.subject)}'>"
        "</label></form>"
    )


def _option(action: str, chosen: bool) -> str:
    return f"<option value='{show.text(action)}'{' selected' if chosen else ''}>{show.plain_name(action)}</option>"


def _listed(page: AuditPage, view: AuditView) -> str:
    if not page.items:
        return show.empty_state("Nothing recorded", "No line of the audit trail fits these filters.")
    rows = "".join(_row(entry) for entry in page.items)
    latest = "" if view.before is None else "<button type='button' class='fd-button' data-before='0'>Latest</button>"
    older = "" if page.next_before is None else _older(page.next_before)
    return (
        "<div class='fd-table-box' tabindex='0' role='region' aria-label='Audit trail'><table class='fd-plain'>"
        "<caption class='fd-hidden'>The audit trail, the latest line first; times in UTC</caption>"
        "<thead><tr><th scope='col'>When (UTC)</th><th scope='col'>Who</th><th scope='col'>Action</th>"
        f"<th scope='col'>Subject</th><th scope='col'>Details</th></tr></thead><tbody>{rows}</tbody></table></div>"
        f"<nav class='fd-pager' aria-label='Pages'>{latest}{older}</nav>"
    )


def _older(before: int) -> str:
    return f"<button type='button' class='fd-button' data-before='{before}'>Older</button>"


def _row(entry: AuditEntry) -> str:
    details = {name: value for name, value in entry.detail.items() if name not in ("request", "address")}
    said = ", ".join(f"{show.plain_name(name).lower()} {show.text(_words(value))}" for name, value in details.items())
    source = " ".join(str(entry.detail.get(name, "")) for name in ("request", "address")).strip()
    return (
        f"<tr><td><time datetime='{entry.at:%Y-%m-%dT%H:%M:%SZ}'>{entry.at.day} {entry.at:%b %Y, %H:%M:%S}</time></td>"
        f"<td>{show.text(entry.who)}</td><td>{show.plain_name(entry.action)}</td><td>{show.text(entry.subject)}</td>"
        f"<td title='{show.text(source)}'>{said or show.NONE}</td></tr>"
    )


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
