"""Tools about one payment: its score with what led to it, and the nearest closed cases with how they ended."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.precedents import COLLECTION
from app.records import REASON_CODES, STATES, Alert, Precedent, ReasonRecord, Scored
from app.tools.records import Figure, FigureTable, ToolError, ToolResult, counted, money, number

if TYPE_CHECKING:
    from app.access import User
    from app.desk import Desk

_REASONS_SHOWN = 5
_REASONS_TOLD = 3
_CASES = 5


@dataclass(frozen=True)
class CaseFacts:
    """What is known of one payment. Probabilities in [0, 1], amount in `currency`, time UTC.

    Attributes:
        origin: `alert record` for what was frozen when the alert was raised, `scored now` otherwise.
        alert_id: The alert on this payment; None where it has none.
        state: The alert's state; None where there is none.
    """

    transaction_id: str
    event_time: datetime
    payer: str
    payee: str
    amount: float
    currency: str
    probability: float
    threshold: float
    model_version: str
    reasons: tuple[ReasonRecord, ...]
    precedents: tuple[Precedent, ...]
    origin: str
    alert_id: int | None = None
    state: str | None = None


def find_payment(desk: "Desk", transaction_id: str) -> Alert | Scored:
    """A payment from its alert's frozen record, else scored from the history before it.

    Raises:
        ToolError: no such payment is known.
    """
    found = desk.store.alert_of(transaction_id) or desk.score_known(transaction_id)
    if found is None:
        raise ToolError(f"No payment {transaction_id} is known here.")
    return found


def case_facts(desk: "Desk", transaction_id: str, user: "User") -> CaseFacts:
    """Everything known of one payment, without the cases that the user may not see."""
    found = find_payment(desk, transaction_id)
    alert = found if isinstance(found, Alert) else None
    if alert is not None:
        desk.store.trail.record(user, "read", f"alert {alert.id}", {"by": "assistant"})
    return CaseFacts(
        transaction_id=found.transaction_id,
        event_time=found.event_time,
        payer=found.payer,
        payee=found.payee,
        amount=found.amount,
        currency=found.currency,
        probability=found.probability,
        threshold=found.threshold,
        model_version=found.model_version,
        reasons=found.reasons[:_REASONS_SHOWN],
        precedents=() if COLLECTION in user.hidden_collections else tuple(desk.precedents(found)),
        origin="alert record" if alert is not None else "scored now",
        alert_id=alert.id if alert is not None else None,
        state=alert.state if alert is not None else None,
    )


def payment_score(desk: "Desk", user: "User", transaction_id: str) -> tuple[ToolResult, CaseFacts]:
    """Score, threshold and contributions of one payment."""
    case = case_facts(desk, transaction_id, user)
    over = case.probability >= case.threshold
    raising = [reason for reason in case.reasons if reason.effect > 0][:_REASONS_TOLD]
    lowering = [reason for reason in case.reasons if reason.effect < 0][:1]
    side = "reaches" if over else "stays under"
    told = [
        f"Payment {case.transaction_id} of {money(case.amount, case.currency)} from {case.payer} to {case.payee} has a "
        f"fraud probability of {case.probability:.3f}, which {side} the threshold of {case.threshold:.3f} of model "
        f"version {case.model_version}."
    ]
    if raising:
        told.append("What raises it most: " + "; ".join(f"{r.text} ({r.effect:+.2f})" for r in raising) + ".")
    if lowering:
        told.append(f"What lowers it most: {lowering[0].text} ({lowering[0].effect:+.2f}).")
    told += _decided(desk, case)
    figures = (
        Figure("Score", case.probability, f"{case.probability:.3f}"),
        Figure("Threshold", case.threshold, f"{case.threshold:.3f}"),
        Figure("Amount", case.amount, money(case.amount, case.currency)),
        Figure("Model version", case.model_version, case.model_version),
    )
    rows = tuple((reason.text, f"{reason.effect:+.2f}") for reason in case.reasons)
    source = (
        f"record of alert {case.alert_id}, frozen when it was raised"
        if case.alert_id is not None
        else f"model version {case.model_version}, scored now from the payments before it"
    )
    return (
        ToolResult(
            "payment_score",
            {"transaction_id": transaction_id},
            f"Score of {case.transaction_id}",
            tuple(told),
            figures,
            FigureTable(("Contribution", "log-odds"), rows) if rows else None,
            source,
            subject=(case.transaction_id,),
        ),
        case,
    )


def _decided(desk: "Desk", case: CaseFacts) -> list[str]:
    if case.alert_id is None:
        return ["It raised no alert."]
    made = desk.store.alert(case.alert_id).decision
    if made is None:
        return [f"Alert {case.alert_id} on it is {STATES.get(case.state or '', case.state or '').lower()}."]
    words = REASON_CODES.get(made.decision, {}).get(made.reason_code, made.reason_code)
    verdict = STATES.get(made.decision, made.decision).lower()
    return [
        f"Alert {case.alert_id} on it was decided on {made.decided_at:%Y-%m-%d} by {made.analyst}: {verdict} "
        f"({made.reason_code}, {words.lower()})."
    ]


def similar_cases(desk: "Desk", user: "User", transaction_id: str) -> ToolResult:
    """The nearest cases that were closed before the payment, and how they ended."""
    if COLLECTION in user.hidden_collections:
        raise ToolError("Closed cases are not shown to your role.")
    found = find_payment(desk, transaction_id)
    near = tuple(desk.precedents(found, _CASES))
    if not near:
        told = [f"No case closed before payment {transaction_id} is near it."]
    else:
        ended = Counter(item.outcome for item in near)
        outcomes = ", ".join(f"{count} {STATES.get(name, name).lower()}" for name, count in ended.most_common())
        told = [
            f"{counted(len(near), 'case')} closed before payment {transaction_id} "
            f"{'is' if len(near) == 1 else 'are'} nearest to it; how they ended: {outcomes}."
        ]
        told += [_told(item) for item in near]
    rows = tuple(
        (
            item.case_id,
            item.title,
            STATES.get(item.outcome, item.outcome),
            item.closed[:10],
            money(item.amount, item.currency) if item.amount is not None else "–",
            f"{item.similarity:.2f}",
        )
        for item in near
    )
    return ToolResult(
        "similar_cases",
        {"transaction_id": transaction_id},
        f"Closed cases near {transaction_id}",
        tuple(told),
        (
            Figure("Nearest cases", len(near), number(len(near))),
            *(
                Figure(STATES.get(name, name), count, number(count))
                for name, count in Counter(item.outcome for item in near).most_common()
            ),
        ),
        FigureTable(("Case", "Title", "How it ended", "Closed", "Amount", "Nearness"), rows) if rows else None,
        "case notes closed before the payment",
        subject=(transaction_id, *(item.case_id for item in near)),
    )


def _told(item: Precedent) -> str:
    shared = f", names the same account {' and '.join(item.shared_accounts)}" if item.shared_accounts else ""
    kind = f", {item.typology.replace('_', ' ')}" if item.typology not in ("", "none") else ""
    outcome = STATES.get(item.outcome, item.outcome).lower()
    return f"{item.case_id} ({item.title}{kind}): {outcome}, closed {item.closed[:10]}{shared}."
