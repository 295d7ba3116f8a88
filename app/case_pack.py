"""The case pack: everything the record holds about one alert, for a file, a court or a regulator.

    pack = case_pack(alert, entries, report, signed)
    to_markdown(pack)
    to_pdf(pack)

Each part carries the reference by which the narrative cites it. What people or payments brought in is shown as plain
text, never as markup.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from app.case_notes import one_line, outcome_words, payment_line
from app.ledger import Entry
from app.ledger_check import ChainReport
from app.narratives import Signed, draft, references
from app.records import REASON_CODES, STATES, Alert

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~])")


@dataclass(frozen=True)
class Part:
    """One part of a pack.

    Attributes:
        title: Its heading.
        text: Paragraphs.
        header: Heading of each column of its table; empty for none.
        rows: Rows of the table, as many cells as columns.
        widths: Width of each column as a share of the page.
    """

    title: str
    text: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    widths: tuple[float, ...] = ()


@dataclass(frozen=True)
class CasePack:
    """A pack: its title, one line below it, and its parts."""

    title: str
    subtitle: str
    parts: tuple[Part, ...]


def case_pack(
    alert: Alert, entries: Sequence[Entry], report: ChainReport, signed: Signed | None, now: datetime | None = None
) -> CasePack:
    """Puts a pack together.

    Args:
        alert: The alert with its frozen record.
        entries: Its entries in the chain of records.
        report: The check of these entries.
        signed: The narrative signed last; the draft stands in its place where there is none.
        now: When the pack is made.
    """
    made = now or datetime.now(UTC)
    parts = [
        _payment(alert),
        _score(alert),
        _reasons(alert),
        _precedents(alert),
        _decisions(alert),
        _narrative(alert, signed),
        _references(alert),
        _features(alert),
        _chain(entries, report),
    ]
    return CasePack(
        f"Case pack: alert {alert.id}",
        f"{one_line(payment_line(alert))} State: {STATES.get(alert.state, alert.state).lower()}. "
        f"Made on {made:%d %b %Y %H:%M} UTC.",
        tuple(part for part in parts if part.text or part.rows),
    )


def to_markdown(pack: CasePack) -> str:
    """The pack as Markdown; every special character of the contents is escaped."""
    lines = [f"# {_plain(pack.title)}", "", _plain(pack.subtitle), ""]
    for part in pack.parts:
        lines += [f"## {_plain(part.title)}", ""]
        for paragraph in part.text:
            lines += [*(_plain(line) for line in paragraph.split("\n")), ""]
        if part.rows:
            lines.append(f"| {' | '.join(_plain(cell) for cell in part.header)} |")
            lines.append(f"|{'|'.join('---' for _ in part.header)}|")
            lines += [f"| {' | '.join(_plain(one_line(cell)) for cell in row)} |" for row in part.rows]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", escape(text, quote=False))


def _payment(alert: Alert) -> Part:
    rows = [
        ("Transaction", alert.transaction_id),
        ("Time", f"{alert.event_time:%d %b %Y %H:%M:%S} UTC"),
        ("Payer", alert.payer),
        ("Payee", alert.payee),
        ("Amount", f"{alert.currency} {alert.amount:,.2f}"),
        *((name, _cell(value)) for name, value in alert.transaction.items()),
    ]
    return _table("Payment [F1]", ("What", "Value"), rows, (0.3, 0.7))


def _score(alert: Alert) -> Part:
    rows = [
        ("Score", f"{alert.probability:.4f}"),
        ("Threshold", f"{alert.threshold:.4f}"),
        ("Model version", alert.model_version),
        ("Expected loss", f"{alert.currency} {alert.expected_loss:,.2f}"),
        ("Raised", f"{alert.created_at:%d %b %Y %H:%M:%S} UTC"),
        ("Owner", alert.owner or "nobody"),
    ]
    return _table("Score and model [S1, S2]", ("What", "Value"), rows, (0.3, 0.7))


def _reasons(alert: Alert) -> Part:
    rows = [
        (f"R{number}", reason.text, "raises" if reason.effect > 0 else "lowers", f"{reason.effect:+.3f}")
        for number, reason in enumerate(alert.reasons, 1)
    ]
    note = "Contributions to the score in log-odds, as they stood when the alert was raised."
    return _table("Reasons", ("Ref", "Reason", "Effect", "Size"), rows, (0.08, 0.64, 0.14, 0.14), note)


def _precedents(alert: Alert) -> Part:
    if alert.precedents is None:
        return Part("Nearest closed cases", ("They were not looked up yet.",))
    rows = [
        (
            f"P{number}",
            f"{item.case_id}: {item.title}",
            outcome_words(item.outcome),
            item.closed[:10],
            f"{item.similarity:.2f}",
        )
        for number, item in enumerate(alert.precedents, 1)
    ]
    likely = alert.likely
    text = "Closed before the alert was raised; frozen with it." if rows else "No closed case was near it."
    looks = (
        f"Looks most like [T1]: {likely.title} ({likely.share:.0%} of the evidence): {likely.why}. The guide says: "
        f"“{one_line(likely.quote)}”"
        if likely
        else ""
    )
    header = ("Ref", "Case", "Outcome", "Closed", "Similarity")
    return _table("Nearest closed cases", header, rows, (0.08, 0.46, 0.18, 0.14, 0.14), text, looks)


def _decisions(alert: Alert) -> Part:
    rows = [
        (
            f"D{number}",
            f"{made.decided_at:%d %b %Y %H:%M}",
            made.analyst,
            f"{outcome_words(made.decision)}, {made.reason_code} "
            f"{REASON_CODES.get(made.decision, {}).get(made.reason_code, '')}",
            f"{one_line(made.note)}{f' (taken back by {made.undone_by})' if made.undone_at else ''}".strip(),
        )
        for number, made in enumerate(alert.dispositions, 1)
    ]
    text = "" if rows else "Nothing is decided yet."
    header = ("Ref", "When (UTC)", "Who", "Decision", "Note")
    return _table("Decisions", header, rows, (0.08, 0.19, 0.13, 0.3, 0.3), text)


def _narrative(alert: Alert, signed: Signed | None) -> Part:
    if signed is None:
        return Part("Narrative (draft, not signed)", (draft(alert),))
    line = f"Signed by {signed.signed_by} on {signed.signed_at:%d %b %Y %H:%M} UTC."
    return Part("Narrative", (signed.text, line))


def _references(alert: Alert) -> Part:
    rows = list(references(alert).items())
    return _table("References", ("Ref", "In the record"), rows, (0.08, 0.92))


def _features(alert: Alert) -> Part:
    rows = [(name, _cell(value)) for name, value in alert.features.items()]
    text = "Everything the model read, as it stood when the alert was raised."
    return _table("Features", ("Feature", "Value"), rows, (0.6, 0.4), text)


def _chain(entries: Sequence[Entry], report: ChainReport) -> Part:
    broken = report.broken
    text = (
        f"{report.entries} entries about this payment hold."
        if broken is None
        else f"Broken at entry {broken.entry or 'none'}: {broken.problem}."
    )
    rows = [
        (str(item.id), f"{item.at:%d %b %Y %H:%M:%S}", item.kind, item.who or "desk", item.hash) for item in entries
    ]
    header = ("Entry", "When (UTC)", "What", "Who", "SHA-256")
    return _table("Chain of records", header, rows, (0.08, 0.2, 0.12, 0.14, 0.46), text)


def _table(
    title: str,
    header: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    widths: tuple[float, ...],
    *text: str,
) -> Part:
    plain = tuple(tuple(one_line(cell) for cell in row) for row in rows)
    return Part(title, tuple(part for part in text if part), header if plain else (), plain, widths)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.2f}"
    return str(value)
