"""A model on disk: the trees in their own text format, everything else as JSON, a reference sample as Parquet.

    booster.txt         LightGBM's text format; for a scikit-learn model estimator.skops instead
    model.json          schema, features, categories, calibrator, threshold, figures, SHA-256 of the other two
    reference.parquet   a sample of features and probabilities from validation, to compare later days with

Nothing is a pickle. The registry keeps the SHA-256 of model.json, so that one digest covers all three.
"""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fraud_model.calibration import Array, Calibrator
from fraud_model.definitions import feature_fingerprint, feature_names
from fraud_model.errors import FraudModelError, ModelError
from fraud_model.schema import TransactionSchema

if TYPE_CHECKING:
    import pandas as pd

    from fraud_model.learners import Learner

FORMAT_VERSION = 1
DESCRIPTION, REFERENCE = "model.json", "reference.parquet"


@dataclass(frozen=True)
class ModelDescription:
    """What a model is, apart from its trees.

    Attributes:
        schema: The schema that it was trained with, label delay included.
        categories: Known values of each categorical column; a value's position is its code.
        calibrator: From raw score to probability.
        threshold: Least probability of an alert, in [0, 1].
        alert_budget_per_day: The budget that the threshold was set for.
        metrics: Figures on validation.
        trained_from: Start of training, ISO 8601, UTC.
        trained_until: End of training, exclusive.
        validated_from: Start of validation.
        validated_until: End of validation, exclusive.
        details: Anything else worth keeping: seed, parameters, dataset digest.
    """

    schema: TransactionSchema
    categories: dict[str, tuple[str, ...]]
    calibrator: Calibrator
    threshold: float
    alert_budget_per_day: float
    metrics: dict[str, float]
    trained_from: str
    trained_until: str
    validated_from: str
    validated_until: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Feature columns in the order of the booster."""
        return feature_names(self.schema)


@dataclass(frozen=True)
class StoredModel:
    """A model read from disk, its digests and feature definitions checked."""

    learner: "Learner"
    description: ModelDescription
    folder: Path

    @property
    def booster(self) -> Any:
        """The LightGBM trees; None for a model of another kind."""
        return getattr(self.learner, "booster", None)

    def raw_scores(self, matrix: Array) -> Array:
        """Log-odds, shape (rows,), of features, float32, shape (rows, features); not calibrated yet."""
        return self.learner.raw_scores(matrix)

    def contributions(self, matrix: Array) -> Array:
        """What each feature does to the raw score, shape (rows, features)."""
        return self.learner.contributions(matrix)

    def read_reference(self) -> "pd.DataFrame":
        """The reference sample: features and `fraud_probability`."""
        import pandas as pd

        return pd.read_parquet(self.folder / REFERENCE)


def write_model(folder: Path, learner: "Learner", description: ModelDescription, reference: "pd.DataFrame") -> str:
    """Write a model into an empty folder.

    Args:
        folder: Made where absent.
        learner: The trees, or an estimator of another kind.
        description: Everything else.
        reference: Features and `fraud_probability` of a sample of validation rows.

    Returns:
        The SHA-256 of model.json, which covers the other files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    learner.write(folder)
    reference.to_parquet(folder / REFERENCE, index=False)
    values = {
        "format_version": FORMAT_VERSION,
        "kind": learner.kind,
        "fingerprint": feature_fingerprint(description.schema),
        "feature_names": list(description.feature_names),
        "schema": description.schema.to_dict(),
        "categories": {name: list(known) for name, known in description.categories.items()},
        "calibrator": description.calibrator.to_dict(),
        "threshold": description.threshold,
        "alert_budget_per_day": description.alert_budget_per_day,
        "metrics": description.metrics,
        "trained_from": description.trained_from,
        "trained_until": description.trained_until,
        "validated_from": description.validated_from,
        "validated_until": description.validated_until,
        "details": description.details,
        "sha256": {name: digest_of(folder / name) for name in (learner.file, REFERENCE)},
    }
    if hasattr(learner, "usual"):
        values["usual"] = [None if value != value else value for value in learner.usual.tolist()]
    (folder / DESCRIPTION).write_text(json.dumps(values, indent=1, sort_keys=True), encoding="utf-8")
    return digest_of(folder / DESCRIPTION)


def read_model(folder: Path, digest: str | None = None, name: str = "model") -> StoredModel:
    """Read a model and check it.

    Args:
        folder: Where `write_model` wrote it.
        digest: The SHA-256 of model.json that the registry keeps; None skips that one check.
        name: What to call the model in errors, such as `version 3`.

    Raises:
        ModelError: a file is missing or changed, or the features of this program differ from the model's.
    """
    import lightgbm as lgb

    from fraud_model.learners import BOOSTER, ESTIMATOR, Trees, read_estimator

    try:
        if digest is not None and digest_of(folder / DESCRIPTION) != digest:
            raise ModelError(f"{name}: {folder / DESCRIPTION} was changed after training; train again or roll back")
        values = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        for file, expected in values["sha256"].items():
            if digest_of(folder / file) != expected:
                raise ModelError(f"{name}: {folder / file} was changed after training; train again or roll back")
        schema = TransactionSchema.from_dict(values["schema"], where=f"{name}: schema")
        if values["format_version"] != FORMAT_VERSION or values["fingerprint"] != feature_fingerprint(schema):
            raise ModelError(
                f"{name} was trained on other feature definitions than this program's "
                f"({values['fingerprint'][:12]} against {feature_fingerprint(schema)[:12]}); train again"
            )
        learner: Learner
        kind = values.get("kind", "lightgbm")
        if kind == "lightgbm":
            learner = Trees(lgb.Booster(model_str=(folder / BOOSTER).read_text(encoding="utf-8")))
        else:
            usual = np.array([np.nan if value is None else value for value in values["usual"]], np.float32)
            learner = read_estimator(folder / ESTIMATOR, kind, usual)
        description = ModelDescription(
            schema=schema,
            categories={column: tuple(known) for column, known in values["categories"].items()},
            calibrator=Calibrator.from_dict(values["calibrator"]),
            threshold=float(values["threshold"]),
            alert_budget_per_day=float(values["alert_budget_per_day"]),
            metrics=values["metrics"],
            trained_from=values["trained_from"],
            trained_until=values["trained_until"],
            validated_from=values["validated_from"],
            validated_until=values["validated_until"],
            details=values["details"],
        )
    except FraudModelError:
        raise
    except OSError as error:
        raise ModelError(f"{name}: {error.filename or folder}: {error.strerror or error}; train again") from error
    except (KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as error:
        raise ModelError(f"{name}: the files in {folder} are damaged ({error}); train again or roll back") from error
    return StoredModel(learner, description, folder)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()
