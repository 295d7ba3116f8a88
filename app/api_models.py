"""What the API takes and gives, as OpenAPI shows it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1, description="Probability of fraud.")]


class ProblemBody(BaseModel):
    """An error (RFC 9457). `code` stays the same between releases."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str


class ReasonBody(BaseModel):
    """One contribution: above 0 raises the score, below 0 lowers it (log-odds)."""

    feature: str
    value: float | None
    effect: float
    text: str


class ScoreBody(BaseModel):
    """The score of one payment."""

    model_config = ConfigDict(protected_namespaces=())

    transaction_id: str
    fraud_probability: Probability
    alert: bool
    threshold: Probability
    model_version: str
    reasons: list[ReasonBody]


class AlertBody(BaseModel):
    """One line of the queue."""

    model_config = ConfigDict(protected_namespaces=())

    id: int
    transaction_id: str
    event_time: str
    payer: str
    payee: str
    amount: float
    currency: str
    probability: Probability
    threshold: Probability
    expected_loss: float
    model_version: str
    state: str
    headline: str
    created_at: str = Field(description="When the alert was raised.")
    typology: str = Field(description="The likely typology; empty until it is known.")
    owner: str | None = Field(description="Who has claimed it.")
    claimed_at: str | None


class AlertListBody(BaseModel):
    """Some alerts, by expected loss, and how many fit the filter in all."""

    items: list[AlertBody]
    total: int
    offset: int
    limit: int


class DispositionBody(BaseModel):
    """One decision."""

    id: int
    alert_id: int
    decision: str
    reason_code: str
    note: str
    analyst: str
    decided_at: str
    undone_at: str | None
    undone_by: str | None


class AlertDetailBody(AlertBody):
    """An alert with its frozen decision record."""

    transaction: dict[str, Any]
    features: dict[str, float | None]
    reasons: list[ReasonBody]
    precedents: list[dict[str, Any]] | None
    likely: dict[str, Any] | None = Field(description="The likely typology with the guide's passage.")
    dispositions: list[DispositionBody]


class DecisionRequest(BaseModel):
    """A decision on an alert."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"decision": "confirmed_fraud", "reason_code": "F02", "note": "Payee is a known mule."}]
        },
    )

    decision: Literal["confirmed_fraud", "legitimate", "needs_information", "inconclusive"]
    reason_code: str = Field(max_length=50)
    note: str = Field("", max_length=5_000)


class AskRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"question": "What does the policy say about holding a payment?"}]},
    )

    question: str = Field(min_length=1, max_length=2_000)
    transaction_id: str | None = Field(None, max_length=200, description="The payment at hand.")
    as_of: str | None = Field(None, max_length=40, description="Only documents known by then; ISO 8601.")
    conversation_id: str | None = Field(
        None, max_length=64, description="Keep question and answer: `new`, or the id of one of your conversations."
    )


class FeedbackRequest(BaseModel):
    """What an analyst thinks of an answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "helpful": False,
                    "message_id": 12,
                    "correction": "48 hours, and once 24 more for amounts over 10,000.",
                }
            ]
        },
    )

    helpful: bool
    message_id: int | None = Field(None, ge=1, le=2**31 - 1, description="An answer in one of your conversations.")
    question: str = Field("", max_length=2_000)
    answer: str = Field("", max_length=20_000)
    correction: str = Field("", max_length=5_000)


class ModelBody(BaseModel):
    """The model in use."""

    model_config = ConfigDict(protected_namespaces=())

    version: str
    threshold: Probability
    schema_name: str
    currency: str
    columns: list[str]
    metrics: dict[str, float]


def problem(description: str) -> dict[str, Any]:
    """An answer with a problem, for the `responses` of a route."""
    return {"model": ProblemBody, "description": description}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: problem("The body cannot be read."),
    401: problem("Nobody is signed in, or the token is unknown, has ended or was revoked."),
    403: problem("The role or the token's scopes do not allow this; `detail` says which do."),
    422: problem("The request does not fit; `detail` says where."),
    429: problem("Too many requests; `Retry-After` says when to come back."),
    503: problem("A part of the desk is not ready; `detail` says what to do."),
}
"""Problems that every route can answer with."""
