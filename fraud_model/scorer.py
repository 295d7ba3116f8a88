"""Score transactions with a registered model: tables, files, one payment; with reasons on request.

    scorer = Scorer.load("champion", tracking_uri="sqlite:////abs/mlflow.db")
    scores = scorer.score(transactions, history=earlier, reasons=3)

Probabilities are calibrated and lie in [0, 1]; effects of reasons are in log-odds of the booster's raw score.
"""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fraud_model.definitions import feature_fingerprint
from fraud_model.errors import InputError, ModelError
from fraud_model.features import compute_features
from fraud_model.forest import Forest
from fraud_model.metrics import Array
from fraud_model.model_file import DESCRIPTION, StoredModel, digest_of
from fraud_model.past import PastPayments
from fraud_model.progress import ProgressCallback
from fraud_model.reasons import Reason, describe
from fraud_model.schema import TransactionSchema, load_schema

if TYPE_CHECKING:
    from fraud_model.score_file import ScoreSummary

DEFAULT_CHUNK_ROWS = 500_000


class Scorer:
    """A loaded model.

    Attributes:
        model_version: Registered version, as text.
        schema: The schema of the transactions that it scores.
        threshold: Least probability of an alert, in [0, 1].
    """

    def __init__(self, model: StoredModel, model_version: str) -> None:
        self._model = model
        self.model_version = model_version
        self.schema = model.description.schema
        self.threshold = model.description.threshold
        # Reasons name categories as the model knows them.
        self._worded = replace(self.schema, categories=dict(model.description.categories))

    @classmethod
    def load(
        cls,
        model: str = "champion",
        schema: str | Path | TransactionSchema | None = None,
        tracking_uri: str | None = None,
    ) -> "Scorer":
        """Load a registered model and check its digest and feature definitions.

        Args:
            model: An alias (champion, candidate, previous) or a version number.
            schema: The schema of what will be scored, to be refused if the model has another; by default the model's.
            tracking_uri: MLflow store; by default MLflow's own setting.

        Raises:
            ModelError: there is no such model, its files were changed, or it has other features or another schema.
        """
        from fraud_model.registry import Registry, store_exists

        if tracking_uri is None:
            import mlflow

            tracking_uri = mlflow.get_tracking_uri()
        if not store_exists(tracking_uri):
            raise ModelError(f"no models at {tracking_uri} yet; train one first")
        info, stored = Registry(tracking_uri).open(model)
        wanted = load_schema(schema) if schema is not None else None
        if wanted is not None and feature_fingerprint(wanted) != feature_fingerprint(stored.description.schema):
            raise ModelError(
                f"version {info.version} was trained on schema {stored.description.schema.name}, which reads other "
                f"columns or delays than schema {wanted.name}; train a model on {wanted.name}"
            )
        return cls(stored, info.version)

    @property
    def digest(self) -> str:
        """SHA-256 of the description, which covers the trees."""
        return digest_of(self._model.folder / DESCRIPTION)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Feature columns in the model's order."""
        return self._model.description.feature_names

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """Known values of each categorical column; a value's position is its code."""
        return self._model.description.categories

    @cached_property
    def _forest(self) -> Forest | None:
        """The trees compiled; None where the model has none, or only LightGBM can predict them."""
        booster = self._model.booster
        return Forest.of(booster) if booster is not None else None

    @cached_property
    def reference(self) -> pd.DataFrame:
        """A sample of features with `fraud_probability` from validation, to compare later days with."""
        return self._model.read_reference()

    def features(self, transactions: pd.DataFrame, history: pd.DataFrame | PastPayments | None = None) -> pd.DataFrame:
        """The model's features of each transaction; see `compute_features`.

        With payments kept ready as history, of one transaction; see `PastPayments`.
        """
        if isinstance(history, PastPayments):
            return history.features(transactions, self._model.description.categories)
        return compute_features(transactions, self.schema, history, self._model.description.categories)

    def predict(self, features: pd.DataFrame) -> Array:
        """Fraud probabilities in [0, 1], shape (rows,), of a ready feature table.

        Raises:
            InputError: a feature column is missing.
        """
        names = list(self.feature_names)
        if list(features.columns) != names:
            missing = [name for name in names if name not in features.columns]
            if missing:
                raise InputError(f"feature columns missing: {', '.join(missing[:5])}; compute them with this program")
            features = features[names]
        return self._probabilities(features.to_numpy(np.float32))

    def predict_values(self, values: Array) -> Array:
        """The same for a float32 array in the model's order of features, shape (rows, features)."""
        return self._probabilities(values)

    def score(
        self, transactions: pd.DataFrame, history: pd.DataFrame | PastPayments | None = None, reasons: int = 0
    ) -> pd.DataFrame:
        """Score transactions.

        Args:
            transactions: In any order; each is history for later ones.
            history: Earlier transactions (labels where known), not the same rows again; or payments kept ready, for
                one transaction.
            reasons: How many reasons each alert gets; other rows get none.

        Returns:
            One row per transaction, in input order: transaction_id, fraud_probability, alert, model_version, and
            with reasons reason_1, reason_1_effect, ...

        Raises:
            DataError: the transactions do not fit the schema.
        """
        features = self.features(transactions, history)
        return self.assemble(self.schema.transaction_ids(transactions), features, reasons)

    def assemble(self, ids: Array, features: pd.DataFrame, reasons: int) -> pd.DataFrame:
        """The score table of ready features; ids, shape (rows,), stand in the first column."""
        matrix = features.to_numpy(np.float32)
        probabilities = self._probabilities(matrix)
        alerts = probabilities >= self.threshold
        scores = pd.DataFrame(
            {
                "transaction_id": ids,
                "fraud_probability": probabilities,
                "alert": alerts,
                "model_version": np.full(len(ids), self.model_version, dtype=object),
            }
        )
        if reasons > 0:
            self._add_reasons(scores, features, np.flatnonzero(alerts), reasons)
        return scores

    def explain(
        self, transactions: pd.DataFrame, history: pd.DataFrame | PastPayments | None = None, top: int = 8
    ) -> list[list[Reason]]:
        """The largest contributions to each transaction's score, by size of effect.

        Contributions are TreeSHAP values: with the model's base value they add up to the raw score.

        Args:
            transactions: Transactions to explain, about a thousand a second.
            history: As for `score`.
            top: Contributions per transaction.
        """
        return self.explain_features(self.features(transactions, history), top)

    def explain_features(self, features: pd.DataFrame, top: int = 8) -> list[list[Reason]]:
        """The same for ready features, as `features` gives them."""
        return self._explain(features, top, rising_only=False)

    def score_file(
        self,
        source: str | Path,
        out: str | Path,
        history: str | Path | None = None,
        reasons: int = 0,
        chunk_rows: int = DEFAULT_CHUNK_ROWS,
        progress: ProgressCallback | None = None,
    ) -> "ScoreSummary":
        """Score a CSV or Parquet file, a folder of them, or a table, into a file or table; see `score_file`."""
        from fraud_model.score_file import score_file
        from fraud_model.tables import is_table

        def named(place: str | Path) -> str | Path:
            return place if is_table(place) else Path(place)

        earlier = named(history) if history is not None else None
        return score_file(self, named(source), named(out), earlier, reasons, chunk_rows, progress)

    def _probabilities(self, matrix: Array) -> Array:
        if not len(matrix):
            return np.empty(0)
        forest = self._forest
        raw = forest.raw_scores(matrix) if forest is not None else self._model.raw_scores(matrix)
        return self._model.description.calibrator.probabilities(raw)

    def _explain(self, features: pd.DataFrame, top: int, rising_only: bool) -> list[list[Reason]]:
        if features.empty or top <= 0:
            return [[] for _ in range(len(features))]
        matrix = features.to_numpy(np.float32)
        effects = self._model.contributions(matrix)
        explained = []
        for values, row in zip(matrix, effects, strict=True):
            order = np.argsort(-row if rising_only else -np.abs(row), kind="stable")[:top]
            known = dict(zip(self.feature_names, values.tolist(), strict=True))
            explained.append(
                [self._reason(int(at), known, float(row[at])) for at in order if not rising_only or row[at] > 0]
            )
        return explained

    def _reason(self, at: int, values: dict[str, float], effect: float) -> Reason:
        name = self.feature_names[at]
        return Reason(name, values[name], effect, describe(name, values[name], values, self._worded))

    def _add_reasons(self, scores: pd.DataFrame, features: pd.DataFrame, rows: Array, count: int) -> None:
        texts = np.full((len(scores), count), None, dtype=object)
        effects = np.full((len(scores), count), np.nan)
        for row, reasons in zip(rows, self._explain(features.iloc[rows], count, rising_only=True), strict=True):
            for place, reason in enumerate(reasons):
                texts[row, place] = reason.text
                effects[row, place] = reason.effect
        for place in range(count):
            # As strings, so that a table without alerts has the same column types as one with them.
            scores[f"reason_{place + 1}"] = pd.array(texts[:, place], dtype="string")
            scores[f"reason_{place + 1}_effect"] = effects[:, place]
