"""MLflow's runs as tools read them: by id or its beginning, with an address where there is one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.tools.records import Link, ToolError

if TYPE_CHECKING:
    from app.desk import Desk

_RUN_ID = re.compile(r"[0-9a-f]{6,32}")
_EXPERIMENTS = 1_000


@dataclass(frozen=True)
class RunFacts:
    """One run: its figures, parameters and tags, and the experiment that it belongs to. `started` is UTC."""

    run_id: str
    name: str
    experiment: str
    experiment_id: str
    started: datetime
    status: str
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]


def run_by_id(desk: "Desk", run_id: str) -> RunFacts:
    """A run by its id, or by the beginning of it where only one run begins so.

    Raises:
        ToolError: there is no such run, or several begin so.
    """
    asked = run_id.strip().lower()
    if not _RUN_ID.fullmatch(asked):
        raise ToolError(f"{run_id!r} is no run id.")
    client = _client(desk)
    experiments = {entry.experiment_id: entry.name for entry in client.search_experiments(max_results=_EXPERIMENTS)}
    found = client.search_runs(list(experiments), f"attributes.run_id LIKE '{asked}%'", max_results=2)
    if not found:
        raise ToolError(f"MLflow has no run {run_id}.")
    if len(found) > 1:
        raise ToolError(f"Several runs begin with {run_id}; give more of the id.")
    return _facts(found[0], experiments[found[0].info.experiment_id])


def latest_runs(desk: "Desk", experiment: str, count: int = 1) -> list[RunFacts]:
    """The last finished runs of an experiment, the newest first; none where there is no such experiment."""
    client = _client(desk)
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return []
    runs = client.search_runs(
        [known.experiment_id],
        "attributes.status = 'FINISHED'",
        max_results=count,
        order_by=["attributes.start_time DESC"],
    )
    return [_facts(run, experiment) for run in runs]


def run_link(desk: "Desk", run: RunFacts) -> Link:
    """Where a run can be looked at: its page on the MLflow server, else its id."""
    uri = desk.settings.mlflow_uri
    label = f"MLflow run {run.run_id}"
    if not uri.startswith(("http://", "https://")):
        return Link(label)
    return Link(label, f"{uri.rstrip('/')}/#/experiments/{run.experiment_id}/runs/{run.run_id}")


def _client(desk: "Desk") -> Any:
    from mlflow import MlflowClient

    return MlflowClient(desk.settings.mlflow_uri)


def _facts(run: Any, experiment: str) -> RunFacts:
    return RunFacts(
        run_id=str(run.info.run_id),
        name=str(run.info.run_name or ""),
        experiment=experiment,
        experiment_id=str(run.info.experiment_id),
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        status=str(run.info.status),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(run.data.tags),
    )
