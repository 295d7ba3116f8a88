"""Masking of card numbers, IBANs, email addresses and phone numbers, before anything is embedded, logged or traced.

Every masked character becomes one `█`, so all offsets into the source stay right.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MASK = "█"

_CARD = re.compile(r"(?<![\w.,])\d(?:[ \-]?\d){12,18}(?![\w]|[.,]\d)")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){11,30}(?!\w)", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}(?!\w)")
_PHONE = re.compile(
    r"(?<![\w+.,/])(?:\+|00)[1-9]\d{0,2}(?:[ \-./]?\(?\d{1,5}\)?){2,6}(?!\w)"
    r"|(?<=tel\. )[\d /\-]{7,17}\d|(?<=phone )[\d /\-]{7,17}\d",
    re.IGNORECASE,
)
_CARD_LENGTHS = {"2": (16,), "3": (14, 15, 16), "4": (13, 16, 19), "5": (16,), "6": (16, 17, 18, 19)}


@dataclass(frozen=True)
class Masked:
    """A text of unchanged length with its private numbers hidden.

    Attributes:
        text: The masked text.
        counts: How many of each kind were hidden: `card`, `iban`, `email`, `phone`.
    """

    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


def mask(text: str) -> Masked:
    """Hide card numbers (by Luhn's check), IBANs (by ISO 13616's check), email addresses and phone numbers."""
    counts: Counter[str] = Counter()

    def hide(kind: str, match: re.Match[str]) -> str:
        found = match.group()
        length = _private_length(kind, found)
        counts[kind] += 1 if length else 0
        return MASK * length + found[length:]

    if any(letter.isdigit() for letter in text):
        text = _IBAN.sub(lambda match: hide("iban", match), text)
        text = _CARD.sub(lambda match: hide("card", match), text)
        text = _PHONE.sub(lambda match: hide("phone", match), text)
    if "@" in text:
        text = _EMAIL.sub(lambda match: hide("email", match), text)
    return Masked(text, dict(counts))


def mask_values(value: Any) -> Any:
    """Mask every string inside a metadata value (lists and mappings included)."""
    if isinstance(value, str):
        return mask(value).text
    if isinstance(value, Mapping):
        return {key: mask_values(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [mask_values(entry) for entry in value]
    return value


def luhn_valid(digits: str) -> bool:
    """Luhn's check of a digit string (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_valid(iban: str) -> bool:
    """The mod-97 check of an IBAN without spaces (ISO 13616)."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(letter, 36)) for letter in moved.lower())) % 97 == 1


def _private_length(kind: str, found: str) -> int:
    """Characters of `found`, from its start, that are private; 0 where the check fails."""
    if kind == "card":
        digits = re.sub(r"[ \-]", "", found)
        return len(found) if len(digits) in _CARD_LENGTHS.get(str(int(digits[0])), ()) and luhn_valid(digits) else 0
    if kind == "iban":
        return _iban_length(found)
    if kind == "phone":
        return len(found) if 8 <= sum(letter.isdigit() for letter in found) <= 15 else 0
    return len(found)


def _iban_length(found: str) -> int:
    """An IBAN may run into the next word ("… 3000 on"): the longest valid beginning that ends at a space counts."""
    ends = [len(found)] + [place for place in range(len(found) - 1, 14, -1) if found[place] == " "]
    for end in ends:
        compact = found[:end].replace(" ", "")
        if compact.isascii() and 15 <= len(compact) <= 34 and iban_valid(compact):
            return end
    return 0
