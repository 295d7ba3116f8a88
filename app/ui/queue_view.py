"""The queue's figures, budget, filters, list and pager as HTML."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from app.budget import BudgetCurve, BudgetPoint, Figure
from app.queue_figures import OLDEST, QueueFigures
from app.records import OPEN, UNDECIDED, AlertPage, AlertSummary
from app.ui import format as show
from app.ui.case_view import state_badge
from app.ui.queue_state import AGES, OWNERS, VIEWS, QueueState

_KEYS = (
    ("j k", "next and previous alert"),
    ("n", "next alert to decide"),
    ("c r", "claim, release"),
    ("1 – 4", "fraud, legitimate, needs info, inconclusive; then 1 – 9 for the reason"),
    ("m", "write a note"),
    ("Enter", "record the decision"),
    ("u", "undo the decision"),
    ("Esc", "leave a field; clear the decision"),
    ("/", "search"),
    ("?", "this help"),
)


def figures_strip(figures: QueueFigures) -> str:
    """What is open and for how long, and how the decided ones ended."""
    old = figures.by_age[OLDEST]
    oldest = f"<b>{old:,}</b> over 3 days" if old else "none over 3 days"
    if figures.precision is None or figures.precision_low is None or figures.precision_high is None:
        ended = "none decided yet"
    else:
        ended = (
            f"<b>{figures.precision:.0%}</b> of {figures.decided:,} decided were fraud "
            f"<span class='fd-soft'>({figures.precision_low:.0%}–{figures.precision_high:.0%})</span>"
        )
    parts = [
        f"<b>{figures.open:,}</b> to work",
        f"<b>{figures.claimed:,}</b> claimed",
        oldest,
        f"<b>{figures.decided_today:,}</b> decided today",
        ended,
    ]
    return (
        f"<p class='fd-strip' aria-label='Figures of the queue'>{''.join(f'<span>{part}</span>' for part in parts)}</p>"
    )


def filter_bar(
    counts: dict[str, int],
    state: QueueState,
    *,
    user: str,
    typologies: Iterable[str],
    saved: Sequence[str],
    curve: BudgetCurve | None,
) -> str:
    """State, search, budget and further filters.

    Args:
        counts: Alerts by state.
        state: What is shown.
        user: Who looks.
        typologies: Names of the typologies that alerts have.
        saved: Names of the user's saved views.
        curve: What each budget finds; None while it is measured.
    """
    choices = "".join(
        f"<label><input type='radio' name='view' value='{key}'{' checked' if key == state.view else ''}>"
        f"<span>{label}<em>{sum(counts[s] for s in states or counts):,}</em></span></label>"
        for key, (label, states) in VIEWS.items()
    )
    return (
        f"<form class='fd-filter' role='search' onsubmit='return false' data-user='{show.text(user)}'>"
        f"{_budget(state, curve)}"
        f"<div class='fd-segments' role='radiogroup' aria-label='State'>{choices}</div>"
        "<label class='fd-search'><span class='fd-hidden'>Search</span><input type='search' name='search' "
        f"placeholder='Payment, payer or payee' maxlength='200' autocomplete='off' value='{show.text(state.search)}'>"
        f"<kbd>/</kbd></label>{_more(state, typologies, saved)}</form>{_help()}"
    )


def _budget(state: QueueState, curve: BudgetCurve | None) -> str:
    point = curve.at(state.budget) if curve is not None else None
    told = _shown(point, curve) if point is not None and curve is not None else {}
    points = (
        [{"alerts": each.alerts_per_day, "shown": _shown(each, curve)} for each in curve.points]
        if curve is not None
        else []
    )
    if curve is None:
        about = "The figures of each budget are being measured."
    elif not curve.points:
        about = "There was no fraud on the days that the model was validated on: nothing can be told of budgets."
    else:
        about = (
            f"Measured on {curve.payments:,} payments with {curve.frauds:,} frauds, {show.day(curve.first)} to "
            f"{show.day(curve.last)}: the days that version {show.text(curve.model_version)} was validated on, and "
            "its own threshold chosen on. In brackets 95% intervals."
        )
    figures = "".join(
        f"<div><dt>{label}</dt><dd data-figure='{name}'>{told.get(name, show.NONE)}</dd></div>"
        for name, label in (
            ("threshold", "Threshold"),
            ("precision", "Precision"),
            ("recall", "Recall"),
            ("value", "Fraud found a day"),
        )
    )
    return (
        f"<details class='fd-budget' data-curve='{show.text(json.dumps(points))}'"
        f"{' data-waits' if curve is None else ''}{' open' if state.budget_open else ''}><summary>Alert budget "
        f"<b><span data-total>{state.budget}</span> a day</b><span class='fd-soft'>precision "
        f"<span data-figure='precision'>{told.get('precision', show.NONE)}</span></span></summary>"
        f"<div class='fd-budget-body'>{_slider('analysts', 'Analysts', state.analysts, 1, 20)}"
        f"{_slider('each', 'Alerts each a day', state.each, 1, 100)}"
        f"<label class='fd-check'><input type='checkbox' name='within'{' checked' if state.within else ''}>"
        "<span>Only alerts within the budget</span></label>"
        f"<dl class='fd-figures' aria-live='polite'>{figures}</dl><p class='fd-soft'>{about}</p></div></details>"
    )


def _slider(name: str, label: str, value: int, low: int, high: int) -> str:
    return (
        f"<label class='fd-least'><span>{label}</span><input type='range' name='{name}' min='{low}' max='{high}' "
        f"value='{min(max(value, low), high)}'><output data-of='{name}'>{value}</output></label>"
    )


def _shown(point: BudgetPoint, curve: BudgetCurve | None) -> dict[str, str]:
    """A point's figures as plain text."""
    currency = curve.currency if curve is not None else ""

    def share(figure: Figure) -> str:
        return f"{figure.value:.1%} ({figure.low:.1%}–{figure.high:.1%})"

    value = point.value
    return {
        "threshold": f"{point.threshold:.3f}",
        "precision": share(point.precision),
        "recall": share(point.recall),
        "value": f"{currency} {value.value:,.0f} ({value.low:,.0f}–{value.high:,.0f})",
    }


