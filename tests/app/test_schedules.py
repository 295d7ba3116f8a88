"""What ran on a schedule, what is said of it, and the real Prefect server starting it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from app.scheduler import SchedulerError, run_schedule
from app.schedules import (
    SCHEDULER,
    AlreadyRunning,
    Health,
    ScheduledRuns,
    Scheduler,
    TimeLimitReached,
    health,
    measure_once,
    next_time,
    only_one,
)
from app.settings import Settings, SettingsError
from app.store import Store

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def standing(settings: Settings, kind: str = "rag", now: datetime | None = None) -> Health:
    store = Store(settings.desk_database)
    try:
        return next(each for each in health(settings, store.engine, now) if each.kind == kind)
    finally:
        store.close()


@contextmanager
def scheduler_at_work(settings: Settings, since: datetime) -> Iterator[None]:
    with only_one(settings, SCHEDULER):
        Scheduler(since, None, "http://127.0.0.1:4200/api").write(settings)
        yield


def test_a_run_is_recorded_with_what_came_of_it(settings: Settings) -> None:
    run = measure_once(settings, "rag", lambda: ("183 questions", "run-1"))
    assert (run.state, run.detail, run.run_id) == ("done", "183 questions", "run-1")
    assert standing(settings).last == run
    assert standing(settings).problem == ""


def test_a_failed_run_is_recorded_and_stays_a_problem_until_one_succeeds(settings: Settings) -> None:
    def broken() -> tuple[str, str]:
        raise SettingsError("setting home: gone")

    with pytest.raises(SettingsError):
        measure_once(settings, "drift", broken)
    assert standing(settings, "drift").problem == "the last run failed: setting home: gone"
    assert standing(settings, "rag").problem == ""
    measure_once(settings, "drift", lambda: ("stable", "run-2"))
    assert standing(settings, "drift").problem == ""


def test_there_are_never_two_of_a_kind(settings: Settings) -> None:
    with only_one(settings, "rag"):
        with pytest.raises(AlreadyRunning, match=r"\(rag\) runs now"):
            measure_once(settings, "rag", lambda: ("", ""))
        assert measure_once(settings, "drift", lambda: ("stable", "")).state == "done"
    assert standing(settings, "rag").last is None, "what was refused leaves no run"


def test_a_run_that_takes_too_long_is_ended(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless() -> tuple[str, str]:
        time.sleep(30)
        return "", ""

    # The limit is whole minutes for people; a second is enough here.
    alarm = signal.alarm
    monkeypatch.setattr(signal, "alarm", lambda seconds: alarm(min(seconds, 1)))
    with pytest.raises(TimeLimitReached, match="schedule_minutes"):
        measure_once(replace(settings, schedule_minutes=1), "rag", endless)
    assert "longer than its limit" in standing(settings).problem


def test_a_killed_run_is_told_and_the_next_one_completes(settings: Settings) -> None:
    started = settings.home / "started"
    program = (
        "import sys, time; from pathlib import Path; from app.settings import Settings; "
        "from app.schedules import measure_once\n"
        f"def slow(): Path({str(started)!r}).touch(); time.sleep(60); return '', ''\n"
        f"measure_once(Settings(home=Path({str(settings.home)!r})), 'rag', slow)"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    until = time.monotonic() + 60
    while not started.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert standing(settings).last.state == "running"
    assert standing(settings).problem == ""
    process.kill()
    process.wait()
    assert standing(settings).problem == "the last run was cut off: its process ended before it was done"
    assert measure_once(settings, "rag", lambda: ("fine", "run-3")).state == "done"
    store = Store(settings.desk_database)
    states = [run.state for run in ScheduledRuns(store.engine).latest("rag", 5)]
    store.close()
    assert states == ["done", "interrupted"]


@pytest.mark.parametrize(
    ("after", "missed"),
    [(timedelta(hours=13), False), (timedelta(hours=14, minutes=4), False), (timedelta(hours=14, minutes=6), True)],
)
def test_a_missed_run_is_a_problem(settings: Settings, after: timedelta, missed: bool) -> None:
    # Started at noon; the answers are due at 02:00, fourteen hours later.
    with scheduler_at_work(settings, NOON):
        found = standing(settings, now=NOON + after)
    assert ("did not take place" in found.problem) == missed
    assert found.due is not None and (found.due.hour, found.due.minute) == (2, 0)


def test_a_scheduler_that_ended_is_told_with_its_end(settings: Settings) -> None:
    Scheduler(NOON, NOON + timedelta(hours=1), "").write(settings)
    assert "ended on 2026-11-20 13:00 UTC" in standing(settings).problem
    Scheduler(NOON, None, "").write(settings)
    assert "gone without a word" in standing(settings).problem
    assert standing(settings).due is None


@pytest.mark.parametrize("cron", ["every day", "61 * * * *", "* * * *", ""])
def test_a_wrong_cron_line_names_its_setting(settings: Settings, cron: str) -> None:
    with pytest.raises(SettingsError, match=r"setting drift_cron: .* is not a cron line"):
        run_schedule(replace(settings, drift_cron=cron), print)


def test_cron_lines_are_in_utc() -> None:
    assert next_time("30 6 * * 1-5", NOON) == datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def test_a_prefect_server_that_is_not_there_is_named(settings: Settings) -> None:
    with pytest.raises(SchedulerError, match=r"http://127\.0\.0\.1:9/api; start it, or correct FRAUDDESK_PREFECT_URL"):
        run_schedule(replace(settings, prefect_url="http://127.0.0.1:9/api"), print)


def test_a_second_scheduler_is_refused(settings: Settings) -> None:
    with scheduler_at_work(settings, NOON), pytest.raises(AlreadyRunning, match="a scheduler of this home"):
        run_schedule(settings, print)


def test_the_real_prefect_server_starts_measurements_at_their_times(built_home: Path, tmp_path: Path) -> None:
    """A cron line of every minute is seen in MLflow within two minutes of the scheduler's readiness."""
    home = tmp_path / "scheduled"
    shutil.copytree(built_home, home)
    environment = {
        **os.environ,
        "FRAUDDESK_HOME": str(home),
        "FRAUDDESK_DRIFT_CRON": "* * * * *",
        "FRAUDDESK_RAG_CRON": "0 2 1 1 *",
    }
    before = drift_runs(home)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "schedule"],
            env=environment,
            stderr=log,
            stdout=log,
            cwd=tmp_path,
            start_new_session=True,
            # Who runs the tests in the background of a script hands an ignored Ctrl-C down.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
    try:
        until = time.monotonic() + 300
        while "Ctrl-C" not in (tmp_path / "log").read_text() and time.monotonic() < until:
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.5)
        until = time.monotonic() + 120
        while not drift_runs(home) - before and time.monotonic() < until:
            time.sleep(1)
        assert drift_runs(home) - before, (tmp_path / "log").read_text()
        started = next(each for each in [standing(Settings(home=home, drift_cron="* * * * *"), "drift")])
        assert started.problem == "" and started.last is not None
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0
    told = json.loads((home / "schedule" / "scheduler.json").read_text())
    assert told["stopped_at"] is not None


def drift_runs(home: Path) -> set[str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    known = client.get_experiment_by_name("fraud-desk-drift")
    if known is None:
        return set()
    found = client.search_runs([known.experiment_id], filter_string="attributes.status = 'FINISHED'")
    return {run.info.run_id for run in found}
