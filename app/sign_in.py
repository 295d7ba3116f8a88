"""Signing in and out: a form that works without scripts, a cookie that scripts cannot read."""

import math
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from app import context
from app.auth import SIGN_IN, SIGN_OUT, user_or_none
from app.desk import Desk
from app.errors import Problem, RefusedError, response_of
from app.guard import COOKIE, SESSION, SINGLE, Guard, Visitor
from app.limits import FailedSignIns
from app.ui.sign_in import sign_in_page

_MOST_BYTES = 16_000
_WRONG = "Name and password do not go together, or the user is disabled."


def install(app: FastAPI, desk: Desk, guard: Guard) -> None:
    """Adds the routes of signing in and out; sign-ins that fail are slowed down."""
    failures = FailedSignIns()

    @app.get(SIGN_IN, include_in_schema=False, response_class=HTMLResponse)
    def form(request: Request, next: str = "/") -> Response:
        visitor: Visitor = request.state.visitor
        if visitor.kind in (SESSION, SINGLE):
            return RedirectResponse(own_path(next), 303)
        return HTMLResponse(sign_in_page(next=own_path(next)))

    @app.post(SIGN_IN, include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        fields = await _fields(request)
        name, password, to = (fields.get(key, "") for key in ("name", "password", "next"))
        address = context.address.get()
        wait = failures.wait(name, address)
        if wait:
            return _refused(request, 429, f"Too many attempts. Try again in {_words(wait)}.", name, to, wait)
        done = await run_in_threadpool(desk.store.users.sign_in, name, password, address)
        if done is None:
            failures.failed(name, address)
            await run_in_threadpool(_note_refusal, desk, name)
            return _refused(request, 401, _WRONG, name, to)
        failures.succeeded(name, address)
        answer = RedirectResponse(own_path(to), 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, done.secret, httponly=True, samesite="lax", secure=secure, path="/")
        return answer

    @app.post(SIGN_OUT, include_in_schema=False)
    def sign_out(request: Request) -> Response:
        visitor: Visitor = request.state.visitor
        user = user_or_none(request.scope)
        if visitor.kind == SESSION and user is not None:
            desk.store.users.sessions.end(visitor.secret)
            guard.forget(visitor.secret)
            desk.store.trail.record(user, "sign_out", f"user {user.name}")
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        return answer


def own_path(path: str) -> str:
    """The path where it is one of this desk's, else `/`: nobody is sent to another site after signing in."""
    parts = urlsplit(path.replace("\\", "/"))
    fine = path.startswith("/") and not path.startswith("//") and not parts.scheme and not parts.netloc
    if not fine or not path.isprintable() or path.startswith((SIGN_IN, SIGN_OUT)):
        return "/"
    return quote(path, safe="/?=&%#:+,;@!$'()*~-._")


def _note_refusal(desk: Desk, name: str) -> None:
    # What was typed may be a password in the wrong field: only the name of a user is kept.
    known = desk.store.users.find(name)
    desk.store.audit("nobody", "sign_in_refused", "user unknown" if known is None else f"user {known.name}")


def _refused(request: Request, status: int, text: str, name: str, to: str, wait: float = 0.0) -> Response:
    headers = {"Retry-After": str(math.ceil(wait))} if wait else {}
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(sign_in_page(next=own_path(to), name=name, problem=text), status, headers=headers)
    code = "too_many_requests" if status == 429 else "wrong_password"
    return response_of(Problem(status, code, text), headers)


async def _fields(request: Request) -> dict[str, str]:
    """The fields of the form, each once; a form needs no parser of files here."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise RefusedError("the form is too large", 413, "too_large")
    parsed = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    return {name: values[0] for name, values in parsed.items()}


def _words(wait: float) -> str:
    seconds = math.ceil(wait)
    if seconds < 100:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    return f"{math.ceil(seconds / 60)} minutes"
