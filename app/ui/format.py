"""Figures, times and text as the page shows them. Everything that goes into HTML goes through here, escaped."""

import re
from datetime import UTC, datetime
from html import escape
from typing import Any

NONE = "–"
_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*] |\d+\. ))")
_STRONG = re.compile(r"\*\*([^*\n]+)\*\*")


def text(value: Any) -> str:
    """Any value as escaped text."""
    return escape("" if value is None else str(value), quote=True)


def money(amount: float | None, currency: str) -> str:
    """An amount with its currency: EUR 12,480.00."""
    return NONE if amount is None else f"{text(currency)}&nbsp;{amount:,.2f}"


def whole_money(amount: float, currency: str) -> str:
    """An amount without cents, for estimates: EUR 12,480."""
    return f"{text(currency)}&nbsp;{amount:,.0f}"


def score(probability: float) -> str:
    """A probability in [0, 1] with three decimals; never rounded up to 1."""
    return f"{min(probability, 0.999):.3f}" if probability < 1 else "1.000"


def moment(when: datetime | str | None) -> str:
    """A time in UTC, to the minute: 28 Aug 2026, 14:05."""
    if when in (None, ""):
        return NONE
    try:
        known = datetime.fromisoformat(when) if isinstance(when, str) else when
    except ValueError:
        return text(when)
    assert known is not None
    utc = known.astimezone(UTC) if known.tzinfo else known
    return f"{utc.day} {utc:%b %Y, %H:%M}"


def day(when: datetime | str | None) -> str:
    """A date: 28 Aug 2026."""
    return moment(when).split(",")[0]


def effect(value: float) -> str:
    """A contribution with its sign: +1.42."""
    return f"{value:+.2f}".replace("-", "−")


def sentence(words: str) -> str:
    """Words that start a line: escaped, the first letter large."""
    return text(words[:1].upper() + words[1:])


def plain_name(name: str) -> str:
    """An internal name in words: account_takeover is Account takeover."""
    words = name.replace("_", " ").strip()
    return text(words[:1].upper() + words[1:])


def cell(value: Any) -> str:
    """A column's value as a table shows it."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"
    return text(value)


def quotation(words: str) -> str:
    """A passage of a document: its words as they stand, with its strong words strong and its line breaks as spaces."""
    paragraphs = [" ".join(part.split()) for part in _PARAGRAPH.split(words)]
    return _STRONG.sub(r"<b>\1</b>", "\n".join(text(part) for part in paragraphs if part))


def empty_state(title: str, detail: str, command: str = "") -> str:
    """What a page shows that has nothing to show: why, and the command that changes it."""
    code = f"<code>{text(command)}</code>" if command else ""
    return f"<div class='fd-empty'><strong>{text(title)}</strong><p>{text(detail)}</p>{code}</div>"
