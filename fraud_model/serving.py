"""What MLflow runs to serve a registered model: a ready feature table in, probabilities out.

MLflow copies this file beside the model and runs the copy, so it imports nothing of this package:

    mlflow.pyfunc.load_model("models:/fraud-classifier@champion").predict(features)
    mlflow models serve -m models:/fraud-classifier@champion --env-manager local
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import lightgbm as lgb
import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd


class FraudClassifier(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """The booster with its calibrator and threshold."""

    def load_context(self, context: Any) -> None:
        """Read booster and description.

        Raises:
            ValueError: the booster is not the one that the description was written for.
        """
        description = Path(context.artifacts["description"]).read_text(encoding="utf-8")
        self.description = json.loads(description)
        text = Path(context.artifacts["booster"]).read_bytes()
        if sha256(text).hexdigest() != self.description["sha256"]["booster.txt"]:
            raise ValueError("booster.txt was changed after training")
        self.booster = lgb.Booster(model_str=text.decode())

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Fraud probability in [0, 1] and alert of each row of a table with the model's feature columns."""
        matrix = model_input[self.description["feature_names"]].to_numpy(np.float32)
        raw = self.booster.predict(matrix, raw_score=True)
        line = self.description["calibrator"]
        corners = np.array(line["raw"])
        odds = np.interp(raw, corners, line["log_odds"])
        odds += line["slope"] * (np.minimum(raw - corners[0], 0.0) + np.maximum(raw - corners[-1], 0.0))
        probability = 1.0 / (1.0 + np.exp(-np.clip(odds, -35.0, 35.0)))
        return pd.DataFrame({"fraud_probability": probability, "alert": probability >= self.description["threshold"]})


mlflow.models.set_model(FraudClassifier())
