"""Routes of the assistant: ask, as JSON or as server-sent events, and feedback on an answer."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from app.api_models import PROBLEMS, AskRequest, FeedbackRequest
from app.desk import Desk, local_analyst
from app.errors import problem_of
from app.observe import Metrics
from app.records import plain
from app.store import NotFoundError

_STREAM = "text/event-stream"
_EXAMPLE = {
    "answer": "Payments over EUR 10,000 to a new payee are held until the customer is reached.",
    "status": "answered",
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
    "answerer": "extractive",
    "elapsed_ms": 48.2,
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, each sentence with its citations. As events: `step` for each thing done, `case` "
        "with figures from tools, `draft` with the text so far, not yet checked, then `answer` with the whole answer, "
        "or `error` with a problem.",
        "content": {"application/json": {"example": _EXAMPLE}, _STREAM: {"schema": {"type": "string"}}},
    }
}


def router(desk: Desk, metrics: Metrics) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api", tags=["assistant"], responses=PROBLEMS)

    @routes.post("/ask", summary="Ask a question", response_model=None, responses=_ANSWERS)
    def ask(request: AskRequest, accept: Annotated[str, Header()] = "") -> StreamingResponse | dict[str, Any]:
        if _STREAM in accept:
            # No proxy may hold events back until the answer is complete.
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(_events(desk, request, metrics), media_type=_STREAM, headers=headers)
        reply = desk.ask(request.question, request.transaction_id, request.as_of)
        metrics.answers.labels(reply.answer.status).inc()
        return reply.to_dict()

    @routes.post("/feedback", summary="Say whether an answer helped", status_code=201)
    def feedback(request: FeedbackRequest) -> dict[str, int]:
        try:
            key = desk.store.conversations.add_feedback(
                request.helpful,
                local_analyst(),
                message_id=request.message_id,
                question=request.question,
                answer=request.answer,
                correction=request.correction,
            )
        except LookupError as error:
            raise NotFoundError(str(error)) from error
        return {"id": key}

    return routes


def _events(desk: Desk, request: AskRequest, metrics: Metrics) -> Iterator[str]:
    try:
        for step in desk.ask_steps(request.question, request.transaction_id, request.as_of):
            if step.said:
                yield _event("draft", {"text": step.said})
            elif step.text:
                yield _event("step", {"kind": step.kind, "text": step.text})
            if step.case is not None:
                yield _event("case", plain(step.case))
            if step.reply is not None:
                metrics.answers.labels(step.reply.answer.status).inc()
                yield _event("answer", step.reply.to_dict())
    except Exception as error:
        # The answer's status is sent already; the client learns of the error by an event.
        yield _event("error", problem_of(error).body())


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
