"""MLflow runs as documents: what was trained or measured, with which parameters, and what came out.

index.sync(read_runs("sqlite:////srv/mlflow.db", "fraud-desk"))
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from retrieval.documents import Document, ReadFailure
from retrieval.errors import RetrievalError

COLLECTION = "run_reports"

PAGE = 200
"""Runs asked of MLflow at once."""

LONGEST_VALUE = 300
"""Characters of one parameter; longer ones are settings files or tables rather than facts to ask for."""


def read_runs(tracking_uri: str, experiment: str, *, limit: int | None = None) -> Iterator[Document | ReadFailure]:
    """Read the runs of an experiment, newest first.

    Each run becomes one document `runs/RUN_ID` with one sentence for each metric, parameter and tag. It is visible to
    a search "as of" a time after the run's end; an unfinished run is passed over.

    Args:
        tracking_uri: MLflow's address; no global state of MLflow is read or changed.
        experiment: Its name.
        limit: At most so many runs; None for all.

    Yields:
        Documents, and a `ReadFailure` for a run that cannot be read.

    Raises:
        RetrievalError: If MLflow cannot be reached, or has no such experiment.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    token: str | None = None
    read = 0
    try:
        found = client.get_experiment_by_name(experiment)
        if found is None:
            raise RetrievalError(f"MLflow at {tracking_uri} has no experiment {experiment!r}; train or evaluate first")
        while limit is None or read < limit:
            size = PAGE if limit is None else min(PAGE, limit - read)
            page = client.search_runs(
                [found.experiment_id], max_results=size, page_token=token, order_by=["attributes.start_time DESC"]
            )
            for run in page:
                read += 1
                if run.info.end_time is None:
                    continue
                try:
                    yield run_document(run, experiment)
                except (ValueError, TypeError, AttributeError) as problem:
                    name = f"runs/{run.info.run_id}"
                    yield ReadFailure(f"mlflow:{run.info.run_id}", f"cannot be read ({problem})", name)
            token = page.token
            if not token:
                return
    except MlflowException as problem:
        raise RetrievalError(f"MLflow at {tracking_uri}: {' '.join(str(problem).split())[:200]}") from problem


def run_document(run: Any, experiment: str) -> Document:
    """One finished MLflow run as a document."""
    info, data = run.info, run.data
    began, ended = (datetime.fromtimestamp(time / 1000, UTC) for time in (info.start_time, info.end_time))
    name = data.tags.get("mlflow.runName") or info.run_id
    lines = [
        f"# Run {name}",
        f"Run {info.run_id} of the experiment {experiment} {_ending(info.status)} on {ended:%Y-%m-%d at %H:%M} UTC "
        f"after {max((ended - began).total_seconds(), 0):.0f} seconds.",
    ]
    metrics = [f"- The metric {_plain(key)} is {value:.6g}." for key, value in sorted(data.metrics.items())]
    params = [
        f"- The parameter {_plain(key)} is {_one_line(value)}."
        for key, value in sorted(data.params.items())
        if value and len(value) <= LONGEST_VALUE
    ]
    tags = [
        f"- The tag {_plain(key)} is {_one_line(value)}."
        for key, value in sorted(data.tags.items())
        if not key.startswith("mlflow.") and value and len(value) <= LONGEST_VALUE
    ]
    note = data.tags.get("mlflow.note.content", "").strip()
    for heading, part in (("Metrics", metrics), ("Parameters", params), ("Tags", tags), ("Note", [note])):
        if any(part):
            lines += ["", f"## {heading}", *part]
    metadata = {
        "source": f"mlflow:{info.run_id}",
        "collection": COLLECTION,
        "run_id": info.run_id,
        "experiment": experiment,
        "status": str(info.status),
        "published": ended.isoformat().replace("+00:00", "Z"),
        "metrics": json.loads(json.dumps({key: float(value) for key, value in data.metrics.items()})),
    }
    return Document(f"runs/{info.run_id}", f"Run {name}", "\n".join(lines) + "\n", metadata)


def _ending(status: str) -> str:
    return {"FINISHED": "finished", "FAILED": "failed", "KILLED": "was stopped"}.get(str(status), f"is {status}")


def _plain(name: str) -> str:
    """A metric's name in words: `average_precision` is asked for as "average precision"."""
    return name.replace("_", " ")


def _one_line(value: str) -> str:
    return " ".join(str(value).split())
