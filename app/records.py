"""What the desk keeps and shows: alerts with their frozen decision record, precedents, decisions, conversations."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

OPEN = "open"
NEEDS_INFORMATION = "needs_information"
CONFIRMED_FRAUD = "confirmed_fraud"
LEGITIMATE = "legitimate"
INCONCLUSIVE = "inconclusive"

STATES: dict[str, str] = {
    OPEN: "Open",
    NEEDS_INFORMATION: "Needs information",
    CONFIRMED_FRAUD: "Confirmed fraud",
    LEGITIMATE: "Legitimate",
    INCONCLUSIVE: "Inconclusive",
}
UNDECIDED = (OPEN, NEEDS_INFORMATION)
DECIDED = (CONFIRMED_FRAUD, LEGITIMATE, INCONCLUSIVE)

# The codes of the disposition policy that ships with the documents; W codes keep an alert open.
REASON_CODES: dict[str, dict[str, str]] = {
    CONFIRMED_FRAUD: {
        "F01": "Account takeover",
        "F02": "Mule account or chain",
        "F03": "Credential testing",
        "F04": "Merchant collusion",
        "F05": "Structuring",
        "F06": "Customer deceived",
        "F07": "First-party fraud",
        "F08": "Synthetic identity",
        "F09": "Other fraud",
    },
    LEGITIMATE: {
        "L01": "Customer confirmed",
        "L02": "One-off purchase",
        "L03": "New genuine payee",
        "L04": "Own account",
        "L05": "Business pattern",
        "L06": "Data error, duplicate",
    },
    NEEDS_INFORMATION: {
        "W01": "Call-back awaited",
        "W02": "Documents asked for",
        "W03": "Other bank asked",
    },
    INCONCLUSIVE: {
        "N01": "Customer not reached",
        "N02": "Contradicting evidence",
        "N03": "Other side silent",
        "N04": "Too small to pursue",
    },
}


@dataclass(frozen=True)
class ReasonRecord:
    """One contribution to a score.

    Attributes:
        feature: Name of the feature.
        value: Its value for this payment; None where unknown.
        effect: Contribution to the model's log-odds; above 0 raises the score.
        text: The same in an analyst's words.
    """

    feature: str
    value: float | None
    effect: float
    text: str


@dataclass(frozen=True)
class Scored:
    """One payment with its score and what led to it: what becomes the frozen record of an alert.

    Attributes:
        transaction_id: Id of the payment.
        event_time: Time of the payment, UTC.
        payer: Who pays.
        payee: Who is paid.
        amount: Amount in `currency`.
        currency: ISO 4217 code.
        probability: Probability of fraud in [0, 1].
        threshold: Probability from which the model alerts.
        model_version: Version of the model that gave the score.
        transaction: The payment's columns as they came.
        features: Every feature that the model read; None where unknown.
        reasons: Contributions, strongest first.
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
    transaction: dict[str, Any]
    features: dict[str, float | None]
    reasons: tuple[ReasonRecord, ...]

    @property
    def alert(self) -> bool:
        """Whether the score reaches the threshold."""
        return self.probability >= self.threshold

    @property
    def expected_loss(self) -> float:
        """Probability times amount, in `currency`."""
        return self.probability * self.amount

    @property
    def headline(self) -> str:
        """The reason that raises the score most, in words."""
        return next((reason.text for reason in self.reasons if reason.effect > 0), "")


@dataclass(frozen=True)
class Precedent:
    """A closed case near an alert, closed before it.

    Attributes:
        document_id: Id of the case note in the index.
        case_id: Id of the case.
        title: Title of the note.
        outcome: confirmed_fraud, legitimate or inconclusive.
        typology: The note's typology, or empty.
        closed: When the case was closed, ISO 8601, or empty.
        amount: Amount of the case; None where the note has none.
        currency: ISO 4217 code, or empty.
        source: Where the note comes from.
        quote: Exact part of the note, `[start, end)` of its text.
        start: First character of the quote.
        end: Character after the quote.
        similarity: Cosine of note and payment in words, in [-1, 1].
        shared_accounts: Accounts of this payment that the case names.
    """

    document_id: str
    case_id: str
    title: str
    outcome: str
    typology: str
    closed: str
    amount: float | None
    currency: str
    source: str
    quote: str
    start: int
    end: int
    similarity: float
    shared_accounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Typology:
    """The typology that an alert looks most like, with the guide's passage that says why.

    Attributes:
        name: As the case notes write it: mule_chain, structuring, ...
        title: Title of the guide.
        share: Its part of the evidence for all typologies, in [0, 1].
        why: What speaks for it, in words.
        document_id: Id of the guide in the index.
        source: Where the guide comes from.
        quote: Exact part of the guide, `[start, end)` of its text.
        start: First character of the quote.
        end: Character after the quote.
    """

    name: str
    title: str
    share: float
    why: str
    document_id: str
    source: str
    quote: str
    start: int
    end: int


