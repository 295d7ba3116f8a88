"""Precedents of an alert: the nearest case notes whose case was closed before it.

Cases that name the payment's payer or payee come first, then those whose text is nearest to the reasons in words.

Two clocks count. A note from elsewhere (what ships, what was imported) tells of its time: it must be closed before the
payment. A case closed at this desk was known from then on: it must be closed by the second in which the alert was
raised, even where an older payment is scored only now.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from app.records import OPEN, Alert, Precedent, Scored, iso

COLLECTION = "case_notes"
OWN = "desk"
"""As `origin` of a note: the case was closed at this desk."""

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


def find_precedents(
    index: Searchable, case: Alert | Scored, count: int = 3, *, own_notes: bool = True
) -> tuple[Precedent, ...]:
    """The nearest closed cases.

    Args:
        index: The index of documents.
        case: An alert, as of when it was raised, or a payment scored now.
        count: How many at most.
        own_notes: Whether there may be notes of cases closed at this desk.
    """
    accounts = {case.payer, case.payee}
    raised = case.created_at if isinstance(case, Alert) else datetime.now(UTC)
    # Closings are kept in whole seconds; one of this same second was known, or its note would not be in the index.
    by_then = raised.replace(microsecond=0) + timedelta(seconds=1)
    found: dict[str, Precedent] = {}
    for query in _queries(case):
        hits = [hit for hit in _search(index, query, case.event_time) if _closed_before(hit.metadata, case.event_time)]
        if own_notes and raised > case.event_time:
            own = {"origin": OWN}
            hits += [hit for hit in _search(index, query, by_then, own) if _closed_before(hit.metadata, by_then)]
        for hit in hits:
            if case.transaction_id in as_list(hit.metadata.get("transactions")):
                continue
            known = found.get(hit.document_id)
            if known is None or _telling(hit.text, float(hit.similarity)) > _telling(known.quote, known.similarity):
                found[hit.document_id] = _precedent(hit, accounts)
    ranked = sorted(found.values(), key=lambda item: (-len(item.shared_accounts), -item.similarity, item.document_id))
    return tuple(ranked[:count])


def story_of(case: Alert | Scored) -> str:
    """What happened, in words that a note or a guide may share: kind of payment and what raised the score."""
    words = [reason.text for reason in case.reasons if reason.effect > 0][:_REASONS_ASKED]
    kind = case.transaction.get("type")
    told = [str(kind).replace("_", " ").lower()] if kind is not None else []
    return "; ".join([*told, *words]) or "fraud case"


def _search(index: Searchable, query: str, as_of: datetime, more: dict[str, str] | None = None) -> list[Any]:
    return index.search(query, k=_PASSAGES, as_of=iso(as_of), where={"collection": COLLECTION, **(more or {})})


def _telling(text: str, similarity: float) -> tuple[bool, float]:
    """Which of a note's passages to quote: the nearest of those that say more than a few words."""
    return len(text) >= _LEAST_TOLD, similarity


def _queries(case: Alert | Scored) -> Iterable[str]:
    """First the accounts, which exact search finds, then what happened, in words."""
    yield f"{case.payer} {case.payee}"
    yield story_of(case)


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
