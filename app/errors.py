"""Errors at the edge: every error of the lower packages becomes one shape for HTTP and one sentence for the page.

HTTP answers are problem details (RFC 9457) with a `code` that does not change between releases:

    {"type": "about:blank", "title": "Not found", "status": 404, "code": "not_found", "detail": "there is no alert 7"}
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app import context
from app.access import ForbiddenError
from app.failures import classify
from app.store import ConflictError, InvalidDecisionError, NotFoundError, StoreError
from fraud_model.errors import FraudModelError
from retrieval.errors import RetrievalError

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
HIDDEN = "Something went wrong inside the desk. The log has the details."


class NotReadyError(Exception):
    """A part of the desk is not there yet; the message says which command makes it."""


class RefusedError(Exception):
    """The request is understood and refused; the message says why. `code` and `status` go to the caller."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Problem:
    """What is told about an error: HTTP status, stable code, one clear sentence."""

    status: int
    code: str
    detail: str

    def body(self, **extra: Any) -> dict[str, Any]:
        """The problem as the JSON object of RFC 9457."""
        title = HTTPStatus(self.status).phrase.capitalize()
        base = {"type": "about:blank", "title": title, "status": self.status, "code": self.code, "detail": self.detail}
        request = context.request_id.get()
        return {**base, **({"request_id": request} if request else {}), **extra}


# The desk's own errors; everything else is classified where the command line classifies it too.
_OWN: Sequence[tuple[type[Exception], int, str]] = (
    (NotReadyError, 503, "not_ready"),
    (ForbiddenError, 403, "forbidden"),
    (NotFoundError, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (InvalidDecisionError, 422, "invalid_decision"),
    (StoreError, 503, "database_unavailable"),
)

_HTTP_CODES = {401: "not_signed_in", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def problem_of(error: Exception) -> Problem:
    """What to tell about an error; one that nobody foresaw is logged and told as such."""
    if isinstance(error, RefusedError):
        return Problem(error.status, error.code, str(error))
    for own, status, code in _OWN:
        if isinstance(error, own):
            return Problem(status, code, str(error))
    failure = classify(error)
    if failure is not None:
        return Problem(failure.status, failure.code, failure.message)
    log.error("unforeseen error", exc_info=error)
    return Problem(500, "internal_error", HIDDEN)


def message_of(error: Exception) -> str:
    """The sentence shown on the page."""
    detail = problem_of(error).detail
    return detail[:1].upper() + detail[1:]


def response_of(problem: Problem, headers: dict[str, str] | None = None, **extra: Any) -> JSONResponse:
    """The HTTP answer for a problem."""
    return JSONResponse(problem.body(**extra), problem.status, headers=headers, media_type=PROBLEM_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the app's own routes a problem answer."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"where": ".".join(str(part) for part in e["loc"]), "message": e["msg"]} for e in error.errors()]
        first = errors[0] if errors else {"where": "request", "message": "invalid"}
        detail = f"{first['where']}: {first['message']}"
        return response_of(Problem(422, "invalid_request", detail), errors=errors)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        code = _HTTP_CODES.get(error.status_code, "refused")
        headers = dict(error.headers) if error.headers else None
        return response_of(Problem(error.status_code, code, str(error.detail)), headers)

    # What nobody foresaw is answered where requests are followed (app.observe).
    for known in (RefusedError, NotReadyError, ForbiddenError, StoreError, FraudModelError, RetrievalError):
        app.add_exception_handler(known, _answer)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    return response_of(problem_of(error))
