"""Conversations with the assistant: a question is stored before it is answered, so that nothing asked is lost.

A conversation belongs to who began it; every reading and every change asks for its owner. The message of an answer is
there from the moment the question is: `state` in its payload says whether it is being written, done, stopped or failed.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select, update

from app import tables
from app.records import Conversation, Message

WRITING, DONE, STOPPED, FAILED = "writing", "done", "stopped", "failed"
"""What becomes of an answer. One that is being written by nobody was interrupted."""

_TITLE_LENGTH = 80


class UnknownConversationError(LookupError):
    """There is no such conversation or message, or it is somebody else's: the two are not told apart."""


class Conversations:
    """Conversations, their messages and the feedback on answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, analyst: str, title: str) -> str:
        """Starts a conversation and returns its id."""
        key, now = uuid4().hex, _now()
        values = {"id": key, "analyst": analyst, "title": _title(title), "created_at": now, "updated_at": now}
        with self._engine.begin() as connection:
            connection.execute(tables.conversations.insert().values(**values))
        return key

    def add(self, conversation_id: str, role: str, content: str, payload: dict[str, Any] | None = None) -> int:
        """Adds a message and returns its id; `role` is user or assistant."""
        with self._engine.begin() as connection:
            return _add(connection, conversation_id, role, content, payload or {})

    def add_question(
        self, conversation_id: str, analyst: str, question: str, payload: dict[str, Any]
    ) -> tuple[int, int]:
        """Adds a question and, empty, the message that will hold its answer, in one step.

        Returns:
            The ids of both messages.

        Raises:
            UnknownConversationError: there is no such conversation of this analyst.
        """
        with self._engine.begin() as connection:
            _own(connection, conversation_id, analyst)
            asked = _add(connection, conversation_id, "user", question, {})
            return asked, _add(connection, conversation_id, "assistant", "", {**payload, "state": WRITING})

    def write(self, message_id: int, content: str, payload: dict[str, Any]) -> None:
        """Stores what an answer is so far, or in the end; `payload` holds its state."""
        with self._engine.begin() as connection:
            connection.execute(
                update(tables.messages)
                .where(tables.messages.c.id == message_id)
                .values(content=content, payload=payload)
            )

    def get(self, conversation_id: str, analyst: str) -> Conversation:
        """One conversation.

        Raises:
            UnknownConversationError: there is no such conversation of this analyst.
        """
        with self._engine.connect() as connection:
            return _own(connection, conversation_id, analyst)

    def questions_since(self, since: datetime, most: int) -> list[str]:
        """What everybody asked from a moment on, the latest first; for measurements alone, which show no names."""
        query = (
            select(tables.messages.c.content)
            .where(tables.messages.c.role == "user", tables.messages.c.created_at >= int(since.timestamp()))
            .order_by(tables.messages.c.id.desc())
            .limit(most)
        )
        with self._engine.connect() as connection:
            return [str(content) for content in connection.scalars(query)]

    def messages(self, conversation_id: str, analyst: str) -> list[Message]:
        """The messages of a conversation in order; none where it is not this analyst's."""
        query = _messages_of(analyst).where(tables.conversations.c.id == conversation_id)
        with self._engine.connect() as connection:
            return [_message(row) for row in connection.execute(query.order_by(tables.messages.c.id)).mappings()]

    def message(self, message_id: int, analyst: str) -> Message:
        """One message.

        Raises:
            UnknownConversationError: there is no such message in a conversation of this analyst.
        """
        with self._engine.connect() as connection:
            row = connection.execute(_messages_of(analyst).where(tables.messages.c.id == message_id)).mappings().first()
        if row is None:
            raise UnknownConversationError(f"there is no message {message_id}")
        return _message(row)

    def recent(self, analyst: str, limit: int = 20, search: str = "", offset: int = 0) -> list[Conversation]:
        """This analyst's conversations, the latest first.

        Args:
            analyst: Whose.
            limit: How many at most.
            search: Words that must all stand in the title or in a message; empty: all conversations.
            offset: How many to pass over.
        """
        table = tables.conversations
        query = select(table).where(table.c.analyst == analyst, *(_holds(word) for word in search.split()[:8]))
        query = query.order_by(table.c.updated_at.desc(), table.c.created_at.desc(), table.c.id)
        with self._engine.connect() as connection:
            return [_conversation(row) for row in connection.execute(query.offset(offset).limit(limit)).mappings()]

    def latest_titled(self, analyst: str, beginning: str) -> Conversation | None:
        """This analyst's latest conversation whose title begins so; None where there is none."""
        table = tables.conversations
        query = (
            select(table)
            .where(table.c.analyst == analyst, table.c.title.startswith(beginning, autoescape=True))
            .order_by(table.c.updated_at.desc(), table.c.created_at.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _conversation(row)

    def rename(self, conversation_id: str, analyst: str, title: str) -> Conversation:
        """Gives a conversation another title; an empty one changes nothing.

        Raises:
            UnknownConversationError: there is no such conversation of this analyst.
        """
        table = tables.conversations
        with self._engine.begin() as connection:
            _own(connection, conversation_id, analyst)
            if title.strip():
                connection.execute(update(table).where(table.c.id == conversation_id).values(title=_title(title)))
            return _own(connection, conversation_id, analyst)

    def delete(self, conversation_id: str, analyst: str) -> None:
        """Deletes a conversation with its messages; feedback stays, without the message that it was on.

        Raises:
            UnknownConversationError: there is no such conversation of this analyst.
        """
        messages, feedback = tables.messages, tables.feedback
        with self._engine.begin() as connection:
            _own(connection, conversation_id, analyst)
            gone = select(messages.c.id).where(messages.c.conversation_id == conversation_id)
            connection.execute(update(feedback).where(feedback.c.message_id.in_(gone)).values(message_id=None))
            connection.execute(messages.delete().where(messages.c.conversation_id == conversation_id))
            connection.execute(tables.conversations.delete().where(tables.conversations.c.id == conversation_id))

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
            UnknownConversationError: there is no such message in a conversation of this analyst.
        """
        if message_id is not None:
            answer = answer or self.message(message_id, analyst).content
        values = {
            "message_id": message_id,
            "question": question,
            "answer": answer,
            "helpful": helpful,
            "correction": correction.strip(),
            "analyst": analyst,
            "created_at": _now(),
        }
        with self._engine.begin() as connection:
            key = connection.execute(tables.feedback.insert().values(**values)).inserted_primary_key
        return int(key[0]) if key else 0

    def feedback_on(self, message_ids: list[int], analyst: str) -> dict[int, bool]:
        """What this analyst last thought of some messages: by id, whether they helped."""
        table = tables.feedback
        query = (
            select(table.c.message_id, table.c.helpful)
            .where(table.c.message_id.in_(message_ids), table.c.analyst == analyst)
            .order_by(table.c.id)
        )
        with self._engine.connect() as connection:
            return {int(key): bool(helpful) for key, helpful in connection.execute(query)}


def _add(connection: Connection, conversation_id: str, role: str, content: str, payload: dict[str, Any]) -> int:
    now = _now()
    values = {
        "conversation_id": conversation_id,
        "role": role,
        "content": content,
        "payload": payload,
        "created_at": now,
    }
    table = tables.conversations
    key = connection.execute(tables.messages.insert().values(**values)).inserted_primary_key
    connection.execute(update(table).where(table.c.id == conversation_id).values(updated_at=now))
    return int(key[0]) if key else 0


def _own(connection: Connection, conversation_id: str, analyst: str) -> Conversation:
    table = tables.conversations
    query = select(table).where(table.c.id == conversation_id, table.c.analyst == analyst)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownConversationError(f"there is no conversation {conversation_id}")
    return _conversation(row)


def _messages_of(analyst: str) -> Any:
    joined = tables.messages.c.conversation_id == tables.conversations.c.id
    return select(tables.messages).join(tables.conversations, joined).where(tables.conversations.c.analyst == analyst)


def _holds(word: str) -> ColumnElement[bool]:
    """Whether a conversation's title or one of its messages holds a word, whatever its case."""
    low = word.lower()
    messages = tables.messages
    said = (
        select(messages.c.id)
        .where(messages.c.conversation_id == tables.conversations.c.id)
        .where(func.lower(messages.c.content).contains(low, autoescape=True))
    )
    return or_(func.lower(tables.conversations.c.title).contains(low, autoescape=True), said.exists())


def _message(row: Any) -> Message:
    return Message(row["id"], row["role"], row["content"], _moment(row["created_at"]), dict(row["payload"]))


def _conversation(row: Any) -> Conversation:
    times = (_moment(row["created_at"]), _moment(row["updated_at"]))
    return Conversation(row["id"], row["analyst"], row["title"], *times)


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_LENGTH else line[: _TITLE_LENGTH - 1] + "…"


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
