"""One training run into MLflow: figures, plots, dataset, model files, registration, report."""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lightgbm as lgb
import pandas as pd

from fraud_model.definitions import feature_fingerprint
from fraud_model.errors import ModelError
from fraud_model.figures import write_figures
from fraud_model.metrics import Array, BudgetRow
from fraud_model.model_file import BOOSTER, DESCRIPTION, REFERENCE, ModelDescription, write_model
from fraud_model.registry import Registry
from fraud_model.tracking import client, experiment_id

_REQUIREMENTS = ("mlflow", "lightgbm", "numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class RunInput:
    """What is logged about one training run; arrays are those of the validation rows."""

    booster: lgb.Booster
    description: ModelDescription
    reference: pd.DataFrame
    dataset_name: str
    rows: int
    labels: Array
    probabilities: Array
    budgets: Sequence[BudgetRow]
    importance: Mapping[str, float]
    params: Mapping[str, Any]
    gates: Sequence[str] = ()
    """What the model misses of the gates; empty where it passes."""


@dataclass(frozen=True)
class LoggedRun:
    """Where the run went."""

    run_id: str
    version: str
    report_markdown: str


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
    tags = {"code_version": code_version(), "dataset_digest": run.description.details["dataset_digest"]}
    run_id = store.create_run(
        where, tags=tags, run_name=f"lightgbm until {run.description.trained_until[:10]}"
    ).info.run_id
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


def _log(
    run: RunInput, report: Callable[[str, str], str], tracking_uri: str, where: str, run_id: str, folder: Path
) -> LoggedRun:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    store = client(tracking_uri)
    now = time.time_ns() // 1_000_000
    metrics = run.description.metrics
    store.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        params=[Param(name, str(value)) for name, value in run.params.items()],
    )
    digest = run.description.details["dataset_digest"]
    name = Path(run.dataset_name).name[:400] or "transactions"
    profile = f'{{"num_rows": {run.rows}}}'
    dataset = Dataset(name, digest[:36], "local", f'{{"uri": "{name}"}}', profile=profile)
    store.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    files = folder / "files"
    model_digest = write_model(files, run.booster, run.description, run.reference)
    packed = folder / "model"
    model = store.create_logged_model(
        where, name="fraud-classifier", source_run_id=run_id, model_type="fraud-classifier"
    )
    _pack(files, packed, run, run_id, model.model_id)
    store.log_model_artifacts(model.model_id, str(packed))
    store.finalize_logged_model(model.model_id, "READY")
    registered = Registry(tracking_uri).register(
        model.artifact_location,  # a models:/ address would be looked up in MLflow's global store, not in this one
        run_id,
        model.model_id,
        {
            "digest": model_digest,
            "dataset_digest": digest,
            "feature_fingerprint": feature_fingerprint(run.description.schema),
            "trained_from": run.description.trained_from,
            "trained_until": run.description.trained_until,
            "validated_until": run.description.validated_until,
            "average_precision": f"{metrics.get('average_precision', float('nan')):.6f}",
            "threshold": f"{run.description.threshold:.6g}",
            "gates": "; ".join(run.gates) or "passed",
        },
        passed=not run.gates,
    )
    text = report(run_id, registered)
    extras = folder / "extras"
    write_figures(extras / "figures", run.labels, run.probabilities, run.budgets, run.importance)
    (extras / "run_report.md").write_text(text, encoding="utf-8")
    (extras / DESCRIPTION).write_bytes((files / DESCRIPTION).read_bytes())
    store.log_artifacts(run_id, str(extras))
    return LoggedRun(run_id, registered, text)


def _pack(files: Path, packed: Path, run: RunInput, run_id: str, model_id: str) -> None:
    """The model files as an MLflow model that serves ready feature tables, from code and not from a pickle."""
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    names = run.description.feature_names
    # Float64: MLflow refuses 64-bit numbers for 32-bit columns, while the other way round is allowed.
    signature = ModelSignature(
        inputs=Schema([ColSpec("double", name) for name in names]),
        outputs=Schema([ColSpec("double", "fraud_probability"), ColSpec("boolean", "alert")]),
    )
    with _quiet():
        mlflow.pyfunc.save_model(
            path=str(packed),
            python_model=str(Path(__file__).with_name("serving.py")),
            artifacts={
                "booster": str(files / BOOSTER),
                "description": str(files / DESCRIPTION),
                "reference": str(files / REFERENCE),
            },
            signature=signature,
            input_example=run.reference[list(names)].head(2).astype("float64"),
            pip_requirements=[f"{package}=={version(package)}" for package in _REQUIREMENTS],
            mlflow_model=Model(run_id=run_id, model_id=model_id),
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's progress bars and hints, which would tear the progress that the user sees."""
    from mlflow import environment_variables

    progress_bars: Any = environment_variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
    logger, bars = logging.getLogger("mlflow"), progress_bars.get_raw()
    level = logger.level
    logger.setLevel(logging.WARNING)
    progress_bars.set(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        if bars is None:
            progress_bars.unset()
        else:
            progress_bars.set(bars)


@cache
def code_version() -> str:
    """Version of the package, and a digest of the modules that make a model."""
    folder = Path(__file__).parent
    digest = sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    try:
        number = version("frauddesk")
    except PackageNotFoundError:  # run from a checkout that was not installed
        number = "0"
    return f"{number}+{digest.hexdigest()[:12]}"
