"""Identifiers in questions and texts: cases, transactions, accounts, model versions, run ids.

A question that names one is answered from the documents that name it too, whatever their wording.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_PATTERNS = (
    re.compile(r"(?<![\w-])CN[-‐‑–]?\d{4}[-‐‑–]?\d{1,6}(?!\w)", re.IGNORECASE),  # case notes
    re.compile(r"(?<!\w)T\d{5,}(?!\w)", re.IGNORECASE),  # transactions
    re.compile(r"(?<!\w)[CM]\d{3,}(?!\w)"),  # accounts
    re.compile(r"(?<![\w.])v\d{1,4}(?![\w.]\w)"),  # model versions
    re.compile(r"(?<!\w)[0-9a-f]{32}(?!\w)"),  # MLflow runs
    re.compile(r"(?<![\w-])[A-Z]{2,6}(?:-\d{2,6}){1,3}(?!\w)"),  # other documents by number: POL-004, RUN-2026-12
)
_SPOKEN_VERSION = re.compile(r"\b(?:model\s+)?version\s+(\d{1,4})\b", re.IGNORECASE)


def find_identifiers(text: str) -> list[str]:
    """Distinct identifiers in order of appearance, in lower case with plain hyphens."""
    found: dict[str, int] = {}
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            found.setdefault(normalise(match.group()), match.start())
    for match in _SPOKEN_VERSION.finditer(text):
        found.setdefault(f"v{match.group(1)}", match.start())
    return sorted(found, key=lambda name: found[name])


def without_identifiers(text: str) -> str:
    """The wording alone, if at least two words of it remain: to words and meaning an identifier is noise."""
    wording = text
    for pattern in _PATTERNS:
        wording = pattern.sub(" ", wording)
    wording = " ".join(wording.split())
    return wording if len(re.findall(r"[^\W\d_]{3,}", wording)) >= 2 else text


def identifiers_of_metadata(metadata: Mapping[str, Any]) -> list[str]:
    """Identifiers named in the fields of a document (transactions, accounts, case id, …), `source` excepted."""

    def texts(value: Any) -> Iterable[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            for entry in value.values():
                yield from texts(entry)
        elif isinstance(value, list | tuple):
            for entry in value:
                yield from texts(entry)

    named = [text for key, value in metadata.items() if key != "source" for text in texts(value)]
    return list(dict.fromkeys(name for text in named for name in find_identifiers(text)))


def normalise(identifier: str) -> str:
    """One spelling for the same identifier."""
    return re.sub(r"[‐‑–]", "-", identifier).lower()


def identifier_term(identifier: str) -> str:
    """The index term of an identifier; no word can look like it."""
    return f"id:{identifier}"
