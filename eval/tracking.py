"""Writing one measurement to MLflow as one run, in few calls, and reading earlier ones back.

Only clients with an explicit tracking address are used: MLflow's global "active run" belongs to nobody in a server
with several threads.
"""

import json
import logging
import math
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from eval.errors import TrackingError

logger = logging.getLogger(__name__)

# The longest values that every MLflow store takes.
_LONGEST_PARAM = 500
_LONGEST_TAG = 500
# One batch may hold this many metrics, params and tags.
_METRICS_A_BATCH, _OTHERS_A_BATCH = 1_000, 100
_TRACES_A_CALL = 100
_REFUSED_IN_NAMES = re.compile(r"[^\w\-./ ]+")


@dataclass(frozen=True)
class RunRecord:
    """All that one run holds.

    Attributes:
        name: Shown in MLflow's list of runs.
        params: What was measured, as settings.
        metrics: Figures by stable name; values that are not finite are left out.
        tags: What to find the run by.
        texts: File name to text (Markdown, JSON, HTML), logged as artifacts.
        tables: File name ending in .json to a table, shown by MLflow as a table.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedRun:
    """Where a run was written."""

    run_id: str
    experiment_id: str
    artifact_uri: str

    def local_path(self, name: str) -> Path | None:
        """Path of an artifact on this machine; None where the artifacts are elsewhere."""
        parts = urlsplit(self.artifact_uri)
        if parts.scheme not in ("", "file"):
            return None
        return Path(unquote(parts.path)) / name


def safe_name(name: str) -> str:
    """A metric or param name that MLflow takes: letters, digits, `_ - . /` and spaces; the rest becomes `_`."""
    return _REFUSED_IN_NAMES.sub("_", str(name)).strip() or "_"


def open_experiment(client: MlflowClient, name: str, artifact_root: str | Path | None = None) -> str:
    """Id of the experiment, created where absent.

    Args:
        client: With an explicit tracking address.
        name: Of the experiment.
        artifact_root: Folder or address under which a new experiment keeps its artifacts; MLflow's choice where None.

    Raises:
        TrackingError: the experiment was deleted, or MLflow cannot be reached.
    """
    try:
        found = client.get_experiment_by_name(name)
        if found is None:
            location = None if artifact_root is None else f"{_as_uri(artifact_root)}/{safe_name(name)}"
            try:
                return str(client.create_experiment(name, artifact_location=location))
            except MlflowException:
                # Another process may have created it between the two calls.
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
    except MlflowException as error:
        raise TrackingError(f"MLflow experiment {name}: {_first_line(error)}") from error
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"MLflow experiment {name} was deleted; restore it: mlflow experiments restore -x {found.experiment_id}"
        )
    return str(found.experiment_id)


def log_run(
    record: RunRecord,
    *,
    tracking_uri: str,
    experiment: str,
    artifact_root: str | Path | None = None,
    parent_run_id: str | None = None,
) -> LoggedRun:
    """Write one finished run.

    A run that cannot be written whole is marked FAILED in MLflow, so that nothing reads half of it as a result.

    Raises:
        TrackingError: MLflow cannot be reached, or refused something; says what.
    """
    begun = begin_run(
        record.name,
        tracking_uri=tracking_uri,
        experiment=experiment,
        artifact_root=artifact_root,
        parent_run_id=parent_run_id,
    )
    finish_run(begun, record, tracking_uri=tracking_uri)
    return begun


def begin_run(
    name: str,
    *,
    tracking_uri: str,
    experiment: str,
    artifact_root: str | Path | None = None,
    parent_run_id: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> LoggedRun:
    """A run that is under way, to be ended by `finish_run`.

    Args:
        name: Shown in MLflow's list of runs.
        tracking_uri: MLflow's address.
        experiment: Created where absent.
        artifact_root: See `open_experiment`.
        parent_run_id: The run that this one stands under in MLflow's list.
        params: What is measured, so that a run that never ends still tells.
        tags: What to find it by from the start.

    Raises:
        TrackingError: MLflow cannot be reached.
    """
    client = MlflowClient(tracking_uri=tracking_uri)
    experiment_id = open_experiment(client, experiment, artifact_root)
    marks = {name: _tag(value) for name, value in (tags or {}).items()}
    if parent_run_id is not None:
        marks["mlflow.parentRunId"] = parent_run_id
    try:
        run = client.create_run(experiment_id, run_name=name, tags=marks)
        _log_values(client, run.info.run_id, RunRecord(name, params or {}))
    except MlflowException as error:
        raise TrackingError(f"MLflow at {tracking_uri}: {_first_line(error)}") from error
    return LoggedRun(run.info.run_id, experiment_id, str(run.info.artifact_uri))


def continue_run(run_id: str, tracking_uri: str) -> LoggedRun | None:
    """A run that was begun and never ended, to go on with; None where there is no such run any more."""
    client = MlflowClient(tracking_uri=tracking_uri)
    try:
        info = client.get_run(run_id).info
    except MlflowException:
        return None
    if info.lifecycle_stage != "active" or info.status != "RUNNING":
        return None
    return LoggedRun(run_id, info.experiment_id, str(info.artifact_uri))


def finish_run(
    run: LoggedRun, record: RunRecord, *, tracking_uri: str, trace_ids: Sequence[str] = (), failed: bool = False
) -> None:
    """Write everything of a run that was begun, and end it. What was written before is replaced.

    Args:
        run: From `begin_run` or `continue_run`.
        record: All that it holds.
        tracking_uri: MLflow's address.
        trace_ids: Traces to show beside the run.
        failed: End it as FAILED, though it is whole.

    Raises:
        TrackingError: MLflow cannot be reached, or refused something; the run is marked FAILED then.
    """
    client = MlflowClient(tracking_uri=tracking_uri)
    try:
        _log_values(client, run.run_id, record)
        for name, text in record.texts.items():
            client.log_text(run.run_id, text, name)
        for name, table in record.tables.items():
            # MLflow's own call for tables adds to one that is there: a run that goes on would hold its rows twice.
            client.log_text(run.run_id, table.to_json(orient="split", index=False), name)
        if record.tables:
            shown = [{"path": name, "type": "table"} for name in record.tables]
            client.set_tag(run.run_id, "mlflow.loggedArtifacts", json.dumps(shown))
        client.set_terminated(run.run_id, "FAILED" if failed else "FINISHED")
    except (MlflowException, OSError) as error:
        mark_ended(run.run_id, tracking_uri, "FAILED")
        raise TrackingError(f"MLflow run {run.run_id}: {_first_line(error)}") from error
    _link_traces(client, run.run_id, trace_ids)


def mark_ended(run_id: str, tracking_uri: str, status: str) -> None:
    """Note in MLflow that a run came to nothing: FAILED or KILLED; where that fails too, only the log says so."""
    try:
        MlflowClient(tracking_uri=tracking_uri).set_terminated(run_id, status)
    except MlflowException:
        logger.warning("MLflow run %s could not be marked as %s", run_id, status.lower())


def comparison_address(tracking_uri: str, experiment_ids: Sequence[str], run_ids: Sequence[str]) -> str:
    """Where MLflow's page shows runs beside each other; behind its own server's address where the store is a file."""
    lists = {"runs": run_ids, "experiments": experiment_ids}
    chosen = urlencode({name: json.dumps(list(ids), separators=(",", ":")) for name, ids in lists.items()})
    if tracking_uri.startswith(("http://", "https://")):
        return f"{tracking_uri.rstrip('/')}/#/compare-runs?{chosen}"
    return f"http://127.0.0.1:5000/#/compare-runs?{chosen} (with: mlflow ui --backend-store-uri {tracking_uri})"


def latest_runs(*, tracking_uri: str, experiment: str, tags: Mapping[str, str], most: int = 20) -> list[Run]:
    """Finished runs of an experiment that carry all these tags, newest first; none where there is no experiment."""
    client = MlflowClient(tracking_uri=tracking_uri)
    clauses = ["attributes.status = 'FINISHED'"]
    for name, value in tags.items():
        quoted = value[:_LONGEST_TAG].replace("'", "")
        clauses.append(f"tags.`{name}` = '{quoted}'")
    try:
        found = client.get_experiment_by_name(experiment)
        if found is None or found.lifecycle_stage != "active":
            return []
        return list(
            client.search_runs(
                [found.experiment_id],
                " and ".join(clauses),
                max_results=most,
                order_by=["attributes.start_time DESC"],
            )
        )
    except MlflowException as error:
        raise TrackingError(f"MLflow experiment {experiment}: {_first_line(error)}") from error


def read_artifact(run_id: str, name: str, tracking_uri: str) -> str:
    """Text of a run's artifact.

    Raises:
        MlflowException: there is no such run, or MLflow cannot be reached.
        OSError: the run has no such artifact.
    """
    client = MlflowClient(tracking_uri=tracking_uri)
    info = client.get_run(run_id).info
    local = LoggedRun(run_id, info.experiment_id, str(info.artifact_uri)).local_path(name)
    if local is not None:
        return local.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")


def _log_values(client: MlflowClient, run_id: str, record: RunRecord) -> None:
    now = int(time.time() * 1000)
    metrics = [
        Metric(safe_name(name), float(value), now, 0) for name, value in record.metrics.items() if math.isfinite(value)
    ]
    params = [Param(safe_name(name), str(value)[:_LONGEST_PARAM]) for name, value in record.params.items()]
    tags = [RunTag(name, _tag(value)) for name, value in record.tags.items()]
    client.log_batch(
        run_id, metrics[:_METRICS_A_BATCH], params[:_OTHERS_A_BATCH], tags[:_OTHERS_A_BATCH], synchronous=True
    )
    for start in range(_METRICS_A_BATCH, len(metrics), _METRICS_A_BATCH):
        client.log_batch(run_id, metrics[start : start + _METRICS_A_BATCH], synchronous=True)
    for start in range(_OTHERS_A_BATCH, len(params), _OTHERS_A_BATCH):
        client.log_batch(run_id, params=params[start : start + _OTHERS_A_BATCH], synchronous=True)


def _link_traces(client: MlflowClient, run_id: str, trace_ids: Sequence[str]) -> None:
    """Show traces in the run's own tab; without that link they are still named in its table."""
    try:
        for start in range(0, len(trace_ids), _TRACES_A_CALL):
            client.link_traces_to_run(list(trace_ids[start : start + _TRACES_A_CALL]), run_id)
    except MlflowException as error:
        logger.warning("MLflow run %s: its traces could not be linked: %s", run_id, _first_line(error))


def _tag(value: str) -> str:
    return str(value).replace("'", "")[:_LONGEST_TAG]


def _as_uri(root: str | Path) -> str:
    text = str(root)
    return text.rstrip("/") if "://" in text else Path(text).absolute().as_uri()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