def _more(state: QueueState, typologies: Iterable[str], saved: Sequence[str]) -> str:
    kinds = [("", "Any typology"), *((name, show.plain_name(name)) for name in typologies)]
    owners = list(OWNERS.items())
    if state.owner and state.owner not in OWNERS:
        owners.append((state.owner, state.owner))
    ages = [(key, label) for key, (label, _, _) in AGES.items()]
    views = [("", "Saved views"), *((name, name) for name in saved)]
    set_filters = sum(
        (
            state.least > 0,
            state.most < 1,
            state.min_amount is not None,
            state.max_amount is not None,
            bool(state.typology),
            bool(state.owner),
            bool(state.age),
        )
    )
    tally = f" <b>{set_filters}</b>" if set_filters else ""
    return (
        f"<details class='fd-more'{' open' if state.wide else ''}><summary class='fd-button'>Filters{tally}</summary>"
        "<div class='fd-more-body'>"
        f"<span class='fd-pair'><label class='fd-least'><span>Score from</span>"
        "<input type='range' name='least' min='0' max='1' step='0.01' "
        f"value='{state.least}'><output data-of='least' data-digits='2'>{state.least:.2f}</output></label>"
        f"<label class='fd-least'><span>to</span><input type='range' name='most' min='0' max='1' step='0.01' "
        f"value='{state.most}'><output data-of='most' data-digits='2'>{state.most:.2f}</output></label></span>"
        f"<span class='fd-pair'>{_amount('min_amount', 'Amount from', state.min_amount)}"
        f"{_amount('max_amount', 'to', state.max_amount)}</span>"
        f"{_select('typology', 'Typology', kinds, state.typology)}{_select('owner', 'Owner', owners, state.owner)}"
        f"{_select('age', 'Age', ages, state.age)}"
        "<button type='button' class='fd-button' data-do='clear'>Clear</button><hr>"
        f"{_select('saved', 'Saved views', views, '')}"
        "<button type='button' class='fd-button' data-do='forget'>Forget it</button>"
        "<label class='fd-field'><span>Name</span><input type='text' name='view_name' maxlength='60' "
        "autocomplete='off'></label><button type='button' class='fd-button' data-do='save'>Save view</button></div>"
        "</details><span class='fd-filter-end'><a class='fd-button' data-export href='/api/alerts/export.csv' "
        "download>CSV</a><button type='button' class='fd-button' data-do='help' aria-label='Keys'>Keys <kbd>?</kbd>"
        "</button></span>"
    )


