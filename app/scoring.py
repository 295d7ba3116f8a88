"""From payments to scored payments: score, threshold, features and reasons frozen together."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from app.records import ReasonRecord, Scored
from fraud_model import Scorer, TransactionSchema
from fraud_model.errors import DataError

ID_KEY = "transaction_id"
_REASONS_KEPT = 8


def table_of(values: Mapping[str, Any], schema: TransactionSchema) -> pd.DataFrame:
    """One payment as a table of one row, in the columns of the schema.

    Raises:
        DataError: columns are missing, or the amount is not a number of at least 0.
    """
    generated = {schema.transaction_id}
    missing = [column for column in schema.required if column not in generated and values.get(column) in (None, "")]
    if missing:
        raise DataError(f"column {', '.join(missing)} missing (schema {schema.name})")
    amount = _number(values[schema.amount], schema.amount)
    if amount < 0:
        raise DataError(f"column {schema.amount}: {amount:g} is negative")
    known = {column: values[column] for column in values if column in schema.columns}
    return pd.DataFrame([{**known, schema.amount: amount}])


def score_frame(
    scorer: Scorer,
    payments: pd.DataFrame,
    history: pd.DataFrame,
    ids: Sequence[str] | None = None,
    reasons: int = _REASONS_KEPT,
) -> list[Scored]:
    """Scores payments and keeps all that led to each score.

    Args:
        scorer: The model.
        payments: In the columns of the scorer's schema.
        history: Earlier payments of the same payers and payees.
        ids: Ids of the payments, where the schema has no id column.
        reasons: How many contributions each gets.
    """
    schema = scorer.schema
    features = scorer.features(payments, history)
    probabilities = scorer.predict(features)
    explained = (
        scorer.explain(payments, history=history, top=reasons) if reasons else [[] for _ in range(len(payments))]
    )
    times = schema.times(payments)
    named = ids if ids is not None and schema.transaction_id is None else schema.transaction_ids(payments)
    rows = payments.to_dict("records")
    return [
        Scored(
            transaction_id=str(named[row]),
            event_time=datetime.fromtimestamp(int(times[row]), UTC),
            payer=str(values[schema.payer]),
            payee=str(values[schema.payee]),
            amount=float(values[schema.amount]),
            currency=schema.currency,
            probability=float(probabilities[row]),
            threshold=float(scorer.threshold),
            model_version=str(scorer.model_version),
            # The label is what the desk is to find out: nobody knew it at this time.
            transaction={str(name): _plain(value) for name, value in values.items() if name != schema.label},
            features={str(name): _feature(value) for name, value in features.iloc[row].items()},
            reasons=tuple(_reason(reason) for reason in explained[row]),
        )
        for row, values in enumerate(rows)
    ]


def _reason(reason: Any) -> ReasonRecord:
    return ReasonRecord(reason.feature, _feature(reason.value), float(reason.effect), reason.text)


def _feature(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _plain(value: Any) -> Any:
    """A cell as JSON can hold it."""
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, pd.Timestamp | datetime):
        return value.isoformat()
    if isinstance(value, np.generic):
        return value.item()
    return value


def _number(value: Any, column: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"column {column}: {str(value)[:40]!r} is not a number") from error
    if not np.isfinite(number):
        raise DataError(f"column {column}: {value!r} is not a number")
    return number
