"""Routes of the registry: versions, comparison, promotion, rejection, rollback, retraining."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.access import User
from app.access_api import allowed
from app.api_jobs import JobBody, job_body
from app.api_models import PROBLEMS, ProblemBody
from app.desk import Desk
from app.model_settings import gates_of
from fraud_model.registry import ModelVersionInfo

_REASON = Field(min_length=3, max_length=1_000, description="Why; it stands in the history.")
_VERSION = Field(pattern=r"^(\d{1,9}|champion|candidate|previous)$", description="Number, or candidate.")
_NAMED = Query(pattern=r"^(\d{1,9}|champion|candidate|previous)$", description="Number of a version, or its alias.")
Version = Annotated[str, Path(pattern=r"^(\d{1,9}|champion|candidate|previous)$")]
_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "Not possible, or something stands against it; `detail` says what."}
}


class PromoteRequest(BaseModel):
    """Make a version the champion."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"version": "2", "reason": "Beats version 1 on the last week's payments."}]},
    )

    version: str = _VERSION
    reason: str = _REASON
    despite: str = Field("", max_length=1_000, description="Why, although something stands against it.")


class RejectRequest(BaseModel):
    """Say that a version must not become the champion."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"version": "3", "reason": "Worse on transfers over 5,000."}]}
    )

    version: str = _VERSION
    reason: str = _REASON


class ReasonRequest(BaseModel):
    """Why something is done."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reason": "Alerts doubled since the promotion."}]}
    )

    reason: str = _REASON


class VersionBody(BaseModel):
    """One registered version. `problems` is what stands against its promotion."""

    model_config = ConfigDict(protected_namespaces=())

    version: str
    status: str
    trained_at: str
    run_id: str
    metrics: dict[str, float]
    problems: list[str]


class HistoryBody(BaseModel):
    """One decision on a version."""

    at: str
    action: str
    version: str
    by: str
    reason: str
    replaced: str
    despite: str
    metrics: dict[str, float]


def router(desk: Desk) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api/model", tags=["model"], responses=PROBLEMS | _REFUSED)

    @routes.get("/versions", summary="Every registered version", response_model=list[VersionBody])
    def versions(user: Annotated[User, allowed("read")]) -> list[dict[str, Any]]:
        return [_body(desk, info) for info in desk.registry.versions()]

    @routes.get("/history", summary="Who decided what on which version, when and why", response_model=list[HistoryBody])
    def history(user: Annotated[User, allowed("read")]) -> list[dict[str, Any]]:
        return [
            {
                "at": entry.at.isoformat(),
                "action": entry.action,
                "version": entry.version,
                "by": entry.by,
                "reason": entry.reason,
                "replaced": entry.replaced,
                "despite": entry.despite,
                "metrics": dict(entry.metrics),
            }
            for entry in desk.registry.history()
        ]

    @routes.post("/promote", summary="Make a version the champion", response_model=VersionBody)
    def promote(user: Annotated[User, allowed("promote")], request: PromoteRequest) -> dict[str, Any]:
        info = desk.registry.promote(
            request.version, user.name, request.reason, despite=request.despite, gates=gates_of(desk.settings)
        )
        return _decided(desk, user, "promote", info)

    @routes.post("/reject", summary="Reject a version", response_model=VersionBody)
    def reject(user: Annotated[User, allowed("promote")], request: RejectRequest) -> dict[str, Any]:
        return _decided(desk, user, "reject", desk.registry.reject(request.version, user.name, request.reason))

    @routes.post("/rollback", summary="Go back to the champion before", response_model=VersionBody)
    def rollback(user: Annotated[User, allowed("promote")], request: ReasonRequest) -> dict[str, Any]:
        return _decided(desk, user, "rollback", desk.registry.rollback(user.name, request.reason))

    @routes.post(
        "/retrain",
        summary="Train a candidate on the payments and decisions known now",
        response_model=JobBody,
        status_code=202,
    )
    def retrain(user: Annotated[User, allowed("retrain")], request: ReasonRequest) -> dict[str, Any]:
        return job_body(desk.jobs.submit_retraining(user.name, request.reason))

    @routes.get("/compare", summary="Figures of two versions side by side", response_model=dict[str, Any])
    def compare(
        user: Annotated[User, allowed("read")],
        first: Annotated[str, _NAMED] = "champion",
        second: Annotated[str, _NAMED] = "candidate",
    ) -> dict[str, Any]:
        one, other = desk.registry.version(first), desk.registry.version(second)
        names = [name for name in one.metrics if name in other.metrics]
        figures = {
            name: {
                "first": one.metrics[name],
                "second": other.metrics[name],
                "difference": other.metrics[name] - one.metrics[name],
            }
            for name in names
        }
        return {"first": one.version, "second": other.version, "figures": figures}

    return routes


def _decided(desk: Desk, user: User, action: str, info: ModelVersionInfo) -> dict[str, Any]:
    desk.store.trail.record(user, action, f"model v{info.version}")
    # In use at once here; a desk elsewhere follows within seconds.
    desk.follow_champion()
    return _body(desk, info)


def _body(desk: Desk, info: ModelVersionInfo) -> dict[str, Any]:
    waiting = info.status not in ("champion", "rejected")
    return {
        "version": info.version,
        "status": info.status,
        "trained_at": info.created.isoformat(),
        "run_id": info.run_id,
        "metrics": {name: value for name, value in info.metrics.items() if value == value},
        "problems": list(desk.registry.standing(info.version, gates_of(desk.settings)).problems) if waiting else [],
    }
