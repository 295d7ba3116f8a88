"""A model's files as an MLflow model: served from code, with a signature, and without a pickle."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from fraud_model.learners import BOOSTER
from fraud_model.model_file import DESCRIPTION, REFERENCE

_REQUIREMENTS = {
    "booster": ("mlflow", "lightgbm", "numpy", "pandas", "pyarrow"),
    "estimator": ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "pyarrow"),
}


def pack(
    files: Path, packed: Path, model_file: str, names: Sequence[str], example: pd.DataFrame, run_id: str, model_id: str
) -> None:
    """Write an MLflow model that serves ready feature tables.

    Args:
        files: Where `write_model` wrote.
        packed: Folder to make.
        model_file: Name of the file with the trees or the estimator.
        names: Feature columns.
        example: A few rows of features.
        run_id: The training run.
        model_id: MLflow's logged model.
    """
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    part = "booster" if model_file == BOOSTER else "estimator"
    # Float64: MLflow refuses 64-bit numbers for 32-bit columns, while the other way round is allowed.
    signature = ModelSignature(
        inputs=Schema([ColSpec("double", name) for name in names]),
        outputs=Schema([ColSpec("double", "fraud_probability"), ColSpec("boolean", "alert")]),
    )
    served_by = "serving.py" if part == "booster" else "serving_estimator.py"
    with quiet():
        mlflow.pyfunc.save_model(
            path=str(packed),
            python_model=str(Path(__file__).with_name(served_by)),
            artifacts={
                part: str(files / model_file),
                "description": str(files / DESCRIPTION),
                "reference": str(files / REFERENCE),
            },
            signature=signature,
            input_example=example[list(names)].astype("float64"),
            pip_requirements=[f"{package}=={version(package)}" for package in _REQUIREMENTS[part]],
            mlflow_model=Model(run_id=run_id, model_id=model_id),
        )


@contextmanager
def quiet() -> Iterator[None]:
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
