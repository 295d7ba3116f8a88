"""One payment on the page: amount, score against threshold, reasons as signed bars, nearest closed cases."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.access import User
from app.case_accounts import Network, Timeline
from app.cases import CaseFile
from app.ledger import Entry
from app.records import STATES, UNDECIDED, Alert, Precedent, ReasonRecord, Scored
from app.ui import format as show
from app.ui.case_record import chain_line, narrative_block, nearness, typology_block
from app.ui.network import network_svg
from app.ui.timeline import timeline_svg


@dataclass(frozen=True)
class CaseShown:
    """What the page shows beside the alert itself.

    Attributes:
        case: The case as this user may see it.
        entries: Its entries in the chain of records.
        accounts: Timelines and linked accounts; None where they cannot be had.
        accounts_problem: Why they cannot, in one sentence.
        user: Who looks at it.
    """

    case: CaseFile
    entries: Sequence[Entry]
    accounts: tuple[tuple[Timeline, Timeline], Network] | None
    accounts_problem: str
    user: User


def case_page(
    alert: Alert, precedents: Sequence[Precedent] | None, problem: str = "", shown: CaseShown | None = None
) -> str:
    """An opened alert.

    Args:
        alert: The alert.
        precedents: The nearest closed cases; None where they could not be looked up.
        problem: Why they could not, in one sentence.
        shown: What else there is to show.
    """
    kind = alert.transaction.get("type")
    tag = f"<span class='fd-tag'>{show.plain_name(str(kind).lower())}</span>" if kind else ""
    record = "" if shown is None else chain_line(shown.case, shown.entries)
    narrative = "" if shown is None else narrative_block(shown.case, shown.user.may("decide"))
    return (
        f"<article class='fd-case' data-alert='{alert.id}' aria-label='Alert {alert.id}'>"
        f"<header class='fd-case-head'><div><h2>{show.money(alert.amount, alert.currency)}</h2>"
        f"<p class='fd-flow'><span class='fd-id'>{show.text(alert.payer)}</span>"
        f"<span class='fd-arrow' aria-label='pays'>→</span><span class='fd-id'>{show.text(alert.payee)}</span></p>"
        f"<p class='fd-soft'>{show.moment(alert.event_time)} UTC · <span class='fd-id'>"
        f"{show.text(alert.transaction_id)}</span></p></div>"
        f"<div class='fd-case-tags'>{tag}{state_badge(alert.state)}{'' if shown is None else _work(alert, shown)}</div>"
        f"</header>{score_block(alert)}{reasons_block(alert.reasons)}"
        f"{precedents_block(precedents, problem, alert)}"
        f"{typology_block(alert.likely, precedents is None and not problem)}"
        f"{'' if shown is None else _accounts_block(alert, shown)}{narrative}"
        f"{columns_block(alert.transaction)}{record}</article>"
    )


def _work(alert: Alert, shown: CaseShown) -> str:
    """Who has the alert, and what one can do with it."""
    parts = []
    user, owner = shown.user, alert.owner
    if owner is not None:
        who = "you" if owner == user.name else show.text(owner)
        parts.append(f"<span class='fd-owner' title='since {show.moment(alert.claimed_at)} UTC'>{who}</span>")
    if user.may("decide") and alert.state in UNDECIDED:
        if owner is None:
            parts.append("<button type='button' class='fd-button' data-do='claim'>Claim <kbd>c</kbd></button>")
        elif owner == user.name or user.role in ("", "lead"):
            parts.append("<button type='button' class='fd-button' data-do='release'>Release <kbd>r</kbd></button>")
    if not shown.case.hidden:
        address = f"/api/alerts/{alert.id}/pack?format="
        parts.append(
            f"<span class='fd-links'>Case pack <a href='{address}pdf' download>PDF</a> <a href='{address}md' download>"
            "Markdown</a></span>"
        )
    return "".join(parts)


def _accounts_block(alert: Alert, shown: CaseShown) -> str:
    if shown.accounts is None:
        note = f"<p class='fd-note'>{show.text(shown.accounts_problem)}</p>" if shown.accounts_problem else ""
        return f"<section><h3>Payer and payee before this payment</h3>{note}</section>" if note else ""
    (payer, payee), web = shown.accounts
    return (
        "<section class='fd-past'><h3>Payer and payee before this payment</h3>"
        f"{timeline_svg(payer, alert)}{timeline_svg(payee, alert)}"
        "<p class='fd-key-line'><span class='fd-key'><i class='fd-key-circle' aria-hidden='true'></i>payment</span>"
        "<span class='fd-key'><i class='fd-key-ring' aria-hidden='true'></i>between these two</span>"
        "<span class='fd-key'><i class='fd-key-diamond' aria-hidden='true'></i>this payment</span>"
        "<span class='fd-soft'>Amounts on a scale of powers of ten.</span></p></section>"
        f"<section class='fd-past'><h3>Linked accounts</h3>{network_svg(web, alert)}</section>"
    )


def scored_page(scored: Scored, precedents: Sequence[Precedent] | None, problem: str = "") -> str:
    """A payment just scored, which is no alert of the queue."""
    verdict = "Would raise an alert" if scored.alert else "Below the threshold: no alert"
    mark = "fd-state-confirmed_fraud" if scored.alert else "fd-state-legitimate"
    glyph = "▲" if scored.alert else "✓"
    return (
        f"<article class='fd-case'><header class='fd-case-head'><div><h2>{show.money(scored.amount, scored.currency)}"
        f"</h2><p class='fd-flow'><span class='fd-id'>{show.text(scored.payer)}</span><span class='fd-arrow' "
        f"aria-label='pays'>→</span><span class='fd-id'>{show.text(scored.payee)}</span></p>"
        f"<p class='fd-soft'>{show.moment(scored.event_time)} UTC</p></div><div class='fd-case-tags'>"
        f"<span class='fd-state {mark}'><i aria-hidden='true'>{glyph}</i>{verdict}</span></div></header>"
        f"{score_block(scored)}{reasons_block(scored.reasons)}{precedents_block(precedents, problem)}</article>"
    )


def state_badge(state: str, label: str = "") -> str:
    """An alert's state; glyph and word tell it, colour only helps."""
    glyphs = {"open": "○", "needs_information": "…", "confirmed_fraud": "▲", "legitimate": "✓", "inconclusive": "?"}
    label = label or STATES.get(state, state)
    return (
        f"<span class='fd-state fd-state-{show.text(state)}'><i aria-hidden='true'>{glyphs.get(state, '•')}</i>"
        f"{show.text(label)}</span>"
    )


