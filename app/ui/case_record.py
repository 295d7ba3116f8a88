"""Parts of a case that tell of its record: likely typology, why a precedent is near, narrative, chain."""

import re
from collections.abc import Sequence
from math import log

from app.cases import CaseFile
from app.ledger import Entry
from app.narratives import draft, references
from app.precedents import story_of
from app.records import Alert, Precedent, Scored, Typology
from app.ui import format as show

_WORD = re.compile(r"[a-z]{5,}")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "about above account after again amount before between could customer during earlier every first later other "
        "payee payees payer payers payment payments should since their there these those times total under until where "
        "which while would ",
    )
)
_SIMILAR_AMOUNT = 1.6
_KINDS = {
    "alert": "alert raised",
    "found": "precedents frozen",
    "claim": "claimed",
    "release": "released",
    "decision": "decision",
    "undo": "decision taken back",
    "narrative": "narrative signed",
}


def typology_block(likely: Typology | None, waiting: bool) -> str:
    """The typology that the payment looks most like, with the guide's passage.

    Args:
        likely: The typology, or None.
        waiting: Whether it is still being looked up.
    """
    if likely is None:
        told = "Being looked up; open the case again in a moment." if waiting else "No typology guide is indexed."
        return f"<section><h3>Likely typology</h3><p class='fd-none'>{told}</p></section>"
    return (
        f"<section class='fd-typology'><h3>Likely typology</h3><p><strong>{show.plain_name(likely.name)}</strong> "
        f"<span class='fd-tag'>{likely.share:.0%} of the evidence</span></p>"
        f"<p class='fd-soft'>{show.sentence(likely.why)}.</p>"
        f"<blockquote>{show.quotation(likely.quote)}</blockquote>"
        f"<p class='fd-soft'>From the guide <b>{show.text(likely.title)}</b> "
        f"<span class='fd-id'>{show.text(likely.document_id)}</span></p></section>"
    )


def nearness(case: Alert | Scored, item: Precedent) -> str:
    """Why a closed case is near a payment, in words; plain text."""
    reasons = []
    for account in item.shared_accounts:
        role = "payer" if account == case.payer else "payee"
        reasons.append(f"it names the same {role}")
    likely = case.likely.name if isinstance(case, Alert) and case.likely is not None else ""
    if item.typology and item.typology not in ("", "none") and item.typology == likely:
        reasons.append(f"it was {show.plain_name(item.typology).lower()}, which this looks like")
    if item.amount and case.amount > 0 and abs(log(item.amount / case.amount)) <= log(_SIMILAR_AMOUNT):
        reasons.append("its amount is similar")
    common = _shared_words(story_of(case), f"{item.title} {item.quote}")
    if common:
        reasons.append(f"its text also speaks of {_listed(common)}")
    if not reasons:
        reasons.append("its text is the nearest to the reasons, as a whole")
    return "; ".join(reasons)


def narrative_block(case: CaseFile, may_sign: bool) -> str:
    """The signed narrative, or the draft to edit and sign; each sentence cites the record."""
    alert, signed = case.alert, case.signed
    if case.hidden:
        return ""
    known = "".join(f"<div><dt>{name}</dt><dd>{show.text(text)}</dd></div>" for name, text in references(alert).items())
    stands = (
        f"<p class='fd-soft'>Signed by <b>{show.text(signed.signed_by)}</b>, {show.moment(signed.signed_at)} UTC</p>"
        if signed is not None
        else "<p class='fd-soft'>A draft from the record, which each sentence cites. Edit it, and sign what you stand "
        "for.</p>"
    )
    text = signed.text if signed is not None else draft(alert)
    form = (
        f"<form class='fd-narrative' data-alert='{alert.id}' data-fresh='{'' if signed is not None else '1'}'>"
        f"<textarea name='text' rows='9' maxlength='20000' aria-label='Narrative'>{show.text(text)}</textarea>"
        "<div class='fd-decide-end'><button type='button' class='fd-button' data-do='redraft' "
        f'data-draft="{show.text(draft(alert))}">Draft again</button>'
        f"<button type='submit' class='fd-button fd-primary'>Sign{' again' if signed is not None else ''}</button>"
        "</div></form>"
        if may_sign
        else f"<p class='fd-told'>{show.text(text)}</p>"
    )
    opened = " open" if signed is not None else ""
    return (
        f"<details class='fd-columns fd-telling'{opened}>"
        f"<summary>Narrative{'' if signed is None else ' (signed)'}</summary>"
        f"{stands}{form}<details class='fd-columns'><summary>What the references stand for</summary>"
        f"<dl class='fd-references'>{known}</dl></details></details>"
    )


def chain_line(case: CaseFile, entries: Sequence[Entry]) -> str:
    """Whether the record still is what was sealed, and its entries."""
    alert, broken = case.alert, case.chain.broken
    if broken is None:
        head = entries[-1].hash if entries else ""
        told = (
            f"<span class='fd-sealed'><i aria-hidden='true'>✓</i> Record intact</span> {case.chain.entries} entries, "
            f"last hash <span class='fd-id'>{head[:12]}…</span>"
        )
    else:
        told = (
            "<span class='fd-unsealed'><i aria-hidden='true'>▲</i> Record changed</span> "
            f"{show.text(broken.problem)}; <code>frauddesk records verify</code> says where"
        )
    rows = "".join(
        f"<li><span class='fd-soft'>{item.id}</span> {show.text(_KINDS.get(item.kind, item.kind))} "
        f"<span class='fd-soft'>{show.moment(item.at)} UTC{f', {show.text(item.who)}' if item.who else ''}</span> "
        f"<span class='fd-id'>{item.hash[:16]}…</span></li>"
        for item in entries
    )
    note = f" Case note <span class='fd-id'>{show.text(case.note_id)}</span>." if case.note_id else ""
    return (
        f"<div class='fd-soft fd-record'><p>Alert {alert.id}, raised {show.moment(alert.created_at)} UTC by model "
        f"version {show.text(alert.model_version)}, threshold {show.score(alert.threshold)}. Score, reasons and cases "
        f"stand as they were then.{note}</p>"
        f"<details class='fd-chain'><summary>{told}</summary><ol>{rows}</ol></details></div>"
    )


def _shared_words(one: str, other: str) -> list[str]:
    words = set(_WORD.findall(one.lower())) & set(_WORD.findall(other.lower()))
    return sorted(words - _COMMON, key=lambda word: one.lower().index(word))[:3]


def _listed(words: Sequence[str]) -> str:
    quoted = [f"“{word}”" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
