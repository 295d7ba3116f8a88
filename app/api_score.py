"""Routes of the model: score one payment, score a file, what model is in use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, File, Query, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from app import uploads
from app.access import User
from app.access_api import allowed
from app.api_models import PROBLEMS, ModelBody, ProblemBody, ScoreBody
from app.batch import score_upload
from app.desk import Desk
from app.observe import Metrics
from app.records import Scored, plain

_CHUNK = 1 << 16
_MEDIA = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
_PAYMENT = {"step": 2100, "type": "TRANSFER", "amount": 4870.5, "nameOrig": "C1231006815", "nameDest": "C1666544295"}
_REFUSED: dict[int | str, dict[str, Any]] = {
    413: {"model": ProblemBody, "description": "The file is larger than the setting max_upload_mb."},
    415: {"model": ProblemBody, "description": "Neither CSV nor Parquet."},
}
_TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One row per payment, in their order: transaction_id, fraud_probability, alert, model_version, "
        "and reasons where asked for.",
        "content": {
            media.split(";")[0]: {"schema": {"type": "string", "format": "binary"}} for media in _MEDIA.values()
        },
    }
}


def router(desk: Desk, metrics: Metrics) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api", tags=["model"], responses=PROBLEMS)

    @routes.post("/score", summary="Score one payment", response_model=ScoreBody)
    async def score(
        user: Annotated[User, allowed("score")],
        payment: Annotated[
            dict[str, Any], Body(description="The payment in the columns of the schema.", examples=[_PAYMENT])
        ],
        reasons: Annotated[int, Query(ge=0, le=50, description="How many contributions.")] = 5,
        record: Annotated[
            bool, Query(description="Keep it as history to later payments, and in the queue where the model alerts.")
        ] = False,
    ) -> dict[str, Any]:
        # Most payments take less time than handing them to another thread does.
        scored = desk.score_at_once(payment) if not reasons and not record else None
        if scored is None:
            scored = await run_in_threadpool(desk.score_one, payment, reasons=reasons, record=record)
        metrics.scored.inc()
        if not desk.store.predictions.add(scored, user.name, wait=False):
            await run_in_threadpool(desk.store.predictions.add, scored, user.name)
        return score_body(scored)

    @routes.post(
        "/score/batch",
        summary="Score a file",
        response_class=StreamingResponse,
        responses=_REFUSED | _TABLE,
    )
    def batch(
        user: Annotated[User, allowed("score")],
        file: Annotated[UploadFile, File(description="CSV or Parquet in the columns of the schema.")],
        reasons: Annotated[int, Query(ge=0, le=50, description="How many contributions each alert gets.")] = 0,
        format: Annotated[Literal["csv", "parquet"], Query(description="Format of the answer.")] = "csv",
    ) -> StreamingResponse:
        suffix = uploads.suffix_of(file.filename)
        # The folder lives until the last byte is sent, then goes with everything in it.
        folder = uploads.work_folder(desk.settings.home)
        place = folder.__enter__()
        try:
            source, target = place / f"in{suffix}", place / f"out.{format}"
            uploads.save(file.file, source, desk.settings.max_upload_mb)
            summary = score_upload(desk, source, target, reasons)
        except BaseException as error:
            folder.__exit__(type(error), error, error.__traceback__)
            raise
        metrics.scored.inc(summary.rows)
        headers = {"Content-Disposition": f'attachment; filename="scores.{format}"'}
        return StreamingResponse(_sent(target, folder), media_type=_MEDIA[format], headers=headers)

    @routes.get("/model", summary="The model in use", response_model=ModelBody)
    def model(user: Annotated[User, allowed("read")]) -> dict[str, Any]:
        scorer = desk.scorer
        champion = desk.registry.champion()
        same = champion is not None and str(champion.version) == str(scorer.model_version)
        return {
            "version": str(scorer.model_version),
            "threshold": float(scorer.threshold),
            "schema_name": scorer.schema.name,
            "currency": scorer.schema.currency,
            "columns": list(scorer.schema.required),
            "metrics": dict(champion.metrics) if champion is not None and same else {},
        }

    return routes


def score_body(scored: Scored) -> dict[str, Any]:
    """A scored payment as the API gives it."""
    return {
        "transaction_id": scored.transaction_id,
        "fraud_probability": scored.probability,
        "alert": scored.alert,
        "threshold": scored.threshold,
        "model_version": scored.model_version,
        "reasons": [plain(reason) for reason in scored.reasons],
    }


def _sent(path: Path, folder: Any) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    finally:
        folder.__exit__(None, None, None)
