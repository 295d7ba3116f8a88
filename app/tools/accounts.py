"""Tool about a payer or a payee: what the desk knew of the account by a moment.

Counted are payments strictly before that moment; a fraud label counts only once it had the time to become known (the
schema's label delay). Decisions of analysts are told with their date.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import or_, select

from app import tables
from app.records import DECIDED, STATES
from app.tools.payments import find_payment
from app.tools.records import Figure, FigureTable, ToolError, ToolResult, counted, money, number

if TYPE_CHECKING:
    from app.access import User
    from app.desk import Desk

_LATEST = 5
_SIDES = {"payee": "paid", "payer": "pays"}


def account_history(
    desk: "Desk",
    user: "User",
    account: str = "",
    role: str = "",
    transaction_id: str = "",
    as_of: datetime | None = None,
) -> ToolResult:
    """What was known of a payer or payee.

    Args:
        desk: Where the payments and alerts are.
        user: Who asks.
        account: The account; left out, the payee (or, by `role`, the payer) of the payment at hand.
        role: `payee`, `payer`, or empty for both sides of the account.
        transaction_id: The payment at hand: only what came before it counts. Empty: everything so far.
        as_of: Only what was known by then, where that is earlier.

    Raises:
        ToolError: neither an account nor a payment is given, or the account was never seen.
    """
    del user
    case = find_payment(desk, transaction_id) if transaction_id else None
    if case is not None and (not account or account in ("payee", "payer")):
        role = role or (account if account in ("payee", "payer") else "payee")
        account = case.payer if role == "payer" else case.payee
    if not account:
        raise ToolError("Name the payer or payee, or ask beside a case.")
    moment = min((m for m in (case.event_time if case else None, as_of) if m is not None), default=None)
    seen = _payments(desk, account, role, moment)
    return _told(desk, seen, account, role, case, moment)


def is_account(desk: "Desk", word: str) -> bool:
    """Whether a word is a payer or payee of a payment kept."""
    return len(_around(desk, word)) > 0


def _around(desk: "Desk", account: str) -> pd.DataFrame:
    schema, history = desk.scorer.schema, desk.history
    asked = pd.DataFrame({schema.payer: [account], schema.payee: [account]}, dtype=object)
    for column in (schema.payer, schema.payee):
        asked[column] = asked[column].astype(history.frame[column].dtype, errors="ignore")
    return history.around(asked)


def _payments(desk: "Desk", account: str, role: str, moment: datetime | None) -> pd.DataFrame:
    """Payments of the account strictly before a moment, oldest first, with `when` (UTC epoch seconds) and `side`."""
    schema = desk.scorer.schema
    found = _around(desk, account).copy()
    found["when"] = schema.times(found) if len(found) else np.empty(0, np.int64)
    paid = found[schema.payee].astype(str) == account
    pays = found[schema.payer].astype(str) == account
    found["side"] = np.where(paid, "payee", "payer")
    found = found[{"payee": paid, "payer": pays}.get(role, paid | pays)]
    if moment is not None:
        found = found[found["when"] < int(moment.timestamp())]
    return found.sort_values("when", kind="stable")


def _told(desk: "Desk", seen: pd.DataFrame, account: str, role: str, case: Any, moment: datetime | None) -> ToolResult:
    schema = desk.scorer.schema
    word = {"payee": "payee ", "payer": "payer "}.get(role, "account ")
    until = f" before {moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""
    arguments = {"account": account} | ({"role": role} if role else {})
    arguments |= {"transaction_id": case.transaction_id} if case is not None else {}
    alerts = _alerts(desk, account, role, moment, case)
    if not len(seen):
        told = [f"{word.capitalize()}{account} was not seen before: no payment of it is known{until}."]
        return ToolResult(
            "account_history",
            arguments,
            f"History of {word}{account}",
            (*told, *_decisions(alerts, moment is not None)),
            (Figure("Payments", 0, "0"),),
            source=_source(desk),
            subject=(account,),
        )
    amounts = seen[schema.amount].astype(float)
    others = seen[schema.payer if role == "payee" else schema.payee] if role else None
    first, last = (datetime.fromtimestamp(int(seen["when"].iloc[place]), UTC) for place in (0, -1))
    told = [
        f"{word.capitalize()}{account} was seen before: in {counted(len(seen), 'payment')}{until}, "
        f"of {money(amounts.sum(), schema.currency)} in all, first on {first:%Y-%m-%d} and last on {last:%Y-%m-%d}."
    ]
    figures = [
        Figure("Payments", len(seen), number(len(seen))),
        Figure("Total", float(amounts.sum()), money(amounts.sum(), schema.currency)),
        Figure("Median", float(amounts.median()), money(amounts.median(), schema.currency)),
        Figure("Largest", float(amounts.max()), money(amounts.max(), schema.currency)),
        Figure("First seen", first.isoformat(), f"{first:%Y-%m-%d}"),
        Figure("Last seen", last.isoformat(), f"{last:%Y-%m-%d}"),
    ]
    if len(seen) > 1:
        told.append(f"The median is {figures[2].text}, the largest {figures[3].text}.")
    if others is not None:
        noun = "payer" if role == "payee" else "payee"
        distinct = int(others.nunique())
        figures.append(Figure(f"Distinct {noun}s", distinct, number(distinct)))
        if len(seen) > 1:
            told.append(f"They involve {counted(distinct, 'distinct ' + noun)}.")
    if case is not None and others is not None:
        pair = int((others.astype(str) == (case.payer if role == "payee" else case.payee)).sum())
        figures.append(Figure("Between the two", pair, number(pair)))
        told.append(
            f"{counted(pair, 'of them is', 'of them are')} between {case.payer} and {case.payee}."
            if pair
            else f"None of them is between {case.payer} and {case.payee}: this is their first payment."
        )
    fraud, known = _labels(desk, seen, moment)
    if known is not None:
        figures += [
            Figure("Known fraud", fraud, number(fraud or 0)),
            Figure("Labels known", known, number(known)),
        ]
        by = "by then" if moment else "so far"
        was = "was" if fraud == 1 else "were"
        told.append(f"{counted(fraud or 0, 'payment')} of {number(known)} with a label known {by} {was} fraud.")
    return ToolResult(
        "account_history",
        arguments,
        f"History of {word}{account}",
        (*told, *_decisions(alerts, moment is not None)),
        tuple(figures),
        _latest(desk, seen),
        _source(desk),
        subject=(account,),
    )


def _source(desk: "Desk") -> str:
    return f"{len(desk.history):,} payments kept, and the alerts of this desk"


def _labels(desk: "Desk", seen: pd.DataFrame, moment: datetime | None) -> tuple[int | None, int | None]:
    """Frauds and labels known by a moment; None for both where the payments have no labels."""
    schema = desk.scorer.schema
    if schema.label is None or schema.label not in seen.columns:
        return None, None
    by = int((moment or datetime.now(UTC)).timestamp())
    labels = pd.to_numeric(seen[schema.label], errors="coerce")
    known = labels[(seen["when"] + schema.label_delay_seconds <= by) & labels.notna()]
    return int((known == 1).sum()), len(known)


def _latest(desk: "Desk", seen: pd.DataFrame) -> FigureTable:
    schema = desk.scorer.schema
    rows = tuple(
        (
            f"{datetime.fromtimestamp(int(row['when']), UTC):%Y-%m-%d %H:%M}",
            str(row[schema.payer]),
            str(row[schema.payee]),
            money(float(row[schema.amount]), schema.currency),
        )
        for _, row in seen.iloc[::-1].head(_LATEST).iterrows()
    )
    return FigureTable(("Latest payments, UTC", "Payer", "Payee", "Amount"), rows)


def _alerts(desk: "Desk", account: str, role: str, moment: datetime | None, case: Any) -> list[tuple[str, str]]:
    """State and payment of each alert on the account's earlier payments."""
    columns = tables.alerts.c
    sides = {"payee": [columns.payee == account], "payer": [columns.payer == account]}
    query = select(columns.state, columns.transaction_id).where(
        or_(*sides.get(role, [columns.payee == account, columns.payer == account]))
    )
    if moment is not None:
        query = query.where(columns.event_time < int(moment.timestamp()))
    if case is not None:
        query = query.where(columns.transaction_id != case.transaction_id)
    with desk.store.engine.connect() as connection:
        return [(str(state), str(payment)) for state, payment in connection.execute(query.order_by(columns.event_time))]


def _decisions(alerts: list[tuple[str, str]], earlier: bool) -> list[str]:
    if not alerts:
        return [f"No {'earlier ' if earlier else ''}payment of it raised an alert at this desk."]
    states = Counter(state for state, _ in alerts)
    decided = ", ".join(f"{states[state]} {STATES[state].lower()}" for state in DECIDED if states[state])
    open_now = sum(count for state, count in states.items() if state not in DECIDED)
    parts = [decided or "none decided yet"] + ([f"{open_now} not decided"] if open_now and decided else [])
    return [f"{counted(len(alerts), 'alert')} on its {'earlier ' if earlier else ''}payments: {', '.join(parts)}."]
