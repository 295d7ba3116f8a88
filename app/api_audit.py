"""Routes about access: who is signed in, and the audit trail."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator

from app.access import ACTIONS, User
from app.access_api import allowed
from app.api_models import PROBLEMS
from app.audit import AuditFilter
from app.desk import Desk
from app.records import plain


def _iso(text: Any) -> Any:
    if isinstance(text, str) and text[4:5] != "-":
        raise ValueError("a time is written as 2026-06-01T09:30:00Z")
    return text


# Plain numbers would be taken for seconds since 1970, which nobody means who writes 2026.
Moment = Annotated[datetime, BeforeValidator(_iso)]


class MeBody(BaseModel):
    """Who is signed in. `role` is empty at a desk without users, where everything is allowed."""

    name: str
    role: str
    may: list[str]


class AuditEntryBody(BaseModel):
    """One line of the audit trail; `detail` holds the id of the request and what belongs to the action."""

    id: int
    at: str
    who: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditListBody(BaseModel):
    """Lines, the latest first; `next_before` as `before` asks for those that follow, null at the end."""

    items: list[AuditEntryBody]
    next_before: int | None


def router(desk: Desk) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api", tags=["access"], responses=PROBLEMS)

    @routes.get("/me", summary="Who is signed in", response_model=MeBody)
    def me(user: Annotated[User, allowed("read")]) -> dict[str, Any]:
        return {"name": user.name, "role": user.role, "may": [action for action in ACTIONS if user.may(action)]}

    @routes.get("/audit", summary="The audit trail, the latest line first", response_model=AuditListBody)
    def audit(
        user: Annotated[User, allowed("audit")],
        who: Annotated[str, Query(max_length=100, description="Name of a user.")] = "",
        action: Annotated[str, Query(max_length=50, description="What was done, such as `read`.")] = "",
        subject: Annotated[str, Query(max_length=200, description="To what, such as `alert 7`.")] = "",
        since: Annotated[Moment | None, Query(description="First moment; UTC where it names no zone.")] = None,
        until: Annotated[Moment | None, Query(description="Moment after the last.")] = None,
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only lines before this id.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000, description="How many at most, the latest first.")] = 100,
    ) -> dict[str, Any]:
        wanted = AuditFilter(who, action, subject, since, until)
        page = desk.store.trail.entries(wanted, before, limit)
        return {"items": [plain(entry) for entry in page.items], "next_before": page.next_before}

    return routes