@dataclass(frozen=True)
class Disposition:
    """One decision on an alert. A taken-back decision stays, with the time it was taken back."""

    id: int
    alert_id: int
    decision: str
    reason_code: str
    note: str
    analyst: str
    decided_at: datetime
    undone_at: datetime | None = None
    undone_by: str | None = None


@dataclass(frozen=True)
class AlertSummary:
    """One line of the queue. Amounts in `currency`, probability in [0, 1], times UTC; `created_at` is when raised."""

    id: int
    transaction_id: str
    event_time: datetime
    payer: str
    payee: str
    amount: float
    currency: str
    probability: float
    threshold: float
    expected_loss: float
    model_version: str
    state: str
    headline: str
    created_at: datetime
    typology: str = ""
    owner: str | None = None
    claimed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Alert(AlertSummary):
    """An alert with its frozen record.

    `precedents` and `likely` are looked up once, as of the time the alert was raised, and then never change;
    `precedents` is None until then.
    """

    transaction: dict[str, Any]
    features: dict[str, float | None]
    reasons: tuple[ReasonRecord, ...]
    precedents: tuple[Precedent, ...] | None
    likely: Typology | None = None
    dispositions: tuple[Disposition, ...] = ()

    @property
    def decision(self) -> Disposition | None:
        """The decision in force."""
        return next((d for d in reversed(self.dispositions) if d.undone_at is None), None)


@dataclass(frozen=True)
class AlertPage:
    """Some alerts of a filtered list, and how many there are in all."""

    items: tuple[AlertSummary, ...]
    total: int
    offset: int
    limit: int


@dataclass(frozen=True)
class AlertFilter:
    """Which alerts to list.

    Attributes:
        states: States to show; empty: all.
        min_probability: Least probability in [0, 1].
        search: Start of a transaction id, payer or payee; empty: all.
        max_probability: Largest probability in [0, 1].
        min_amount: Least amount; None: any.
        max_amount: Largest amount; None: any.
        typology: Name of the likely typology; empty: all.
        owner: Who has claimed it; empty: whoever, `-`: nobody.
        min_age_hours: Raised at least so long ago.
        max_age_hours: Raised at most so long ago; None: any age.
    """

    states: tuple[str, ...] = ()
    min_probability: float = 0.0
    search: str = ""
    max_probability: float = 1.0
    min_amount: float | None = None
    max_amount: float | None = None
    typology: str = ""
    owner: str = ""
    min_age_hours: float = 0.0
    max_age_hours: float | None = None


NOBODY = "-"
"""As the owner in a filter: alerts that nobody has claimed."""


@dataclass(frozen=True)
class Label:
    """What a decision says about a payment, usable only from `known_at` (UTC) on.

    Attributes:
        transaction_id: The payment.
        label: 1 fraud, 0 legitimate.
        analyst: Who decided.
        known_at: When it was decided.
    """

    transaction_id: str
    label: int
    analyst: str
    known_at: datetime


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; `payload` holds an answer's citations and the figures from tools."""

    id: int
    role: str
    content: str
    created_at: datetime
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    """One conversation of one analyst."""

    id: str
    analyst: str
    title: str
    created_at: datetime
    updated_at: datetime


def plain(record: Any) -> dict[str, Any]:
    """A record as plain values ready for JSON: times as ISO 8601 in UTC, tuples as lists."""
    return {name: _plain_value(value) for name, value in asdict(record).items()}


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second: 2026-06-01T09:30:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {name: _plain_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    return value
