"""Each question as one MLflow trace with a span for search, gate, model and check.

Nothing of MLflow's global state is read or changed: a trace is built from finished steps and sent to an explicit
address, by one thread beside the answers.  An answer never waits for it; while MLflow is down or slow, traces are
dropped, with one line in the log.  All texts are masked once more on their way out.
"""

import atexit
import base64
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retrieval.masking import mask_values

logger = logging.getLogger(__name__)

EXPERIMENT = "fraud-desk-questions"

WAITING = 200
"""Traces that may wait to be sent; further ones are dropped."""

PAUSE_SECONDS = 30.0
"""After a failure nothing is sent for so long."""

EXIT_SECONDS = 3.0
"""Longest wait at the end of the process for traces still waiting."""

LONGEST_TEXT = 20_000
"""Characters of one text in a trace."""


@dataclass(frozen=True)
class Step:
    """One finished step of an answer.

    Attributes:
        name: `search`, `gate`, `model` or `check`.
        kind: MLflow's type of span, such as RETRIEVER.
        begun: Nanoseconds since 1970, UTC.
        ended: The same.
        inputs: JSON values.
        outputs: JSON values.
        error: What went wrong; empty if nothing.
    """

    name: str
    kind: str
    begun: int
    ended: int
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


class Tracer:
    """Sends finished questions to MLflow. Safe to share between threads."""

    def __init__(self, tracking_uri: str, experiment: str = EXPERIMENT, artifact_location: str | None = None) -> None:
        """Prepare; nothing is connected and MLflow is not imported yet.

        Args:
            tracking_uri: MLflow's address.
            experiment: Name of the experiment, made where absent.
            artifact_location: Where a new experiment keeps artifacts; None for MLflow's default.
        """
        self.tracking_uri = tracking_uri
        self._experiment = experiment
        self._artifact_location = artifact_location
        self._experiment_id: str | None = None
        self._waiting: queue.Queue[tuple[bytes, Step, Sequence[Step]]] = queue.Queue(WAITING)
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self.dropped = 0
        self.sent = 0

    def record(self, whole: Step, steps: Sequence[Step]) -> str:
        """Hand over a finished question; returns at once.

        Returns:
            The id that the trace will have; empty where it is dropped at once.

        Args:
            whole: The question and its answer, as the root span.
            steps: Its steps, as spans below it.
        """
        with self._lock:
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(target=self._work, name="traces", daemon=True)
                self._worker.start()
                atexit.register(self.flush, EXIT_SECONDS)
        key = secrets.token_bytes(16)
        try:
            self._waiting.put_nowait((key, whole, tuple(steps)))
        except queue.Full:
            self.dropped += 1
            return ""
        return _trace_id(key)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until everything handed over is sent or dropped; False if that took longer."""
        deadline = time.monotonic() + seconds
        while self._waiting.unfinished_tasks:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _work(self) -> None:
        while True:
            key, whole, steps = self._waiting.get()
            try:
                if time.monotonic() < self._paused_until:
                    self.dropped += 1
                else:
                    self._send(key, whole, steps)
                    self.sent += 1
            except Exception as problem:
                self.dropped += 1
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                reason = " ".join(str(problem).split())[:200]
                logger.warning("traces: MLflow at %s: %s; off for %.0f s", self.tracking_uri, reason, PAUSE_SECONDS)
            finally:
                self._waiting.task_done()

    def _send(self, key: bytes, whole: Step, steps: Sequence[Step]) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import TraceInfo, TraceLocation, TraceState

        # The one part that is not in MLflow's public reference: its public calls send to a global address only.
        from mlflow.tracing.client import TracingClient

        if self._experiment_id is None:
            client = MlflowClient(tracking_uri=self.tracking_uri)
            self._experiment_id = _experiment_id(client, self._experiment, self._artifact_location)
        trace_id = _trace_id(key)
        sender = TracingClient(self.tracking_uri)
        sender.start_trace(
            TraceInfo(
                trace_id=trace_id,
                trace_location=TraceLocation.from_experiment_id(self._experiment_id),
                request_time=whole.begun // 1_000_000,
                execution_duration=(whole.ended - whole.begun) // 1_000_000,
                state=TraceState.ERROR if whole.error else TraceState.OK,
                request_preview=_json(whole.inputs)[:1000],
                response_preview=_json(whole.outputs)[:1000],
                trace_metadata={"mlflow.trace_schema.version": "3"},
                tags={"mlflow.traceName": whole.name},
            )
        )
        sender.log_spans(self._experiment_id, _spans(key, trace_id, whole, steps))


def _trace_id(key: bytes) -> str:
    return f"tr-{key.hex()}"


def _experiment_id(client: Any, name: str, artifact_location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location))
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _spans(key: bytes, trace_id: str, whole: Step, steps: Sequence[Step]) -> list[Any]:
    """MLflow's spans of one trace, the root first."""
    from mlflow.entities import Span

    root = secrets.token_bytes(8)
    spans = []
    for step in (whole, *steps):
        own = root if step is whole else secrets.token_bytes(8)
        attributes = {
            "mlflow.traceRequestId": trace_id,
            "mlflow.spanType": step.kind,
            "mlflow.spanInputs": mask_shortened(step.inputs),
            "mlflow.spanOutputs": mask_shortened(step.outputs),
        }
        spans.append(
            Span.from_dict(
                {
                    "trace_id": base64.b64encode(key).decode(),
                    "span_id": base64.b64encode(own).decode(),
                    "parent_span_id": None if step is whole else base64.b64encode(root).decode(),
                    "name": step.name,
                    "start_time_unix_nano": step.begun,
                    "end_time_unix_nano": step.ended,
                    "status": {
                        "code": "STATUS_CODE_ERROR" if step.error else "STATUS_CODE_OK",
                        "message": mask_values(step.error),
                    },
                    "attributes": {name: json.dumps(value, ensure_ascii=False) for name, value in attributes.items()},
                    "events": [],
                }
            )
        )
    return spans


def mask_shortened(value: Any) -> Any:
    """JSON values with every text masked, then cut to a bearable length."""
    if isinstance(value, str):
        return str(mask_values(value))[:LONGEST_TEXT]
    if isinstance(value, Mapping):
        return {str(name): mask_shortened(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [mask_shortened(entry) for entry in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _json(value: Any) -> str:
    return json.dumps(mask_shortened(value), ensure_ascii=False)
