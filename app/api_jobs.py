"""Routes of long work: submit a file to be scored, see how far it is, take the result, end it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Path, Query, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from app.access import User
from app.access_api import allowed
from app.api_models import PROBLEMS, ProblemBody
from app.desk import Desk
from app.jobs import DONE, SCORE, Job
from app.store_errors import ConflictError, NotFoundError

JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Id of the job, as given when it was submitted.")]
_MEDIA = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemBody, "description": "There is no such job, or it is another's."},
    409: {"model": ProblemBody, "description": "The job is in another state than this needs."},
}
_TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One row per payment, in their order.",
        "content": {
            media.split(";")[0]: {"schema": {"type": "string", "format": "binary"}} for media in _MEDIA.values()
        },
    }
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    413: {"model": ProblemBody, "description": "The file is larger than the setting max_upload_mb."},
    415: {"model": ProblemBody, "description": "Neither CSV nor Parquet."},
}


class JobBody(BaseModel):
    """One piece of long work. `done` and `total` count the units of `stage`."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    kind: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    owner: str
    title: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    stage: str
    done: int
    total: int | None
    cancelling: bool
    result: dict[str, Any]
    error: str


def router(desk: Desk) -> APIRouter:
    """The routes, working on a desk."""
    routes = APIRouter(prefix="/api/jobs", tags=["jobs"], responses=PROBLEMS)

    @routes.post(
        "/score",
        summary="Score a file in the background",
        response_model=JobBody,
        status_code=202,
        responses=_REFUSED,
    )
    def submit(
        user: Annotated[User, allowed("score")],
        file: Annotated[UploadFile, File(description="CSV or Parquet in the columns of the schema.")],
        reasons: Annotated[int, Query(ge=0, le=50, description="Contributions for each alert.")] = 0,
        format: Annotated[Literal["csv", "parquet"], Query(description="Format of the result.")] = "csv",
    ) -> dict[str, Any]:
        return job_body(desk.jobs.submit_file(file.file, file.filename or "", user.name, reasons, format))

    @routes.get("", summary="Your jobs, the newest first", response_model=list[JobBody])
    def listed(
        user: Annotated[User, allowed("read")],
        limit: Annotated[int, Query(ge=1, le=200, description="How many at most, the latest first.")] = 50,
    ) -> list[dict[str, Any]]:
        return [job_body(job) for job in desk.store.jobs.latest(visible_owner(user), count=limit)]

    @routes.get("/{job_id}", summary="How far a job is", response_model=JobBody, responses=_UNKNOWN)
    def one(user: Annotated[User, allowed("read")], job_id: JobId) -> dict[str, Any]:
        return job_body(desk.store.jobs.one(job_id, visible_owner(user)))

    @routes.get(
        "/{job_id}/result",
        summary="The scores of a finished job",
        response_class=FileResponse,
        responses=_UNKNOWN | _TABLE,
    )
    def result(user: Annotated[User, allowed("read")], job_id: JobId) -> FileResponse:
        job = desk.store.jobs.one(job_id, visible_owner(user))
        if job.kind != SCORE or job.state != DONE:
            raise ConflictError(f"job {job_id} has no table to give: it is {job.state}")
        path = desk.jobs.result_path(job)
        if not path.exists():
            raise NotFoundError(f"the result of job {job_id} was removed; results are kept for a week")
        desk.store.trail.record(user, "read", f"job {job_id}")
        made = job.options["format"]
        return FileResponse(path, media_type=_MEDIA[made], filename=f"scores.{made}")

    @routes.delete("/{job_id}", summary="End a job", response_model=JobBody, responses=_UNKNOWN)
    def cancel(user: Annotated[User, allowed("score")], job_id: JobId) -> dict[str, Any]:
        desk.store.jobs.one(job_id, owner_of_changes(user))
        return job_body(desk.jobs.cancel(job_id, user.name))

    return routes


def visible_owner(user: User) -> str | None:
    """Whose jobs a user sees: their own; auditors, and whoever works alone, see all."""
    return None if user.role in ("", "auditor") else user.name


def owner_of_changes(user: User) -> str | None:
    """Whose jobs a user may end: their own; whoever works alone, all."""
    return None if user.role == "" else user.name


def job_body(job: Job) -> dict[str, Any]:
    """A job as the API gives it."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "owner": job.owner,
        "title": job.title,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "ended_at": job.ended_at.isoformat() if job.ended_at else None,
        "stage": job.stage,
        "done": job.done,
        "total": job.total,
        "cancelling": job.cancelling,
        "result": dict(job.result),
        "error": job.error,
    }
