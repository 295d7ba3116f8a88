"""Precedents of an alert: the nearest case notes whose case was closed before the payment.

Cases that name the payment's payer or payee come first, then those whose text is nearest to the reasons in words.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from app.records import OPEN, Alert, Precedent, Scored, iso

COLLECTION = "case_notes"
_QUOTE_LENGTH = 280
# A shorter passage says nothing without the rest of its note.
_LEAST_TOLD = 80
_REASONS_ASKED = 4
_PASSAGES = 24
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")


class Searchable(Protocol):
    """What this module needs of an index."""

    def search(self, query: str, k: int = ..., as_of: Any = ..., where: Any = ...) -> list[Any]:
        """Passages nearest to a query."""
        ...


def find_precedents(index: Searchable, case: Alert | Scored, count: int = 3) -> tuple[Precedent, ...]:
    """The nearest closed cases.

    Args:
        index: The index of documents.
        case: An alert or a scored payment; only cases closed before its time are seen.
        count: How many at most.
    """
    accounts = {case.payer, case.payee}
    found: dict[str, Precedent] = {}
    for query in _queries(case):
        for hit in index.search(query, k=_PASSAGES, as_of=iso(case.event_time), where={"collection": COLLECTION}):
            if not _closed_before(hit.metadata, case.event_time):
                continue
            known = found.get(hit.document_id)
            if known is None or _telling(hit.text, float(hit.similarity)) > _telling(known.quote, known.similarity):
                found[hit.document_id] = _precedent(hit, accounts)
    ranked = sorted(found.values(), key=lambda item: (-len(item.shared_accounts), -item.similarity, item.document_id))
    return tuple(ranked[:count])


def _telling(text: str, similarity: float) -> tuple[bool, float]:
    """Which of a note's passages to quote: the nearest of those that say more than a few words."""
    return len(text) >= _LEAST_TOLD, similarity


def _queries(case: Alert | Scored) -> Iterable[str]:
    """First the accounts, which exact search finds, then what happened, in words."""
    yield f"{case.payer} {case.payee}"
    words = [reason.text for reason in case.reasons if reason.effect > 0][:_REASONS_ASKED]
    kind = case.transaction.get("type")
    yield "; ".join([*(str(kind).replace("_", " ").lower() for _ in range(kind is not None)), *words]) or "fraud case"


def _closed_before(metadata: dict[str, Any], moment: datetime) -> bool:
    closed = str(metadata.get("closed") or "")
    if not closed or metadata.get("outcome") in (None, "", OPEN):
        return False
    when = datetime.fromisoformat(closed)
    return (when if when.tzinfo else when.replace(tzinfo=moment.tzinfo)) < moment


def _precedent(hit: Any, accounts: set[str]) -> Precedent:
    metadata = hit.metadata
    quote = opening(hit.text)
    named = as_list(metadata.get("accounts"))
    amount = metadata.get("amount")
    return Precedent(
        document_id=hit.document_id,
        case_id=str(metadata.get("case_id") or hit.document_id),
        title=hit.title,
        outcome=str(metadata.get("outcome") or ""),
        typology=str(metadata.get("typology") or ""),
        closed=str(metadata.get("closed") or ""),
        amount=None if amount in (None, "") else float(amount),
        currency=str(metadata.get("currency") or ""),
        source=hit.source,
        quote=quote,
        start=hit.start,
        end=hit.start + len(quote),
        similarity=float(hit.similarity),
        shared_accounts=tuple(sorted(account for account in accounts if account in named)),
    )


def opening(text: str, length: int = _QUOTE_LENGTH) -> str:
    """The beginning of a text, exactly as it stands, cut after a sentence or else after a word."""
    if len(text) <= length:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text[: length + 1])]
    if ends and ends[-1] >= length // 3:
        return text[: ends[-1]]
    return text[:length].rsplit(maxsplit=1)[0]


def as_list(value: Any) -> list[str]:
    """A metadata value as a list; stores that keep no lists give them as text with commas."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [part.strip(" []'\"") for part in value.split(",") if part.strip(" []'\"")]
    return [str(part) for part in value] if isinstance(value, list | tuple | set) else [str(value)]
