"""One training run into MLflow: figures, plots, dataset, model files, registration, report."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fraud_model.code_version import code_version, git_commit
from fraud_model.definitions import feature_fingerprint
from fraud_model.errors import ModelError
from fraud_model.evaluation import Evaluation
from fraud_model.figures import write_figures
from fraud_model.learners import Learner
from fraud_model.model_file import DESCRIPTION, ModelDescription, write_model
from fraud_model.packaging import pack
from fraud_model.registry import COMPARED_TAG, Registry
from fraud_model.standing import Compared
from fraud_model.tracking import client, experiment_id

_METRICS_A_CALL = 1_000


@dataclass(frozen=True)
class RunInput:
    """What is logged about one training run.

    Attributes:
        learner: The fitted model.
        description: Everything else about it.
        reference: Features and probabilities of a sample of validation rows.
        dataset_name: What the data are called.
        rows: Transactions given.
        found: What was measured on the validation rows.
        importance: Share of each feature in the whole.
        params: Settings of the run, by their stable names.
        gates: What the model misses of the gates; empty where it passes.
        compared: What it reached beside the champion; None where there is none.
        selection_run_id: The run in which its candidate was chosen; empty where none was.
        leakage_markdown: Report of the leakage gate.
    """

    learner: Learner
    description: ModelDescription
    reference: pd.DataFrame
    dataset_name: str
    rows: int
    found: Evaluation
    importance: Mapping[str, float]
    params: Mapping[str, Any]
    gates: tuple[str, ...] = ()
    compared: Compared | None = None
    selection_run_id: str = ""
    leakage_markdown: str = ""


@dataclass(frozen=True)
class LoggedRun:
    """Where the run went."""

    run_id: str
    version: str
    report_markdown: str
    is_candidate: bool


def log_run(run: RunInput, report: Callable[[str, str], str], *, tracking_uri: str, experiment: str) -> LoggedRun:
    """Log a run, register its model as the candidate, and write its report.

    Args:
        run: What to log.
        report: Gives the report's Markdown for a run id and a model version.
        tracking_uri: MLflow store.
        experiment: MLflow experiment, created where absent.

    Raises:
        ModelError: the store or its artifacts cannot be written; the run is left marked as failed.
    """
    store = client(tracking_uri)
    where = experiment_id(tracking_uri, experiment)
    tags = code_tags() | {"dataset_digest": run.description.details["dataset_digest"]}
    if run.selection_run_id:
        tags["selection_run_id"] = run.selection_run_id
    name = f"{run.learner.kind.replace('_', ' ')} until {run.description.trained_until[:10]}"
    run_id = store.create_run(where, tags=tags, run_name=name).info.run_id
    try:
        with tempfile.TemporaryDirectory(prefix="frauddesk-") as temporary:
            logged = _log(run, report, tracking_uri, where, run_id, Path(temporary))
    except BaseException as error:
        store.set_terminated(run_id, status="FAILED")
        if isinstance(error, OSError):
            raise ModelError(f"run {run_id} cannot be logged: {error.strerror or error}") from error
        raise
    store.set_terminated(run_id)
    return logged


def log_leakage(report_markdown: str, dataset_name: str, *, tracking_uri: str, experiment: str) -> str:
    """A failed run that holds the leakage gate's report.

    Returns:
        The run.
    """
    store = client(tracking_uri)
    where = experiment_id(tracking_uri, experiment)
    name = f"stopped by the leakage gate: {Path(dataset_name).name or 'transactions'}"
    run_id = str(store.create_run(where, tags={**code_tags(), "stopped_by": "leakage gate"}, run_name=name).info.run_id)
    store.log_text(run_id, report_markdown, "leakage_report.md")
    store.set_terminated(run_id, status="FAILED")
    return run_id


def log_metrics(tracking_uri: str, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
    """Metrics of a run at one step, however many."""
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    listed = [Metric(name, value, now, step) for name, value in metrics.items() if value == value]
    for start in range(0, len(listed), _METRICS_A_CALL):
        client(tracking_uri).log_batch(run_id, metrics=listed[start : start + _METRICS_A_CALL])


def code_tags() -> dict[str, str]:
    """Tags that say which code made a run."""
    commit = git_commit()
    return {"code_version": code_version(), **({"mlflow.source.git.commit": commit} if commit else {})}


def _log(
    run: RunInput, report: Callable[[str, str], str], tracking_uri: str, where: str, run_id: str, folder: Path
) -> LoggedRun:
    store = client(tracking_uri)
    digest = run.description.details["dataset_digest"]
    _log_facts(run, tracking_uri, run_id, digest)

    files = folder / "files"
    model_digest = write_model(files, run.learner, run.description, run.reference)
    packed = folder / "model"
    model = store.create_logged_model(
        where, name="fraud-classifier", source_run_id=run_id, model_type="fraud-classifier"
    )
    pack(
        files,
        packed,
        run.learner.file,
        run.description.feature_names,
        run.reference.head(2),
        run_id,
        model.model_id,
    )
    store.log_model_artifacts(model.model_id, str(packed))
    store.finalize_logged_model(model.model_id, "READY")
    registry = Registry(tracking_uri)
    registered = registry.register(
        model.artifact_location,  # a models:/ address would be looked up in MLflow's global store, not in this one
        run_id,
        model.model_id,
        _version_tags(run, model_digest, digest),
        passed=not run.gates,
    )
    text = report(run_id, registered)
    extras = folder / "extras"
    found = run.found
    write_figures(extras / "figures", found.labels, found.probabilities, found.budgets, run.importance)
    (extras / "run_report.md").write_text(text, encoding="utf-8")
    (extras / "leakage_report.md").write_text(run.leakage_markdown, encoding="utf-8")
    thresholds = [row.to_dict() for row in found.thresholds]
    (extras / "thresholds.json").write_text(json.dumps(thresholds, indent=1), encoding="utf-8")
    (extras / DESCRIPTION).write_bytes((files / DESCRIPTION).read_bytes())
    store.log_artifacts(run_id, str(extras))
    return LoggedRun(run_id, registered, text, registry.version(registered).status == "candidate")


def _log_facts(run: RunInput, tracking_uri: str, run_id: str, digest: str) -> None:
    """Figures, settings, and the dataset as MLflow's input."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    store = client(tracking_uri)
    log_metrics(tracking_uri, run_id, run.description.metrics | run.found.slice_metrics)
    store.log_batch(run_id, params=[Param(name, str(value)) for name, value in run.params.items()])
    name = Path(run.dataset_name).name[:400] or "transactions"
    dataset = Dataset(name, digest[:36], "local", json.dumps({"uri": name}), profile=json.dumps({"num_rows": run.rows}))
    store.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _version_tags(run: RunInput, model_digest: str, digest: str) -> dict[str, str]:
    described = run.description
    return {
        "digest": model_digest,
        "dataset_digest": digest,
        "feature_fingerprint": feature_fingerprint(described.schema),
        "kind": run.learner.kind,
        "trained_from": described.trained_from,
        "trained_until": described.trained_until,
        "validated_until": described.validated_until,
        "average_precision": f"{described.metrics.get('average_precision', float('nan')):.6f}",
        "threshold": f"{described.threshold:.6g}",
        "gates": "; ".join(run.gates) or "passed",
        **({COMPARED_TAG: run.compared.to_json()} if run.compared is not None else {}),
    }
