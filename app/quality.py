"""What the Quality page shows: measured runs and releases over time, from MLflow; label maturity, from the desk."""

import json
import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fraud_model.schema import DAY_SECONDS

if TYPE_CHECKING:
    from app.desk import Desk

log = logging.getLogger(__name__)

ANSWERS = "fraud-desk-rag"
DRIFT = "fraud-desk-drift"
_MOST_RUNS = 60
# What makes a release of the assistant: a change of one of these between two measurements.
_RELEASE_PARAMS = {
    "answerer": "answers by",
    "prompt_version": "prompt",
    "embedding_model": "embedding",
    "chunking": "chunking",
    "index_version": "index",
}


@dataclass(frozen=True)
class Measured:
    """One measuring run in MLflow.

    Attributes:
        at: When it started, UTC.
        metrics: Figures by name, without those that are not numbers.
    """

    run_id: str
    experiment_id: str
    at: datetime
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]


@dataclass(frozen=True)
class Release:
    """Something that changed from then on: `lane` is `model` or `assistant`."""

    at: datetime
    lane: str
    label: str


@dataclass(frozen=True)
class LabelMaturity:
    """How far the labels of the working payments can be trusted. Times UTC.

    Attributes:
        newest: Time of the newest payment.
        mature_until: Payments before this have had their whole label delay.
        payments: Payments known.
        mature: Payments whose delay is over.
        decided: Alerts with a final decision.
    """

    newest: datetime
    mature_until: datetime
    payments: int
    mature: int
    decided: int


def measured_runs(tracking_uri: str, experiment: str) -> list[Measured]:
    """The latest finished runs of an experiment, the oldest first; none where there is no such experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri)
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return []
    found = client.search_runs(
        [known.experiment_id],
        filter_string="attributes.status = 'FINISHED'",
        max_results=_MOST_RUNS,
        order_by=["attributes.start_time DESC"],
    )
    return [_measured(run) for run in reversed(found)]


def releases(desk: "Desk", answers: list[Measured]) -> list[Release]:
    """Promotions and rollbacks of models, and changes of the assistant between measurements, the oldest first."""
    made = [
        Release(entry.at, "model", f"v{entry.version}" + (" (back)" if entry.action.startswith("rolled back") else ""))
        for entry in desk.registry.history()
        if entry.action != "rejected"
    ]
    for before, after in pairwise(answers):
        changed = [
            f"{words} {after.params.get(name, '')}"
            for name, words in _RELEASE_PARAMS.items()
            if before.params.get(name) != after.params.get(name) and name in after.params
        ]
        if changed:
            made.append(Release(after.at, "assistant", ", ".join(changed)))
    return sorted(made, key=lambda release: release.at)


@lru_cache(maxsize=16)
def artifact(tracking_uri: str, run_id: str, name: str) -> Any:
    """A JSON artifact of a finished run; None where it has none. Kept, since artifacts of finished runs stay."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory() as folder:
        try:
            path = MlflowClient(tracking_uri).download_artifacts(run_id, name, folder)
            return json.loads(Path(path).read_text(encoding="utf-8"))
        except (MlflowException, OSError, ValueError) as error:
            log.info("run %s has no %s: %s", run_id, name, error)
            return None


def worst_questions(tracking_uri: str, run: Measured, most: int = 10) -> list[dict[str, Any]]:
    """The questions of a run that were answered worst, the worst first; each a row of its table."""
    table = artifact(tracking_uri, run.run_id, "per_question.json") or {"columns": [], "data": []}
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    judged = [row for row in rows if isinstance(row.get("quality"), int | float) and not math.isnan(row["quality"])]
    return sorted((row for row in judged if row["quality"] < 1), key=lambda row: row["quality"])[:most]


def label_maturity(desk: "Desk") -> LabelMaturity:
    """How far the labels of the working payments are known."""
    history, schema = desk.history, desk.scorer.schema
    times = schema.times(history.frame)
    newest = int(times.max())
    until = newest - int(schema.label_delay_days * DAY_SECONDS)
    counts = desk.store.counts()
    decided = sum(counts.get(state, 0) for state in ("confirmed_fraud", "legitimate", "inconclusive"))
    return LabelMaturity(
        datetime.fromtimestamp(newest, UTC),
        datetime.fromtimestamp(until, UTC),
        len(times),
        int((times < until).sum()),
        decided,
    )


def _measured(run: Any) -> Measured:
    return Measured(
        run.info.run_id,
        run.info.experiment_id,
        datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        {name: float(value) for name, value in run.data.metrics.items() if math.isfinite(value)},
        dict(run.data.params),
        dict(run.data.tags),
    )