def _select(name: str, label: str, options: Iterable[tuple[str, str]], chosen: str) -> str:
    inner = "".join(
        f"<option value='{show.text(value)}'{' selected' if value == chosen else ''}>{show.text(text)}</option>"
        for value, text in options
    )
    return f"<label class='fd-field'><span>{label}</span><select name='{name}'>{inner}</select></label>"


def _amount(name: str, label: str, value: float | None) -> str:
    shown = "" if value is None else f"{value:g}"
    return (
        f"<label class='fd-field'><span>{label}</span><input type='number' name='{name}' min='0' step='any' "
        f"value='{shown}' inputmode='decimal'></label>"
    )


def _help() -> str:
    rows = "".join(
        f"<div><dt>{''.join(f'<kbd>{key}</kbd>' for key in keys.split(' '))}</dt><dd>{what}</dd></div>"
        for keys, what in _KEYS
    )
    return (
        "<dialog class='fd-help-box' aria-label='Keys'><h2>Keys</h2>"
        f"<dl>{rows}</dl><button type='button' class='fd-button fd-primary' data-do='close'>Close</button></dialog>"
    )


def queue_list(
    page: AlertPage, selected: int | None, narrowed: bool, user: str = "", now: datetime | None = None
) -> str:
    """The alerts of one page, by expected loss, and the pager."""
    if not page.total:
        if narrowed:
            return show.empty_state("No alert fits", "Clear the search or the filters, or show another state.")
        return show.empty_state(
            "The queue is empty", "Alerts come from scoring the last days of transactions.", "frauddesk up"
        )
    at = now or datetime.now(UTC)
    rows = "".join(_row(item, item.id == selected, user, at) for item in page.items)
    return (
        "<div class='fd-table-box' tabindex='0' role='region' aria-label='Alerts'><table class='fd-queue'>"
        "<caption class='fd-hidden'>Alerts by expected loss</caption>"
        "<thead><tr><th scope='col' class='fd-num'>Score</th><th scope='col'>Payment</th><th scope='col' "
        "class='fd-num fd-roomy'>Amount</th><th scope='col' "
        "class='fd-num' aria-sort='descending'>Expected loss</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{_pager(page)}"
    )


def age_of(item: AlertSummary, now: datetime) -> tuple[str, str]:
    """Time since an alert was raised, as its class (young, day, old) and in words."""
    hours = max((now - item.created_at).total_seconds() / 3_600, 0.0)
    kind = "young" if hours < 24 else "day" if hours < 72 else "old"
    if hours < 1:
        return kind, f"{int(hours * 60)} min old"
    return kind, f"{int(hours)} h old" if hours < 48 else f"{int(hours / 24)} days old"


def _row(item: AlertSummary, selected: bool, user: str, now: datetime) -> str:
    state = "" if item.state == OPEN else state_badge(item.state)
    owner = ""
    if item.owner is not None and item.state in UNDECIDED:
        mine = item.owner == user
        owner = (
            f"<span class='fd-owner{' fd-mine' if mine else ''}' title='Claimed'>"
            f"{'you' if mine else show.text(item.owner)}</span>"
        )
    kind, age = age_of(item, now)
    waiting = (
        f"<span class='fd-age fd-age-{kind}' title='Raised {show.moment(item.created_at)} UTC'>"
        f"{'<i aria-hidden=true>▲</i>' if kind == 'old' else ''}{age}</span>"
        if item.state in UNDECIDED
        else ""
    )
    kind_shown = f"<span class='fd-kind'>{show.plain_name(item.typology)}</span>" if item.typology else ""
    return (
        f"<tr data-id='{item.id}' tabindex='0' aria-selected='{'true' if selected else 'false'}'>"
        f"<td class='fd-num'><span class='fd-mini'><b style='width:{item.probability * 100:.0f}%'></b></span>"
        f"<span class='fd-score-text'>{show.score(item.probability)}</span></td>"
        f"<td class='fd-what'><span class='fd-flow'><span class='fd-id'>{show.text(item.payer)}</span><span "
        f"class='fd-arrow' aria-label='pays'>→</span><span class='fd-id'>{show.text(item.payee)}</span>"
        f"{state}{owner}{kind_shown}</span>"
        f"<span class='fd-sub'>{waiting}<time>{show.moment(item.event_time)}</time>"
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
