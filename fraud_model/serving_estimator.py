"""What MLflow runs to serve a registered scikit-learn model: a ready feature table in, probabilities out.

MLflow copies this file beside the model and runs the copy, so it imports nothing of this package.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import skops.io

# All that the file may hold besides what skops trusts by itself.
TRUSTED_TYPES = [
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
]
LEAST_SHARE = 1e-6


class FraudEstimator(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """The estimator with its calibrator and threshold."""

    def load_context(self, context: Any) -> None:
        """Read estimator and description.

        Raises:
            ValueError: the estimator is not the one that the description was written for.
        """
        self.description = json.loads(Path(context.artifacts["description"]).read_text(encoding="utf-8"))
        stored = Path(context.artifacts["estimator"]).read_bytes()
        if sha256(stored).hexdigest() != self.description["sha256"]["estimator.skops"]:
            raise ValueError("estimator.skops was changed after training")
        self.estimator = skops.io.loads(stored, trusted=TRUSTED_TYPES)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Fraud probability in [0, 1] and alert of each row of a table with the model's feature columns."""
        matrix = model_input[self.description["feature_names"]].to_numpy(np.float32)
        shares = np.clip(self.estimator.predict_proba(matrix)[:, 1], LEAST_SHARE, 1 - LEAST_SHARE)
        raw = np.log(shares / (1 - shares))
        line = self.description["calibrator"]
        corners = np.array(line["raw"])
        odds = np.interp(raw, corners, line["log_odds"])
        odds += line["slope"] * (np.minimum(raw - corners[0], 0.0) + np.maximum(raw - corners[-1], 0.0))
        probability = 1.0 / (1.0 + np.exp(-np.clip(odds, -35.0, 35.0)))
        return pd.DataFrame({"fraud_probability": probability, "alert": probability >= self.description["threshold"]})


mlflow.models.set_model(FraudEstimator())
