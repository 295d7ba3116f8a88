"""Prefect flows: a measurement as a process of its own, with retries and a time limit.

    serve_measurements([Measurement("rag", ["frauddesk", ...], "0 2 * * *")])

The flow starts a command instead of calling a function: a measurement that hangs can be ended with everything that it
started, and one that eats all memory does not take the scheduler with it.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from prefect import flow, get_run_logger, serve, task
from prefect.types.entrypoint import EntrypointType

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

_LINES_KEPT = 5
# Between asking a command to end and ending it.
_GRACE_SECONDS = 10.0


class MeasurementFailed(Exception):
    """The command ended with an error or was ended at its time limit; the message has its last lines."""


@dataclass(frozen=True)
class Measurement:
    """One kind of measurement and when it runs.

    Attributes:
        name: Such as `rag`.
        command: Program and arguments.
        cron: When, as a cron line in UTC.
        limit_seconds: Ended when it takes longer.
        retries: How often a failed one is tried again.
        retry_seconds: Pause before it is tried again.
    """

    name: str
    command: Sequence[str]
    cron: str
    limit_seconds: float = 3_600.0
    retries: int = 1
    retry_seconds: float = 60.0


def run_command(command: Sequence[str], limit_seconds: float) -> str:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        limit_seconds: Ended, with all that it started, when it takes longer.

    Returns:
        The last lines of its result.

    Raises:
        MeasurementFailed: it cannot be started, ended with an error, or took too long.
    """
    try:
        process = subprocess.Popen(
            list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    except OSError as error:
        raise MeasurementFailed(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        result, said = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        raise MeasurementFailed(f"ended at its time limit of {limit_seconds:.0f} s") from None
    except BaseException:
        _end(process)
        raise
    if process.returncode != 0:
        raise MeasurementFailed(f"exit code {process.returncode}: {_last_lines(said)}")
    return _last_lines(result)


@task(name="command")
def command_task(command: list[str], limit_seconds: float) -> None:
    """`run_command`, with what it said in Prefect's log."""
    get_run_logger().info(run_command(command, limit_seconds) or "done")


@flow(name="measurement", flow_run_name="{name}", log_prints=False)
def measurement(
    name: str, command: list[str], limit_seconds: float = 3_600.0, retries: int = 1, retry_seconds: float = 60.0
) -> None:
    """One measurement, tried again when it fails."""
    command_task.with_options(name=name, retries=retries, retry_delay_seconds=retry_seconds)(command, limit_seconds)


def serve_measurements(measurements: Sequence[Measurement]) -> None:
    """Run measurements at their times until interrupted. Needs a Prefect server: PREFECT_API_URL."""
    deployments = [
        measurement.to_deployment(
            name=each.name,
            cron=each.cron,
            parameters={
                "name": each.name,
                "command": list(each.command),
                "limit_seconds": each.limit_seconds,
                "retries": each.retries,
                "retry_seconds": each.retry_seconds,
            },
            # The flow is found wherever the scheduler was started from.
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for each in measurements
    ]
    # Outside an event loop, `to_deployment` returns the deployment itself; its type does not tell.
    serve(*cast("list[RunnerDeployment]", deployments), print_starting_message=False)


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LINES_KEPT:])


def _end(process: "subprocess.Popen[str]") -> None:
    """End a command and whatever it started."""
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, last_word)
        except ProcessLookupError:
            break
        try:
            process.wait(_GRACE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()
