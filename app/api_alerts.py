"""Routes of the queue: list and export alerts, claim, decide, take back, sign, and the pack of a case."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response, StreamingResponse

from app.access import User
from app.access_api import allowed
from app.api_alert_models import BudgetBody, ChainBody, NarrativeBody, QueueFiguresBody, SignRequest
from app.api_models import PROBLEMS, AlertDetailBody, AlertListBody, DecisionRequest, DispositionBody, ProblemBody
from app.case_pack import to_markdown
from app.desk import Desk
from app.errors import NotReadyError
from app.ledger_check import ChainReport, check_ledger, check_payment
from app.narratives import draft, references
from app.queue_figures import queue_figures
from app.records import AlertFilter, iso, plain

State = Literal["open", "needs_information", "confirmed_fraud", "legitimate", "inconclusive"]
AlertId = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the alert in the queue.")]
Money = Annotated[float | None, Query(ge=0, le=1e15, description="Amount of the payment, in its currency.")]
Reader = Annotated[User, allowed("read")]
Worker = Annotated[User, allowed("decide")]

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": ProblemBody, "description": "There is no such alert."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "It is decided already, or somebody else has claimed it."}
}
_CHANGED = _NOT_FOUND | _CONFLICT
_UNUSABLE: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemBody, "description": "The model or the index does not fit this program; `detail` says why."}
}
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}, "description": "CSV in UTF-8."}}
_PACK: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/markdown": {}, "application/pdf": {}}, "description": "The pack as a file."}
}


def wanted_alerts(
    state: Annotated[list[State] | None, Query(description="Repeat for several; all where left out.")] = None,
    min_score: Annotated[float, Query(ge=0, le=1, description="Least probability.")] = 0.0,
    max_score: Annotated[float, Query(ge=0, le=1, description="Largest probability.")] = 1.0,
    min_amount: Money = None,
    max_amount: Money = None,
    typology: Annotated[str, Query(max_length=50, description="Likely typology, such as `mule_chain`.")] = "",
    owner: Annotated[str, Query(max_length=100, description="Who has claimed it; `-`: nobody.")] = "",
    min_age_hours: Annotated[float, Query(ge=0, le=1e6, description="Raised at least so long ago.")] = 0.0,
    max_age_hours: Annotated[float | None, Query(ge=0, le=1e6, description="Raised at most so long ago.")] = None,
    q: Annotated[str, Query(max_length=200, description="Start of a transaction id, payer or payee.")] = "",
) -> AlertFilter:
    """The filter that a request asks for."""
    return AlertFilter(
        states=tuple(state or ()),
        min_probability=min_score,
        search=q,
        max_probability=max_score,
        min_amount=min_amount,
        max_amount=max_amount,
        typology=typology,
        owner=owner,
        min_age_hours=min_age_hours,
        max_age_hours=max_age_hours,
    )


Wanted = Annotated[AlertFilter, Depends(wanted_alerts)]


def router(desk: Desk) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api/alerts", tags=["alerts"], responses=PROBLEMS)
    _list_routes(routes, desk)
    _case_routes(routes, desk)
    _work_routes(routes, desk)
    return routes


def _list_routes(routes: APIRouter, desk: Desk) -> None:

    @routes.get("", summary="Alerts by expected loss", response_model=AlertListBody)
    def listed(
        user: Reader,
        wanted: Wanted,
        offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many to pass over.")] = 0,
        limit: Annotated[int, Query(ge=1, le=500, description="How many at most.")] = 50,
    ) -> dict[str, Any]:
        page = desk.store.alerts(wanted, offset, limit)
        items = [plain(item) for item in page.items]
        return {"items": items, "total": page.total, "offset": page.offset, "limit": page.limit}

    @routes.get("/export.csv", summary="The queue as CSV", response_class=Response, responses=_CSV)
    def export(user: Reader, wanted: Wanted) -> StreamingResponse:
        return StreamingResponse(
            desk.cases.export(wanted, user),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="alerts.csv"'},
        )

    @routes.get("/figures", summary="Figures of the queue", response_model=QueueFiguresBody)
    def figures(user: Reader) -> dict[str, Any]:
        return asdict(queue_figures(desk.store.engine))

    @routes.get("/budget", summary="What an alert budget finds", response_model=BudgetBody, responses=_UNUSABLE)
    def budget(
        user: Reader,
        alerts_per_day: Annotated[int, Query(ge=1, le=100_000, description="Alerts that the team works a day.")],
    ) -> dict[str, Any]:
        curve = desk.cases.budgets()
        point = curve.at(alerts_per_day)
        if point is None:
            raise NotReadyError("there was no fraud on the days that the model was validated on")
        measured = {"measured_from": iso(curve.first), "measured_until": iso(curve.last)}
        about = {name: getattr(curve, name) for name in ("currency", "model_version", "payments", "frauds")}
        return {**asdict(point), **about, **measured}

    @routes.get("/records", summary="Check the chain of decision records", response_model=ChainBody)
    def records(
        user: Reader,
        noted: Annotated[str, Query(max_length=64, description="A head noted earlier.")] = "",
    ) -> dict[str, Any]:
        return chain_body(check_ledger(desk.store.engine, noted))


def _case_routes(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/{alert_id}", summary="One alert", response_model=AlertDetailBody, responses=_NOT_FOUND)
    def one(alert_id: AlertId, user: Reader) -> dict[str, Any]:
        return plain(desk.cases.read(alert_id, user).alert)

    @routes.get("/{alert_id}/records", summary="Check one record", response_model=ChainBody, responses=_NOT_FOUND)
    def records(alert_id: AlertId, user: Reader) -> dict[str, Any]:
        return chain_body(check_payment(desk.store.engine, desk.store.alert(alert_id).transaction_id))

    @routes.get(
        "/{alert_id}/pack", summary="The case pack", response_class=Response, responses=_NOT_FOUND | _UNUSABLE | _PACK
    )
    def pack(
        alert_id: AlertId,
        user: Reader,
        form: Annotated[Literal["md", "pdf"], Query(alias="format", description="Markdown or PDF.")] = "pdf",
    ) -> Response:
        made = desk.cases.pack(alert_id, user)
        headers = {"Content-Disposition": f'attachment; filename="alert-{alert_id}.{form}"'}
        if form == "md":
            return Response(to_markdown(made), media_type="text/markdown; charset=utf-8", headers=headers)
        from app.case_pdf import to_pdf

        return Response(to_pdf(made), media_type="application/pdf", headers=headers)

    @routes.get("/{alert_id}/narrative", summary="Narrative", response_model=NarrativeBody, responses=_NOT_FOUND)
    def narrative(alert_id: AlertId, user: Reader) -> dict[str, Any]:
        case = desk.cases.read(alert_id, user)
        signed = plain(case.signed) if case.signed is not None else None
        return {"draft": draft(case.alert), "references": references(case.alert), "signed": signed}


def _work_routes(routes: APIRouter, desk: Desk) -> None:
    @routes.post("/{alert_id}/claim", summary="Claim", response_model=AlertDetailBody, responses=_CHANGED)
    def claim(alert_id: AlertId, user: Worker) -> dict[str, Any]:
        desk.cases.claim(alert_id, user)
        return plain(desk.store.alert(alert_id))

    @routes.post("/{alert_id}/release", summary="Give back", response_model=AlertDetailBody, responses=_CHANGED)
    def release(alert_id: AlertId, user: Worker) -> dict[str, Any]:
        desk.cases.release(alert_id, user)
        return plain(desk.store.alert(alert_id))

    @routes.post(
        "/{alert_id}/disposition",
        summary="Decide on an alert",
        response_model=DispositionBody,
        status_code=201,
        responses=_CHANGED,
    )
    def decide(alert_id: AlertId, request: DecisionRequest, user: Worker) -> dict[str, Any]:
        return plain(desk.cases.decide(alert_id, request.decision, request.reason_code, request.note, user))

    @routes.delete(
        "/{alert_id}/disposition",
        summary="Take back the decision in force",
        response_model=AlertDetailBody,
        responses=_CHANGED,
    )
    def undo(alert_id: AlertId, user: Worker) -> dict[str, Any]:
        return plain(desk.cases.undo(alert_id, user))

    @routes.post(
        "/{alert_id}/narrative",
        summary="Sign a narrative",
        response_model=NarrativeBody,
        status_code=201,
        responses=_NOT_FOUND,
    )
    def sign(alert_id: AlertId, request: SignRequest, user: Worker) -> dict[str, Any]:
        signed = desk.cases.sign(alert_id, request.text, user)
        alert = desk.store.alert(alert_id)
        return {"draft": draft(alert), "references": references(alert), "signed": plain(signed)}


def chain_body(report: ChainReport) -> dict[str, Any]:
    """A check of the chain as JSON."""
    return {**asdict(report), "intact": report.intact}
