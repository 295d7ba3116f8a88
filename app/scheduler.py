"""`frauddesk schedule`: the measurements at their times, by a Prefect server started here or named in the settings."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from app.schedules import KINDS, SCHEDULER, ScheduledRun, Scheduler, cron_of, measure_once, next_time, only_one
from app.settings import Settings, SettingsError, use_prefect

if TYPE_CHECKING:
    from app.console import ProgressLine

_FIRST_PORT = 4200
_PORTS = 50
# A first start makes the server's database; on a busy machine that has taken a minute.
_SERVER_SECONDS = 180.0
_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 15.0


class SchedulerError(Exception):
    """The Prefect server does not start or does not answer; the message says where and the fix."""


def measure_kind(settings: Settings, kind: str, progress: "ProgressLine | None" = None) -> ScheduledRun:
    """Run one kind of measurement now, recorded.

    Args:
        settings: Settings in force.
        kind: `rag` or `drift`.
        progress: Told how far it is.

    Raises:
        AlreadyRunning: a measurement of this kind runs now.
    """
    from app.measure import measure_answers, measure_drift

    def answers() -> tuple[str, str]:
        result = measure_answers(settings, progress=progress)
        shown = ("citation_recall", "refusal_precision", "refusal_recall")
        figures = ", ".join(
            f"{name.replace('_', ' ')} {result.metrics[name]:.2f}" for name in shown if name in result.metrics
        )
        return f"{len(result.per_question)} questions: {figures}", result.run_id

    def drift() -> tuple[str, str]:
        result = measure_drift(settings, progress=progress)
        worst = [column.column for column in result.columns if column.verdict == "act"]
        return f"verdict {result.verdict}" + (f": {', '.join(worst)}" if worst else ""), result.run_id

    return measure_once(settings, kind, {"rag": answers, "drift": drift}[kind])


def run_schedule(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve the measurements at their times until interrupted.

    Raises:
        SettingsError: a cron line is wrong.
        AlreadyRunning: another scheduler works for this home.
        SchedulerError: the Prefect server does not start or does not answer.
    """
    now = datetime.now(UTC)
    due = {kind: _next(settings, kind, now) for kind in KINDS}
    with only_one(settings, SCHEDULER), _server(settings, say) as url:
        use_prefect(settings.home, url)
        # Imported only now: Prefect reads its settings when it is imported.
        from eval.flows import Measurement, serve_measurements

        me = Scheduler(now, None, url)
        me.write(settings)
        for kind, when in due.items():
            say(f"{KINDS[kind]}: {cron_of(settings, kind)}, next on {when:%Y-%m-%d %H:%M} UTC")
        say("Ctrl-C ends it.")
        try:
            serve_measurements(
                [
                    Measurement(
                        kind,
                        [sys.executable, "-m", "app.cli", "schedule", "--once", "--only", kind],
                        cron_of(settings, kind),
                        # The command ends itself at its limit; this is for one that cannot any more.
                        settings.schedule_minutes * 60 + 60,
                        settings.schedule_retries,
                    )
                    for kind in KINDS
                ]
            )
        finally:
            replace(me, stopped_at=datetime.now(UTC)).write(settings)


def _next(settings: Settings, kind: str, now: datetime) -> datetime:
    try:
        return next_time(cron_of(settings, kind), now)
    except ValueError as error:
        raise SettingsError(f"setting {kind}_cron: {error}") from error


@contextmanager
def _server(settings: Settings, say: Callable[[str], None]) -> Iterator[str]:
    """The API of a Prefect server: the one configured, or one that lives as long as the scheduler."""
    if settings.prefect_url:
        url = settings.prefect_url.rstrip("/")
        if not _answers(url):
            raise SchedulerError(f"no Prefect server answers at {url}; start it, or correct FRAUDDESK_PREFECT_URL")
        yield url
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    use_prefect(settings.home, "")
    log = settings.home / "prefect" / "server.log"
    command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with log.open("ab") as kept:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=kept, stderr=kept, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        say(f"Prefect server on {url} (log: {log})")
        _wait(process, url, str(log))
        yield url
    finally:
        _end(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: str) -> None:
    until = time.monotonic() + _SERVER_SECONDS
    while not _answers(url):
        if process.poll() is not None:
            raise SchedulerError(f"the Prefect server ended with exit code {process.returncode}; see {log}")
        if time.monotonic() > until:
            raise SchedulerError(
                f"the Prefect server does not answer at {url} after {_SERVER_SECONDS:.0f} s; see {log}"
            )
        time.sleep(_LOOK_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _free_port() -> int:
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SchedulerError(f"no free port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} for the Prefect server")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
