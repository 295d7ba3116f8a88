"""What the routes of the queue take and give, as OpenAPI shows it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class FigureBody(BaseModel):
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


class BudgetBody(BaseModel):
    """What a number of alerts a day finds, measured on the champion's validation days."""

    model_config = ConfigDict(protected_namespaces=())

    alerts_per_day: int
    threshold: float
    precision: FigureBody
    recall: FigureBody
    value: FigureBody = Field(description="Amount of the fraud found a day, in `currency`.")
    currency: str
    model_version: str
    measured_from: str
    measured_until: str
    payments: int
    frauds: int


class QueueFiguresBody(BaseModel):
    """The queue now. `precision` is the share of fraud among the alerts decided as fraud or legitimate."""

    open: int
    claimed: int
    by_age: dict[str, int]
    decided_today: int
    decided: int
    fraud: int
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    value_confirmed: dict[str, float]


class BrokenBody(BaseModel):
    """The first place where records and chain differ; `entry` is 0 where a record has no entry."""

    entry: int
    transaction_id: str
    problem: str


class ChainBody(BaseModel):
    """A check of the chain of decision records; noted elsewhere, `head` proves later that nothing was replaced."""

    entries: int
    alerts: int
    head: str
    intact: bool
    broken: BrokenBody | None


class NarrativeBody(BaseModel):
    """The draft from the record, what its references stand for, and what was signed last."""

    draft: str
    references: dict[str, str]
    signed: dict[str, Any] | None


class SignRequest(BaseModel):
    """A narrative to sign. It may only cite what the record has."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "The payee is a known mule [P1]. The payment was stopped [D1]."}]},
    )

    text: str = Field(min_length=1, max_length=20_000)
