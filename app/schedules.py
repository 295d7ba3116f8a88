"""What runs on a schedule, what came of it, and what is wrong: failed, ended before its time, or missed.

The record is the desk's own, in its database: it stands on the page and in `frauddesk doctor` whether or not a Prefect
server runs.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Engine, select, update

from app import tables
from app.files import write_whole
from app.settings import Settings

KINDS: dict[str, str] = {"rag": "Answers", "drift": "Drift"}
"""Kinds of measurement, and their names on the page."""

RUNNING, DONE, FAILED, INTERRUPTED = "running", "done", "failed", "interrupted"
SCHEDULER = "scheduler"
"""Name of the scheduler's own lock: one a home."""

# A start may be this late (a busy scheduler, a sleeping laptop just woken) before it counts as missed.
_LATE = timedelta(minutes=5)


class AlreadyRunning(Exception):
    """A measurement of this kind runs now; there are never two of a kind at once."""


class TimeLimitReached(Exception):
    """A measurement took longer than the settings allow."""


@dataclass(frozen=True)
class ScheduledRun:
    """One run of a measurement. Times are UTC.

    Attributes:
        kind: One of `KINDS`.
        state: `running`, `done`, `failed`, or `interrupted` where its process ended without a word.
        detail: What came of it, or what went wrong.
        run_id: Its run in MLflow; empty where it logged none.
    """

    id: int
    kind: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    detail: str
    run_id: str


@dataclass(frozen=True)
class Health:
    """How one kind of measurement stands.

    Attributes:
        cron: When it runs, as a cron line in UTC.
        last: The latest run; None where it never ran.
        due: When it runs next; None where no scheduler works.
        problem: What is wrong, with the fix; empty where all is well.
    """

    kind: str
    cron: str
    last: ScheduledRun | None
    due: datetime | None
    problem: str


class ScheduledRuns:
    """Runs of measurements, in the desk's database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def begin(self, kind: str) -> int:
        """Records a start; returns its id."""
        values = {"kind": kind, "state": RUNNING, "pid": os.getpid(), "started_at": int(time.time()), "detail": ""}
        with self.engine.begin() as connection:
            key = connection.execute(tables.scheduled_runs.insert().values(**values)).inserted_primary_key
        return int(key[0]) if key else 0

    def finish(self, number: int, state: str, detail: str, run_id: str = "") -> None:
        """Records the end."""
        values = {"state": state, "detail": detail, "run_id": run_id, "ended_at": int(time.time())}
        with self.engine.begin() as connection:
            connection.execute(
                update(tables.scheduled_runs).where(tables.scheduled_runs.c.id == number).values(**values)
            )

    def close_abandoned(self, kind: str) -> None:
        """Marks the runs that never ended; call it while holding the kind's lock, when none can be running."""
        runs = tables.scheduled_runs
        with self.engine.begin() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.kind == kind, runs.c.state == RUNNING)
                .values(state=INTERRUPTED, detail="its process ended before it was done", ended_at=int(time.time()))
            )

    def latest(self, kind: str, count: int = 1) -> list[ScheduledRun]:
        """The latest runs of a kind, the newest first."""
        runs = tables.scheduled_runs
        query = select(runs).where(runs.c.kind == kind).order_by(runs.c.id.desc()).limit(count)
        with self.engine.connect() as connection:
            return [_run_of(row) for row in connection.execute(query).mappings()]


@contextmanager
def only_one(settings: Settings, kind: str) -> Iterator[None]:
    """Be the only measurement of a kind, or the only scheduler. A process that dies, however, frees its lock.

    Raises:
        AlreadyRunning: another holds it.
    """
    from filelock import FileLock, Timeout

    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"{kind}.lock", timeout=0):
            yield
    except Timeout as error:
        what = "a scheduler of this home" if kind == SCHEDULER else f"a measurement of this kind ({kind})"
        raise AlreadyRunning(f"{what} runs now; it goes on undisturbed") from error


def measure_once(settings: Settings, kind: str, measure: Callable[[], tuple[str, str]]) -> ScheduledRun:
    """Run a measurement now and record what came of it.

    Args:
        settings: Settings in force; `schedule_minutes` is the time limit.
        kind: One of `KINDS`.
        measure: Does it; returns a line for people and the run's id in MLflow.

    Raises:
        AlreadyRunning: a measurement of this kind runs now.
        Exception: whatever the measurement raises, after it is recorded.
    """
    from app.store import Store

    store = Store(settings.desk_database)
    try:
        with only_one(settings, kind):
            runs = ScheduledRuns(store.engine)
            runs.close_abandoned(kind)
            number = runs.begin(kind)
            try:
                with _time_limit(settings.schedule_minutes * 60):
                    detail, run_id = measure()
            except BaseException as error:
                runs.finish(number, FAILED, _said(error))
                raise
            runs.finish(number, DONE, detail, run_id)
            return runs.latest(kind)[0]
    finally:
        store.close()


