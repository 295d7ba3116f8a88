"""Routes of the queue: list alerts, read one, decide, take back."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from app.api_models import PROBLEMS, AlertDetailBody, AlertListBody, DecisionRequest, DispositionBody, ProblemBody
from app.desk import Desk, local_analyst
from app.records import AlertFilter, plain

State = Literal["open", "needs_information", "confirmed_fraud", "legitimate", "inconclusive"]
AlertId = Annotated[int, Path(ge=1, le=2**31 - 1)]

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": ProblemBody, "description": "There is no such alert."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "The alert is in another state than this needs."}
}


def router(desk: Desk) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api/alerts", tags=["alerts"], responses=PROBLEMS)

    @routes.get("", summary="Alerts by expected loss", response_model=AlertListBody)
    def listed(
        state: Annotated[list[State] | None, Query(description="Repeat for several; all where left out.")] = None,
        min_score: Annotated[float, Query(ge=0, le=1, description="Least probability.")] = 0.0,
        q: Annotated[str, Query(max_length=200, description="Start of a transaction id, payer or payee.")] = "",
        offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> dict[str, Any]:
        page = desk.store.alerts(AlertFilter(tuple(state or ()), min_score, q), offset, limit)
        items = [plain(item) for item in page.items]
        return {"items": items, "total": page.total, "offset": page.offset, "limit": page.limit}

    @routes.get("/{alert_id}", summary="One alert", response_model=AlertDetailBody, responses=_NOT_FOUND)
    def one(alert_id: AlertId) -> dict[str, Any]:
        alert = desk.store.alert(alert_id)
        desk.store.audit(local_analyst(), "read", f"alert {alert_id}")
        return plain(alert)

    @routes.post(
        "/{alert_id}/disposition",
        summary="Decide on an alert",
        response_model=DispositionBody,
        status_code=201,
        responses=_NOT_FOUND | _CONFLICT,
    )
    def decide(alert_id: AlertId, request: DecisionRequest) -> dict[str, Any]:
        made = desk.store.decide(alert_id, request.decision, request.reason_code, request.note, local_analyst())
        return plain(made)

    @routes.delete(
        "/{alert_id}/disposition",
        summary="Take back the decision in force",
        response_model=AlertDetailBody,
        responses=_NOT_FOUND | _CONFLICT,
    )
    def undo(alert_id: AlertId) -> dict[str, Any]:
        return plain(desk.store.undo(alert_id, local_analyst()))

    return routes
