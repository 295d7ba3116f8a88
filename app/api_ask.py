"""Routes of the assistant: ask, as JSON or as server-sent events; conversations; feedback on an answer."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import StreamingResponse

from app.access import User
from app.access_api import allowed
from app.answering import Running, Snapshot
from app.api_models import PROBLEMS, AskRequest, FeedbackRequest, ProblemBody
from app.api_talk_models import ConversationBody, ConversationDetailBody, ConversationListBody, RenameRequest
from app.conversations import DONE, UnknownConversationError
from app.desk import Desk
from app.errors import problem_of
from app.feedback import give_feedback
from app.observe import Metrics
from app.records import Conversation, Message, plain
from app.store_errors import NotFoundError

_STREAM = "text/event-stream"
_EXAMPLE = {
    "answer": "Payments over EUR 10,000 to a new payee are held until the customer is reached.",
    "status": "answered",
    "answered_from": ["documents"],
    "sentences": [
        {
            "text": "Payments over EUR 10,000 to a new payee are held until the customer is reached.",
            "supported": True,
            "citations": [
                {
                    "document_id": "policies/payment-holds",
                    "passage_id": "policies/payment-holds#3",
                    "source": "docs_corpus/policies/payment-holds.md",
                    "start": 812,
                    "end": 895,
                    "quote": "Payments over EUR 10,000 to a new payee are held until the customer is reached.",
                }
            ],
        }
    ],
    "tool_results": [],
    "answerer": "extractive",
    "arm": "default",
    "elapsed_ms": 48.2,
}
_FIGURES_EXAMPLE = {
    "answer": "The desk holds 49 alerts: 49 open, 0 needs information, 0 confirmed fraud, 0 legitimate.",
    "status": "answered",
    "answered_from": ["tools"],
    "sentences": [],
    "tool_results": [
        {
            "tool": "queue_figures",
            "arguments": {},
            "title": "Alerts now",
            "sentences": ["The desk holds 49 alerts: 49 open, ..."],
            "figures": [{"label": "Open", "value": 49, "text": "49"}],
            "source": "the alerts of this desk",
            "links": [],
        }
    ],
    "answerer": "extractive",
    "arm": "default",
    "elapsed_ms": 3.1,
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer: each sentence from the documents with its citations, and in `tool_results` every "
        "figure that came from a tool. As events: `step` for each thing done, `case` and `figures` with figures from "
        "tools, `draft` with the text so far, not yet checked, then `answer` with the whole answer, or `error` with "
        "a problem.",
        "content": {
            "application/json": {
                "examples": {
                    "documents": {"summary": "From the documents", "value": _EXAMPLE},
                    "figures": {"summary": "From a tool", "value": _FIGURES_EXAMPLE},
                }
            },
            _STREAM: {"schema": {"type": "string"}},
        },
    }
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemBody, "description": "There is no such conversation or message of this user."}
}
_FAILED: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "The index was built with another model; `detail` says what to run."}
}
ConversationId = Annotated[str, Path(max_length=64, description="Id of the conversation.")]


def router(desk: Desk, metrics: Metrics) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api", tags=["assistant"], responses=PROBLEMS)
    _asking(routes, desk, metrics)
    _conversations(routes, desk)
    return routes


def _asking(routes: APIRouter, desk: Desk, metrics: Metrics) -> None:
    @routes.post("/ask", summary="Ask a question", response_model=None, responses=_ANSWERS | _NOT_FOUND | _FAILED)
    def ask(
        request: AskRequest,
        user: Annotated[User, allowed("ask")],
        accept: Annotated[str, Header(description="text/event-stream gives the answer as it is written.")] = "",
    ) -> StreamingResponse | dict[str, Any]:
        """Answers from the documents and, where the question asks for figures, from tools.

        With `conversation_id` the question and its answer are kept: `new` begins a conversation, an id goes on with
        one. A kept answer is finished even if the connection ends; it is found again in the conversation.
        """
        running = _kept(desk, user, request) if request.conversation_id else None
        if _STREAM in accept:
            # No proxy may hold events back until the answer is complete.
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            events = _events(desk, user, request, metrics) if running is None else _followed(running, metrics)
            return StreamingResponse(events, media_type=_STREAM, headers=headers)
        if running is None:
            reply = desk.ask(request.question, request.transaction_id, request.as_of, user)
        else:
            final = running.wait()
            if final.reply is None:
                raise final.failure or NotFoundError(final.error or "the answer was stopped")
            reply = final.reply
        metrics.answers.labels(reply.status).inc()
        return reply.to_dict() | _where(running)

    @routes.post("/feedback", summary="Say whether an answer helped", status_code=201, responses=_NOT_FOUND)
    def feedback(request: FeedbackRequest, user: Annotated[User, allowed("feedback")]) -> dict[str, int]:
        """Stored, attached to the answer's trace in MLflow, and with a correction kept as a candidate question."""
        try:
            key = give_feedback(
                desk,
                user,
                request.helpful,
                message_id=request.message_id,
                question=request.question,
                answer=request.answer,
                correction=request.correction,
            )
        except UnknownConversationError as error:
            raise NotFoundError(str(error)) from error
        return {"id": key}


