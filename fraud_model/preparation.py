"""From labelled transactions to what a model is fitted on: time-ordered split, features, the leakage gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from fraud_model.errors import DataError, InputError
from fraud_model.features import categories_in, compute_features
from fraud_model.leakage import ONE_COLUMN_LIMIT, LeakageReport, check_leakage
from fraud_model.metrics import Array
from fraud_model.schema import DAY_SECONDS, TransactionSchema, load_schema
from fraud_model.splits import Split, time_split


@dataclass(frozen=True)
class Prepared:
    """Everything that training reads.

    Attributes:
        transactions: As given, those too late left out.
        schema: With the label delay in force.
        times: Seconds since 1970, UTC, shape (rows,).
        labels: 1.0 fraud, 0.0 legitimate, NaN unknown, shape (rows,).
        split: Rows to train and to validate on.
        categories: Known values of each categorical column, from the training rows.
        features: Shape (rows, features).
        leakage: What the leakage gate looked at and found nothing in.
    """

    transactions: pd.DataFrame
    schema: TransactionSchema
    times: Array
    labels: Array
    split: Split
    categories: Mapping[str, Sequence[str]]
    features: pd.DataFrame
    leakage: LeakageReport

    @property
    def amounts(self) -> Array:
        """Amounts of the validation rows, shape (validation rows,), in currency units."""
        return self.features["amount"].to_numpy(np.float64)[self.split.validation]

    @property
    def payees(self) -> Array:
        """Payee codes of all rows, integers; -1 where missing."""
        return pd.factorize(self.transactions[self.schema.payee])[0]

    @property
    def payers(self) -> Array:
        """Payer codes of the validation rows, integers from 0."""
        return pd.factorize(self.transactions.loc[self.split.validation, self.schema.payer])[0]

    def validation_matrix(self) -> Array:
        """Features of the validation rows, float32, shape (validation rows, features)."""
        return self.features[self.split.validation].to_numpy(np.float32)


def prepare(
    transactions: pd.DataFrame,
    schema: str | Path | TransactionSchema,
    *,
    train_days: int | None = None,
    until: datetime | None = None,
    label_delay_days: float | None = None,
    one_column_limit: float = ONE_COLUMN_LIMIT,
) -> Prepared:
    """Split, compute features, and let them through the leakage gate.

    Args:
        transactions: Labelled transactions, in any order.
        schema: A schema, its built-in name, or the path of its TOML file; it must have a label.
        train_days: Days to train on; all that there are by default.
        until: Use nothing from this time on; UTC where it has no zone.
        label_delay_days: Replaces the schema's label delay.
        one_column_limit: Average precision in [0, 1] that no single feature may reach.

    Raises:
        DataError: the transactions do not fit the schema, or hold too little fraud to train on.
        LeakageFound: features give the label away; carries the report.
        InputError: a setting is out of range.
    """
    schema = load_schema(schema)
    if label_delay_days is not None:
        schema = replace(schema, label_delay_days=float(label_delay_days))
    if schema.label is None:
        raise InputError(f"schema {schema.name} names no label column; training needs one")
    if train_days is not None and train_days < 1:
        raise InputError(f"training days must be at least 1, not {train_days}")
    transactions = _before(transactions, schema, until)
    times, labels = schema.times(transactions), schema.labels(transactions)
    split = time_split(times, labels, schema.label_delay_seconds, train_days)
    categories = categories_in(transactions[split.train], schema)
    features = compute_features(transactions, schema, categories=categories)
    leakage = check_leakage(
        transactions,
        features[split.train],
        labels[split.train],
        schema,
        lambda some: compute_features(some, schema, categories=categories),
        one_column_limit,
    )
    return Prepared(transactions, schema, times, labels, split, categories, features, leakage)


def dataset_digest(transactions: pd.DataFrame) -> str:
    """SHA-256 over column names and values, whatever file they came from."""
    digest = sha256("\n".join(map(str, transactions.columns)).encode())
    digest.update(pd.util.hash_pandas_object(transactions, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def iso(seconds: float) -> str:
    """A time as ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def length_in_days(start: int, end: int) -> float:
    """Days between two times in seconds."""
    return (end - start) / DAY_SECONDS


def _before(transactions: pd.DataFrame, schema: TransactionSchema, until: datetime | None) -> pd.DataFrame:
    if until is None:
        return transactions
    moment = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    kept = transactions[schema.times(transactions) < moment.timestamp()]
    if kept.empty:
        raise DataError(f"no transactions before {moment:%Y-%m-%d %H:%M} UTC; choose a later time to train until")
    return kept
