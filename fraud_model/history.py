"""The append-only history of decisions: who made which version the champion, when, why, and with what figures.

Each decision is a finished run of the experiment `fraud-desk-registry`. Nothing here changes or deletes one, and a run
that somebody deletes in MLflow still counts.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mlflow.entities import Metric, RunTag, ViewType

from fraud_model.standing import Compared, Decision
from fraud_model.tracking import client, experiment_id

HISTORY_EXPERIMENT = "fraud-desk-registry"
_REPLACED = "replaced/"


@dataclass(frozen=True)
class HistoryEntry:
    """One decision.

    Attributes:
        at: When, UTC.
        action: What happened: promoted, promoted despite refusal, rejected, rolled back to.
        version: To which version.
        by: Who decided.
        reason: Why.
        replaced: The champion until then; empty where there was none.
        metrics: The version's figures.
        despite: Why a refusal was overruled; empty where there was none.
        overruled: What stood against the promotion.
        compared: Figures of the version and the champion on the same later payments; None where there are none.
        replaced_metrics: Figures of the champion until then, on its own validation.
    """

    at: datetime
    action: str
    version: str
    by: str
    reason: str
    replaced: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    despite: str = ""
    overruled: str = ""
    compared: Compared | None = None
    replaced_metrics: Mapping[str, float] = field(default_factory=dict)


def append(
    tracking_uri: str,
    entry: HistoryEntry,
    model_run_id: str,
) -> None:
    """Write one decision down; `entry.at` is replaced by now."""
    store = client(tracking_uri)
    now = time.time_ns() // 1_000_000
    tags = {"action": entry.action, "version": entry.version, "by": entry.by.strip(), "reason": entry.reason.strip()}
    tags |= {"replaced": entry.replaced, "model_run_id": model_run_id}
    if entry.despite:
        tags |= {"despite": entry.despite.strip(), "overruled": entry.overruled}
    if entry.compared is not None:
        tags["compared"] = entry.compared.to_json()
    run = store.create_run(
        experiment_id(tracking_uri, HISTORY_EXPERIMENT),
        start_time=now,
        tags=tags,
        run_name=f"{entry.action} version {entry.version}",
    )
    metrics = [Metric(name, value, now, 0) for name, value in entry.metrics.items()]
    metrics += [Metric(_REPLACED + name, value, now, 0) for name, value in entry.replaced_metrics.items()]
    store.log_batch(run.info.run_id, metrics=metrics, tags=[RunTag("at", str(now))])
    store.set_terminated(run.info.run_id)


def read(tracking_uri: str) -> list[HistoryEntry]:
    """Every decision, the oldest first."""
    store = client(tracking_uri)
    experiment = store.get_experiment_by_name(HISTORY_EXPERIMENT)
    if experiment is None:
        return []
    entries: list[HistoryEntry] = []
    token = None
    while True:
        page = store.search_runs(
            [experiment.experiment_id],
            run_view_type=ViewType.ALL,
            order_by=["attributes.start_time ASC"],
            max_results=1_000,
            page_token=token,
        )
        entries.extend(_entry(run) for run in page if "action" in run.data.tags)
        token = page.token
        if not token:
            return sorted(entries, key=lambda entry: entry.at)


def decided(
    action: str, version: str, by: str, reason: str, metrics: Mapping[str, float], replaced: str, decision: Decision
) -> HistoryEntry:
    """The entry of a decision made now."""
    return HistoryEntry(
        at=datetime.now(UTC),
        action=action,
        version=version,
        by=by,
        reason=reason,
        replaced=replaced,
        metrics=metrics,
        despite=decision.despite,
        overruled=decision.overruled,
        compared=decision.compared,
        replaced_metrics=decision.replaced_metrics,
    )


def _entry(run: Any) -> HistoryEntry:
    tags = run.data.tags
    metrics = run.data.metrics
    return HistoryEntry(
        at=datetime.fromtimestamp(int(tags.get("at", run.info.start_time)) / 1000, UTC),
        action=tags["action"],
        version=tags.get("version", ""),
        by=tags.get("by", ""),
        reason=tags.get("reason", ""),
        replaced=tags.get("replaced", ""),
        metrics={name: value for name, value in metrics.items() if not name.startswith(_REPLACED)},
        despite=tags.get("despite", ""),
        overruled=tags.get("overruled", ""),
        compared=Compared.from_json(tags["compared"]) if "compared" in tags else None,
        replaced_metrics={
            name.removeprefix(_REPLACED): value for name, value in metrics.items() if name.startswith(_REPLACED)
        },
    )
