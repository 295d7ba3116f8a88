"""What the routes of the assistant and of documents take and give, as OpenAPI shows it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ConversationBody(BaseModel):
    """One conversation of the user who asks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0f3c9d5e8a514c2f9b7d6e5f4a3b2c1d",
                    "title": "Have we seen this payee before?",
                    "created_at": "2026-07-11T08:02:11Z",
                    "updated_at": "2026-07-11T08:04:40Z",
                }
            ]
        }
    )

    id: str
    title: str
    created_at: str
    updated_at: str


class ConversationListBody(BaseModel):
    """Conversations, the latest first."""

    items: list[ConversationBody]
    offset: int
    limit: int


class MessageBody(BaseModel):
    """One message. `answer` is what `POST /api/ask` gives, once it is done; null for a question."""

    id: int
    role: Literal["user", "assistant"]
    content: str
    created_at: str
    state: str = Field(description="done, writing, interrupted, stopped or failed.")
    answer: dict[str, Any] | None


class ConversationDetailBody(ConversationBody):
    """A conversation with its messages, the oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0f3c9d5e8a514c2f9b7d6e5f4a3b2c1d",
                    "title": "Have we seen this payee before?",
                    "created_at": "2026-07-11T08:02:11Z",
                    "updated_at": "2026-07-11T08:04:40Z",
                    "messages": [
                        {
                            "id": 12,
                            "role": "assistant",
                            "content": "M7751389218 took part in 31 payments before.",
                            "created_at": "2026-07-11T08:02:14Z",
                            "state": "done",
                            "answer": {"status": "answered", "answer": "M7751389218 took part in 31 payments before."},
                        }
                    ],
                }
            ]
        }
    )

    messages: list[MessageBody]


class RenameRequest(BaseModel):
    """Another title."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"title": "Payee of T00033873"}]})

    title: str = Field(min_length=1, max_length=200)


class CollectionBody(BaseModel):
    """How many documents a collection holds."""

    name: str
    documents: int


class DocumentBody(BaseModel):
    """One indexed document. `removable`: it was uploaded here, so that it can be removed here."""

    id: str
    title: str
    collection: str
    source: str
    dated: str
    removable: bool


class DocumentListBody(BaseModel):
    """Documents by id, of those that the user may see."""

    items: list[DocumentBody]
    total: int
    offset: int
    limit: int
    collections: list[CollectionBody]
    last_sync: str
    version: str
    failures: list["FailureBody"]


class FailureBody(BaseModel):
    """A file that could not be read, and why."""

    source: str
    reason: str


class UploadBody(BaseModel):
    """What an upload became; `documents` are the ids that are indexed now, one for each row of a table."""

    document_id: str
    documents: list[str]
    added: int
    updated: int
    failures: list[FailureBody]


class RemovedBody(BaseModel):
    """What was removed; `retrievable` is how many of its passages a search still finds, always 0."""

    document_id: str
    deleted: int
    retrievable: int


class SyncBody(BaseModel):
    """How far a sync is, or what the last one did."""

    running: bool
    stage: str
    done: int
    total: int | None
    message: str
    problem: str
    report: dict[str, int] | None
    failures: list[FailureBody]


class HitBody(BaseModel):
    """One passage, `[start, end)` of its document's text."""

    document_id: str
    passage_id: str
    source: str
    title: str
    text: str
    start: int
    end: int
    score: float


class DocumentHitsBody(BaseModel):
    """Passages, best first."""

    hits: list[HitBody]