def _conversations(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/conversations", summary="Your conversations", response_model=ConversationListBody)
    def listed(
        user: Annotated[User, allowed("ask")],
        q: Annotated[str, Query(max_length=200, description="Words of a title or a message.")] = "",
        offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to pass over.")] = 0,
        limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
    ) -> dict[str, Any]:
        items = [_listed(item) for item in desk.store.conversations.recent(user.name, limit, q, offset)]
        return {"items": items, "offset": offset, "limit": limit}

    @routes.get(
        "/conversations/{conversation_id}",
        summary="One conversation with its messages",
        response_model=ConversationDetailBody,
        responses=_NOT_FOUND,
    )
    def one(conversation_id: ConversationId, user: Annotated[User, allowed("ask")]) -> dict[str, Any]:
        try:
            found = desk.store.conversations.get(conversation_id, user.name)
        except UnknownConversationError as error:
            raise NotFoundError(str(error)) from error
        messages = desk.store.conversations.messages(conversation_id, user.name)
        return _listed(found) | {"messages": [_message(desk, message) for message in messages]}

    @routes.patch(
        "/conversations/{conversation_id}",
        summary="Rename a conversation",
        response_model=ConversationBody,
        responses=_NOT_FOUND,
    )
    def rename(
        conversation_id: ConversationId, request: RenameRequest, user: Annotated[User, allowed("ask")]
    ) -> dict[str, Any]:
        try:
            return _listed(desk.store.conversations.rename(conversation_id, user.name, request.title))
        except UnknownConversationError as error:
            raise NotFoundError(str(error)) from error

    @routes.delete(
        "/conversations/{conversation_id}", summary="Delete a conversation", status_code=204, responses=_NOT_FOUND
    )
    def delete(conversation_id: ConversationId, user: Annotated[User, allowed("ask")]) -> None:
        running = desk.answering.of_conversation(conversation_id)
        try:
            desk.store.conversations.delete(conversation_id, user.name)
        except UnknownConversationError as error:
            raise NotFoundError(str(error)) from error
        if running is not None:
            desk.answering.stop(running)
        desk.store.trail.record(user, "delete", f"conversation {conversation_id}")


def _kept(desk: Desk, user: User, request: AskRequest) -> Running:
    known = "" if request.conversation_id == "new" else str(request.conversation_id)
    try:
        return desk.answering.ask(user, request.question, known, request.transaction_id or "", request.as_of)
    except UnknownConversationError as error:
        raise NotFoundError(str(error)) from error


def _where(running: Running | None) -> dict[str, Any]:
    """Where an answer is kept."""
    if running is None:
        return {}
    return {"conversation_id": running.conversation_id, "message_id": running.message_id}


def _listed(item: Conversation) -> dict[str, Any]:
    body = plain(item)
    del body["analyst"]
    return body


def _message(desk: Desk, message: Message) -> dict[str, Any]:
    state = desk.answering.state_of(message)
    finished = message.role == "assistant" and state == DONE
    answer = {name: value for name, value in message.payload.items() if name not in ("state", "passages")}
    return {
        "id": message.id,
        "role": message.role,
        "content": message.content,
        "created_at": plain(message)["created_at"],
        "state": state,
        "answer": answer if finished else None,
    }


def _events(desk: Desk, user: User, request: AskRequest, metrics: Metrics) -> Iterator[str]:
    try:
        for step in desk.ask_steps(request.question, request.transaction_id, request.as_of, user=user):
            if step.said:
                yield _event("draft", {"text": step.said})
            elif step.text:
                yield _event("step", {"kind": step.kind, "text": step.text})
            if step.case is not None:
                yield _event("case", plain(step.case))
            if step.result is not None:
                yield _event("figures", step.result.to_dict())
            if step.reply is not None:
                metrics.answers.labels(step.reply.status).inc()
                yield _event("answer", step.reply.to_dict())
    except Exception as error:
        # The answer's status is sent already; the client learns of the error by an event.
        yield _event("error", problem_of(error).body())


def _followed(running: Running, metrics: Metrics) -> Iterator[str]:
    """The events of a kept answer, from where it is now."""
    told, figures, said = 0, 0, ""
    for now in running.follow():
        for text in now.steps[told:]:
            yield _event("step", {"kind": "step", "text": text})
        told = len(now.steps)
        for result in now.payload.get("tool_results", ())[figures:]:
            yield _event("figures", result)
            figures += 1
        if now.state == DONE and now.reply is not None:
            metrics.answers.labels(now.reply.status).inc()
            yield _event("answer", now.reply.to_dict() | _where(running))
            return
        if now.said != said:
            said = now.said
            yield _event("draft", {"text": said})
        if now.state != "writing":
            yield _event("error", _problem(now))


def _problem(now: Snapshot) -> dict[str, Any]:
    return problem_of(now.failure or NotFoundError(now.error or "the answer was stopped")).body()


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