def score_block(case: Alert | Scored) -> str:
    """The score on a line from 0 to 1 with the threshold marked, and the figures beside it."""
    value, threshold = case.probability, case.threshold
    over = "fd-over" if value >= threshold else "fd-under"
    spoken = f"Score {show.score(value)}, threshold {show.score(threshold)}"
    return (
        f"<section class='fd-score {over}'><div class='fd-gauge' role='img' aria-label='{spoken}'>"
        f"<span class='fd-gauge-fill' style='width:{value * 100:.1f}%'></span>"
        f"<span class='fd-gauge-mark' style='left:{threshold * 100:.1f}%'></span></div>"
        "<dl class='fd-figures'>"
        f"<div><dt>Score</dt><dd class='fd-big'>{show.score(value)}</dd></div>"
        f"<div><dt>Threshold</dt><dd>{show.score(threshold)}</dd></div>"
        f"<div><dt>Expected loss</dt><dd>{show.whole_money(case.expected_loss, case.currency)}</dd></div>"
        f"<div><dt>Model</dt><dd>version {show.text(case.model_version)}</dd></div></dl></section>"
    )


def reasons_block(reasons: Sequence[ReasonRecord], title: str = "Why this score") -> str:
    """Contributions as bars to the right (raise) and left (lower) of a middle line, strongest first."""
    if not reasons:
        return ""
    largest = max(abs(reason.effect) for reason in reasons) or 1.0
    rows = "".join(_reason_row(reason, largest) for reason in reasons)
    return (
        f"<section class='fd-reasons'><h3>{show.text(title)}</h3>"
        "<div class='fd-legend' aria-hidden='true'><span>▼ lowers</span><span>raises ▲</span></div>"
        f"<ul>{rows}</ul></section>"
    )


def _reason_row(reason: ReasonRecord, largest: float) -> str:
    raises = reason.effect > 0
    width = abs(reason.effect) / largest * 50
    side = "fd-raises" if raises else "fd-lowers"
    verb, glyph = ("raises", "▲") if raises else ("lowers", "▼")
    return (
        f"<li class='{side}' title='{show.text(reason.feature)} = {show.cell(reason.value)}'>"
        f"<span class='fd-reason-text'>{show.sentence(reason.text)}</span>"
        f"<span class='fd-bar' aria-hidden='true'><b style='width:{width:.1f}%'></b></span>"
        f"<span class='fd-effect'><i aria-hidden='true'>{glyph}</i>{show.effect(reason.effect)}"
        f"<span class='fd-hidden'> {verb} the score</span></span></li>"
    )


def precedents_block(
    precedents: Sequence[Precedent] | None, problem: str = "", case: Alert | Scored | None = None
) -> str:
    """The nearest cases that were closed before, with how they ended and why they are near."""
    if precedents is None:
        inner = f"<p class='fd-note'>{show.text(problem or 'Closed cases could not be looked up.')}</p>"
    elif not precedents:
        inner = "<p class='fd-none'>No case closed before is near it.</p>"
    else:
        inner = f"<ol class='fd-precedents'>{''.join(_precedent(item, case) for item in precedents)}</ol>"
    return f"<section><h3>Nearest closed cases</h3>{inner}</section>"


def _precedent(item: Precedent, case: Alert | Scored | None) -> str:
    shared = "".join(
        f"<span class='fd-tag fd-tag-strong'>same account {show.text(a)}</span>" for a in item.shared_accounts
    )
    typology = (
        f"<span class='fd-tag'>{show.plain_name(item.typology)}</span>" if item.typology not in ("", "none") else ""
    )
    amount = f" · {show.money(item.amount, item.currency)}" if item.amount is not None else ""
    near = "" if case is None else f"<p class='fd-near'>Near because {show.text(nearness(case, item))}.</p>"
    return (
        f"<li><div class='fd-precedent-head'>{state_badge(item.outcome)}<strong>{show.text(item.title)}</strong></div>"
        f"<blockquote>{show.quotation(item.quote)}</blockquote>{near}<p class='fd-soft'><span class='fd-id'>"
        f"{show.text(item.case_id)}</span> · closed {show.day(item.closed)}{amount} · similarity "
        f"{item.similarity:.2f} {typology}{shared}</p></li>"
    )


def columns_block(transaction: dict[str, object]) -> str:
    """Every column of the payment as it came."""
    rows = "".join(
        f"<div><dt>{show.text(name)}</dt><dd>{show.cell(value)}</dd></div>" for name, value in transaction.items()
    )
    return f"<details class='fd-columns'><summary>All columns of the payment</summary><dl>{rows}</dl></details>"
