"""Long work that outlives a request, a refresh and a restart: files to score, models to train.

A job is a row in the desk's database and a folder under the home. What was submitted is on disk before the caller is
told; a job that was running when the desk ended is queued again when it starts.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine, select, update

from app import audit, tables
from app.rows import moment
from app.store_errors import ConflictError, NotFoundError

SCORE, RETRAIN = "score", "retrain"
QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
OPEN = (QUEUED, RUNNING)
_NAME_LENGTH = 200


@dataclass(frozen=True)
class Job:
    """One piece of long work. Times UTC.

    Attributes:
        id: 32 hexadecimal digits.
        kind: `score` or `retrain`.
        state: `queued`, `running`, `done`, `failed` or `cancelled`.
        owner: Who submitted it; nobody else sees it, auditors apart.
        title: What it is about, such as the name of the file.
        stage: What is being done.
        done: Units finished of the stage.
        total: Units in all; None where not known.
        cancelling: Whether its end was asked for.
        options: What was asked for.
        result: What came of it; empty until it is done.
        error: What went wrong; empty unless it failed.
    """

    id: str
    kind: str
    state: str
    owner: str
    title: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    stage: str
    done: int
    total: int | None
    cancelling: bool
    options: Mapping[str, Any]
    result: Mapping[str, Any]
    error: str

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in OPEN


class Jobs:
    """Jobs in the desk's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def submit(self, kind: str, owner: str, title: str, options: Mapping[str, Any], job_id: str = "") -> Job:
        """Adds a job to the queue.

        Args:
            kind: `score` or `retrain`.
            owner: Who asks for it.
            title: What it is about.
            options: What is asked for.
            job_id: From `new_id`, where its folder was filled before.
        """
        number = job_id or new_id()
        values = {
            "id": number,
            "kind": kind,
            "state": QUEUED,
            "owner": owner,
            "title": title[:_NAME_LENGTH],
            "created_at": time.time_ns(),
            "stage": "",
            "done": 0,
            "cancelling": False,
            "options": dict(options),
            "result": {},
            "error": "",
        }
        with self._engine.begin() as connection:
            connection.execute(tables.jobs.insert().values(**values))
            audit.write(connection, owner, f"submit_{kind}", f"job {number}")
        return self.one(number)

    def one(self, job_id: str, owner: str | None = None) -> Job:
        """One job.

        Args:
            job_id: Its id.
            owner: Only a job of this owner; any where None.

        Raises:
            NotFoundError: there is no such job, or it is another's.
        """
        query = select(tables.jobs).where(tables.jobs.c.id == job_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None or (owner is not None and row["owner"] != owner):
            raise NotFoundError(f"there is no job {job_id}")
        return _job_of(row)

    def latest(self, owner: str | None = None, kind: str | None = None, count: int = 50) -> list[Job]:
        """Jobs, the newest first; only those of an owner or of a kind where given."""
        query = select(tables.jobs).order_by(tables.jobs.c.created_at.desc()).limit(count)
        if owner is not None:
            query = query.where(tables.jobs.c.owner == owner)
        if kind is not None:
            query = query.where(tables.jobs.c.kind == kind)
        with self._engine.connect() as connection:
            return [_job_of(row) for row in connection.execute(query).mappings()]

    def take(self) -> Job | None:
        """The oldest queued job, now running; None where nothing waits."""
        jobs = tables.jobs.c
        with self._engine.begin() as connection:
            waiting = connection.scalar(select(jobs.id).where(jobs.state == QUEUED).order_by(jobs.created_at).limit(1))
            if waiting is None:
                return None
            taken = connection.execute(
                update(tables.jobs)
                .where(jobs.id == waiting, jobs.state == QUEUED)
                .values(state=RUNNING, started_at=int(time.time()))
            )
            if taken.rowcount != 1:
                return None
        return self.one(waiting)

    def requeue(self) -> int:
        """Puts jobs that were running when the desk ended back into the queue; how many."""
        jobs = tables.jobs.c
        with self._engine.begin() as connection:
            # Whose end was asked for before the desk ended is not taken up again.
            connection.execute(
                update(tables.jobs)
                .where(jobs.state.in_(OPEN), jobs.cancelling)
                .values(state=CANCELLED, ended_at=int(time.time()))
            )
            return connection.execute(update(tables.jobs).where(jobs.state == RUNNING).values(state=QUEUED)).rowcount

    def progress(self, job_id: str, stage: str, done: int, total: int | None) -> bool:
        """Notes how far a job is; whether its end was asked for."""
        with self._engine.begin() as connection:
            connection.execute(
                update(tables.jobs).where(tables.jobs.c.id == job_id).values(stage=stage, done=done, total=total)
            )
            return bool(connection.scalar(select(tables.jobs.c.cancelling).where(tables.jobs.c.id == job_id)))

    def cancelling(self, job_id: str) -> bool:
        """Whether the end of a job was asked for."""
        with self._engine.connect() as connection:
            return bool(connection.scalar(select(tables.jobs.c.cancelling).where(tables.jobs.c.id == job_id)))

    def finish(self, job_id: str, state: str, result: Mapping[str, Any] | None = None, error: str = "") -> Job:
        """Notes the end of a job."""
        values = {"state": state, "result": dict(result or {}), "error": error, "ended_at": int(time.time())}
        with self._engine.begin() as connection:
            connection.execute(update(tables.jobs).where(tables.jobs.c.id == job_id).values(**values))
        return self.one(job_id)

    def cancel(self, job_id: str, who: str) -> Job:
        """Asks for the end of a job; one that has not begun ends at once.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has ended already.
        """
        jobs = tables.jobs.c
        with self._engine.begin() as connection:
            asked = connection.execute(
                update(tables.jobs).where(jobs.id == job_id, jobs.state.in_(OPEN)).values(cancelling=True)
            )
            connection.execute(
                update(tables.jobs)
                .where(jobs.id == job_id, jobs.state == QUEUED)
                .values(state=CANCELLED, ended_at=int(time.time()))
            )
            if asked.rowcount == 1:
                audit.write(connection, who, "cancel", f"job {job_id}")
        job = self.one(job_id)
        if asked.rowcount != 1:
            raise ConflictError(f"job {job_id} has ended already ({job.state})")
        return job


def new_id() -> str:
    """A new job's id, which is also the name of its folder."""
    return uuid4().hex


def _job_of(row: Any) -> Job:
    return Job(
        row["id"],
        row["kind"],
        row["state"],
        row["owner"],
        row["title"],
        moment(row["created_at"] // 1_000_000_000),
        None if row["started_at"] is None else moment(row["started_at"]),
        None if row["ended_at"] is None else moment(row["ended_at"]),
        row["stage"],
        row["done"],
        row["total"],
        bool(row["cancelling"]),
        row["options"],
        row["result"],
        row["error"],
    )