def health(settings: Settings, engine: Engine, now: datetime | None = None) -> list[Health]:
    """How every kind of measurement stands."""
    now = now or datetime.now(UTC)
    scheduler = Scheduler.read(settings)
    return [_health(settings, ScheduledRuns(engine), scheduler, kind, now) for kind in KINDS]


def cron_of(settings: Settings, kind: str) -> str:
    """The cron line of a kind, in UTC."""
    return str(getattr(settings, f"{kind}_cron"))


def next_time(cron: str, after: datetime) -> datetime:
    """The first time of a cron line after a moment (UTC).

    Raises:
        ValueError: it is no cron line.
    """
    from cronsim import CronSim, CronSimError

    try:
        return next(CronSim(cron, after.astimezone(UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"{cron!r} is not a cron line of five fields, such as `0 2 * * *`") from error


@dataclass(frozen=True)
class Scheduler:
    """The scheduler as it last told of itself. Times are UTC.

    Attributes:
        started_at: When it began.
        stopped_at: When it ended in good order; None while it works, or where it was killed.
        server: Address of its Prefect server.
    """

    started_at: datetime
    stopped_at: datetime | None
    server: str

    @classmethod
    def read(cls, settings: Settings) -> "Scheduler | None":
        """The scheduler of this home; None where none was ever started."""
        try:
            values = json.loads((_folder(settings) / "scheduler.json").read_text(encoding="utf-8"))
            stopped = values["stopped_at"]
            return cls(
                datetime.fromisoformat(values["started_at"]),
                datetime.fromisoformat(stopped) if stopped else None,
                str(values["server"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, settings: Settings) -> None:
        """Tell of itself."""
        values = {
            "started_at": self.started_at.isoformat(),
            "stopped_at": self.stopped_at.isoformat() if self.stopped_at else None,
            "server": self.server,
        }
        write_whole(_folder(settings) / "scheduler.json", json.dumps(values))


def _health(settings: Settings, runs: ScheduledRuns, scheduler: Scheduler | None, kind: str, now: datetime) -> Health:
    cron = cron_of(settings, kind)
    found = runs.latest(kind)
    last = found[0] if found else None
    if last is not None and last.state == RUNNING and not _held(settings, kind):
        last = ScheduledRun(
            last.id, kind, INTERRUPTED, last.started_at, None, "its process ended before it was done", last.run_id
        )
    working = scheduler is not None and _held(settings, SCHEDULER)
    due = next_time(cron, now) if working else None
    return Health(kind, cron, last, due, _problem(cron, last, scheduler, working, now))


def _problem(cron: str, last: ScheduledRun | None, scheduler: Scheduler | None, working: bool, now: datetime) -> str:
    if last is not None and last.state in (FAILED, INTERRUPTED):
        return f"the last run {'failed' if last.state == FAILED else 'was cut off'}: {last.detail}"
    if scheduler is None:
        return ""
    if not working:
        if scheduler.stopped_at is None:
            return "the scheduler is gone without a word; start it again with `frauddesk schedule`"
        return f"the scheduler was ended on {scheduler.stopped_at:%Y-%m-%d %H:%M} UTC; `frauddesk schedule` starts it"
    since = max(scheduler.started_at, last.started_at) if last is not None else scheduler.started_at
    missed = next_time(cron, since)
    if now > missed + _LATE and not (last is not None and last.state == RUNNING):
        return f"the run of {missed:%Y-%m-%d %H:%M} UTC did not take place; see the log of `frauddesk schedule`"
    return ""


def _said(error: BaseException) -> str:
    from app.failures import one_line

    if not isinstance(error, Exception):
        return "ended by its user"
    return one_line(str(error)) or type(error).__name__


def _held(settings: Settings, kind: str) -> bool:
    """Whether a measurement of this kind runs now."""
    try:
        with only_one(settings, kind):
            return False
    except AlreadyRunning:
        return True


def _folder(settings: Settings) -> Path:
    return settings.home / "schedule"


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    """Raise `TimeLimitReached` in the main thread after so many seconds."""

    def reached(_signal: int, _frame: FrameType | None) -> None:
        raise TimeLimitReached(f"took longer than its limit of {seconds // 60} min (setting schedule_minutes)")

    before = signal.signal(signal.SIGALRM, reached)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _run_of(row: Any) -> ScheduledRun:
    ended = row["ended_at"]
    return ScheduledRun(
        row["id"],
        row["kind"],
        row["state"],
        datetime.fromtimestamp(row["started_at"], UTC),
        None if ended is None else datetime.fromtimestamp(ended, UTC),
        row["detail"],
        row["run_id"] or "",
    )
