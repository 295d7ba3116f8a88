"""Conversations with the assistant: a question is stored before it is answered, so that nothing asked is lost."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, select, update

from app import tables
from app.records import Conversation, Message

_TITLE_LENGTH = 80


class Conversations:
    """Conversations, their messages and the feedback on answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, analyst: str, title: str) -> str:
        """Starts a conversation and returns its id."""
        key, now = uuid4().hex, _now()
        values = {"id": key, "analyst": analyst, "title": title[:_TITLE_LENGTH], "created_at": now, "updated_at": now}
        with self._engine.begin() as connection:
            connection.execute(tables.conversations.insert().values(**values))
        return key

    def add(self, conversation_id: str, role: str, content: str, payload: dict[str, Any] | None = None) -> int:
        """Adds a message and returns its id; `role` is user or assistant."""
        now = _now()
        values = {
            "conversation_id": conversation_id,
            "role": role,
            "content": content,
            "payload": payload or {},
            "created_at": now,
        }
        table = tables.conversations
        with self._engine.begin() as connection:
            key = connection.execute(tables.messages.insert().values(**values)).inserted_primary_key
            connection.execute(update(table).where(table.c.id == conversation_id).values(updated_at=now))
        return int(key[0]) if key else 0

    def messages(self, conversation_id: str, analyst: str) -> list[Message]:
        """The messages of a conversation in order; none where it is not this analyst's."""
        query = (
            select(tables.messages)
            .join(tables.conversations, tables.messages.c.conversation_id == tables.conversations.c.id)
            .where(tables.conversations.c.id == conversation_id, tables.conversations.c.analyst == analyst)
            .order_by(tables.messages.c.id)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Message(row["id"], row["role"], row["content"], _moment(row["created_at"]), dict(row["payload"]))
            for row in rows
        ]

    def recent(self, analyst: str, limit: int = 20) -> list[Conversation]:
        """This analyst's conversations, the latest first."""
        table = tables.conversations
        query = select(table).where(table.c.analyst == analyst).order_by(table.c.updated_at.desc()).limit(limit)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Conversation(
                row["id"], row["analyst"], row["title"], _moment(row["created_at"]), _moment(row["updated_at"])
            )
            for row in rows
        ]

    def add_feedback(
        self,
        helpful: bool,
        analyst: str,
        *,
        message_id: int | None = None,
        question: str = "",
        answer: str = "",
        correction: str = "",
    ) -> int:
        """Stores what an analyst thought of an answer and returns the id of that feedback.

        Raises:
            LookupError: there is no such message.
        """
        with self._engine.begin() as connection:
            if message_id is not None:
                known = select(tables.messages.c.content).where(tables.messages.c.id == message_id)
                content = connection.scalar(known)
                if content is None:
                    raise LookupError(f"there is no message {message_id}")
                answer = answer or content
            values = {
                "message_id": message_id,
                "question": question,
                "answer": answer,
                "helpful": helpful,
                "correction": correction.strip(),
                "analyst": analyst,
                "created_at": _now(),
            }
            key = connection.execute(tables.feedback.insert().values(**values)).inserted_primary_key
        return int(key[0]) if key else 0


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
