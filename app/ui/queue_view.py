"""The queue's list, its filters and its pager as HTML."""

from app.records import DECIDED, NEEDS_INFORMATION, OPEN, AlertPage, AlertSummary
from app.ui import format as show
from app.ui.case_view import state_badge

VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "open": ("Open", (OPEN,)),
    "waiting": ("Waiting", (NEEDS_INFORMATION,)),
    "decided": ("Decided", DECIDED),
    "all": ("All", ()),
}


def filter_bar(counts: dict[str, int], view: str) -> str:
    """State, search and least score. `counts` are alerts by state."""
    choices = "".join(
        f"<label><input type='radio' name='view' value='{key}'{' checked' if key == view else ''}>"
        f"<span>{label}<em>{sum(counts[s] for s in states or counts):,}</em></span></label>"
        for key, (label, states) in VIEWS.items()
    )
    return (
        "<form class='fd-filter' role='search' onsubmit='return false'>"
        f"<div class='fd-segments' role='radiogroup' aria-label='State'>{choices}</div>"
        "<label class='fd-search'><span class='fd-hidden'>Search</span><input type='search' name='search' "
        "placeholder='Payment, payer or payee' maxlength='200' autocomplete='off'><kbd>/</kbd></label>"
        "<label class='fd-least'><span>Score from</span><input type='range' name='least' min='0' max='1' step='0.05' "
        "value='0' aria-label='Least score'><output>0.00</output></label></form>"
    )


def queue_list(page: AlertPage, selected: int | None, narrowed: bool) -> str:
    """The alerts of one page, by expected loss, and the pager."""
    if not page.total:
        if narrowed:
            return show.empty_state("No alert fits", "Clear the search, lower the least score, or show another state.")
        return show.empty_state(
            "The queue is empty", "Alerts come from scoring the last days of transactions.", "frauddesk up"
        )
    rows = "".join(_row(item, item.id == selected) for item in page.items)
    return (
        "<div class='fd-table-box'><table class='fd-queue'><caption class='fd-hidden'>Alerts by expected loss</caption>"
        "<thead><tr><th scope='col' class='fd-num'>Score</th><th scope='col'>Payment</th><th scope='col' "
        "class='fd-num fd-roomy'>Amount</th><th scope='col' class='fd-num' aria-sort='descending'>Expected "
        "loss</th></tr>"
        "</thead>"
        f"<tbody>{rows}</tbody></table></div>{_pager(page)}"
    )


def _row(item: AlertSummary, selected: bool) -> str:
    state = "" if item.state == OPEN else state_badge(item.state)
    return (
        f"<tr data-id='{item.id}' tabindex='0' aria-selected='{'true' if selected else 'false'}'>"
        f"<td class='fd-num'><span class='fd-mini'><b style='width:{item.probability * 100:.0f}%'></b></span>"
        f"<span class='fd-score-text'>{show.score(item.probability)}</span></td>"
        f"<td class='fd-what'><span class='fd-flow'><span class='fd-id'>{show.text(item.payer)}</span><span "
        f"class='fd-arrow' aria-label='pays'>→</span><span class='fd-id'>{show.text(item.payee)}</span>{state}</span>"
        f"<span class='fd-sub'><time>{show.moment(item.event_time)}</time>"
        f"<span class='fd-headline'>{show.sentence(item.headline)}</span></span></td>"
        f"<td class='fd-num fd-roomy'>{show.money(item.amount, item.currency)}</td>"
        f"<td class='fd-num'><span class='fd-strong'>{show.whole_money(item.expected_loss, item.currency)}</span>"
        f"<span class='fd-sub fd-tight'>of {show.money(item.amount, item.currency)}</span></td></tr>"
    )


def _pager(page: AlertPage) -> str:
    first, last = page.offset + 1, page.offset + len(page.items)
    back = "" if page.offset else " disabled"
    on = "" if last < page.total else " disabled"
    return (
        f"<nav class='fd-pager' aria-label='Pages'><span>{first:,}–{last:,} of {page.total:,}</span>"
        f"<button type='button' class='fd-button' data-page='-1'{back} aria-label='Previous page'>‹</button>"
        f"<button type='button' class='fd-button' data-page='1'{on} aria-label='Next page'>›</button></nav>"
    )
