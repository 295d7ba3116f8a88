"""Training a new candidate on the working payments and on what analysts have decided since.

Training runs in a process of its own: the desk goes on answering, and its end can be asked for at any time. The
model is registered as the last step, so that one cut off leaves nothing behind.
"""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import RefusedError
from app.settings import Settings
from fraud_model.progress import Progress

if TYPE_CHECKING:
    from fraud_model.registry import Registry
    from fraud_model.schema import TransactionSchema

_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 10.0


def retrain(settings: Settings, reason: str, tell: Callable[[Progress], None]) -> dict[str, Any]:
    """Train in a process of its own.

    Args:
        settings: Settings in force.
        reason: Why; stands in the run.
        tell: Told how far it is, at least twice a second; what it raises ends the training.

    Returns:
        Version, run, figures, and what stands against its promotion.

    Raises:
        RefusedError: training failed; says why.
    """
    command = [sys.executable, "-m", "app.retraining"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdin is not None
    # Through a pipe and not the environment or a file: addresses in the settings may hold passwords.
    process.stdin.write(json.dumps({"settings": asdict(settings), "reason": reason}, default=str))
    process.stdin.close()
    stage = Progress("Starting", 0, None)
    last: dict[str, Any] = {}
    try:
        for message in _messages(process):
            if message is not None:
                last = message
                if "stage" in message:
                    stage = Progress(message["stage"], message["done"], message["total"])
            tell(stage)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    if "result" in last:
        return dict(last["result"])
    raise RefusedError(last.get("error") or f"training ended with exit code {process.returncode}", 500, "not_trained")


def _messages(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any] | None]:
    """What the process says, and None whenever it was silent for a moment, until it ends."""
    said: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)
        said.put(None)

    def drain() -> None:
        # Warnings of libraries; left unread they would fill the pipe and stop the training.
        assert process.stderr is not None
        for _ in process.stderr:
            pass

    for work in (listen, drain):
        threading.Thread(target=work, daemon=True).start()
    while True:
        try:
            line = said.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            yield None
            continue
        if line is None:
            process.wait()
            return
        if line.startswith("{"):
            yield json.loads(line)


def _train(settings: Settings, reason: str) -> dict[str, Any]:
    from app.labels import training_data
    from app.model_settings import gates_of, keeping_leakage_report, rule_of
    from app.up import write_run_report
    from fraud_model.registry import Registry
    from fraud_model.train import train

    registry = Registry(settings.mlflow_uri)
    schema = _schema(settings, registry)
    say(Progress("Reading payments and decisions", 0, None))
    labelled = training_data(settings, schema)
    with keeping_leakage_report(settings):
        result = train(
            labelled.frame,
            schema,
            tracking_uri=settings.mlflow_uri,
            alert_budget_per_day=settings.alert_budget,
            seed=settings.seed,
            progress=say,
            dataset_name=f"working payments with {labelled.used} decisions",
            gates=gates_of(settings),
            rule=rule_of(settings),
            one_column_limit=settings.leakage_limit,
        )
    write_run_report(settings, result.version, result.report_markdown)
    standing = registry.standing(result.version, gates_of(settings))
    return {
        "version": result.version,
        "run_id": result.run_id,
        "metrics": {name: value for name, value in result.metrics.items() if value == value},
        "warnings": list(result.warnings),
        "decisions_used": labelled.used,
        "decisions_held_back": labelled.held_back,
        "problems": list(standing.problems),
        "reason": reason,
    }


def _schema(settings: Settings, registry: "Registry") -> "TransactionSchema":
    """Schema of the working payments: as `up` noted it, else the champion's."""
    from app.up import STATE_NAME, State
    from fraud_model.schema import TransactionSchema

    noted = State.read(settings.home / STATE_NAME).values.get("schema")
    return TransactionSchema.from_dict(noted) if noted else registry.open()[1].description.schema


def say(step: Progress) -> None:
    """One line about how far it is."""
    print(json.dumps({"stage": step.stage, "done": step.done, "total": step.total}), flush=True)


def main() -> None:
    """The process of one training: settings come in, progress and the result go out, a JSON object a line."""
    given = json.load(sys.stdin)
    from app.settings import silence_telemetry

    silence_telemetry()
    values: dict[str, Any] = given["settings"]
    paths = {name for name, value in asdict(Settings()).items() if isinstance(value, Path)}
    values |= {name: Path(values[name]) for name in paths}
    settings = Settings(**values)
    try:
        print(json.dumps({"result": _train(settings, given["reason"])}), flush=True)
    except Exception as error:
        from app.errors import message_of

        print(json.dumps({"error": message_of(error)}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
