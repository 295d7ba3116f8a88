"""From payments to scored payments: score, threshold, features and reasons frozen together."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from app.records import ReasonRecord, Scored
from fraud_model import PastPayments, Scorer, TransactionSchema
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


def score_plain(
    scorer: Scorer, past: PastPayments, values: Mapping[str, Any], name: str, most_earlier: int | None = None
) -> Scored | None:
    """Scores one payment of plain values, without reasons, in a fraction of the time; None where `score_frame` must.

    Args:
        scorer: The model.
        past: What is known of earlier payments.
        values: By column of the scorer's schema; its id, where the schema has one, is `name`.
        name: Id of the payment.
        most_earlier: None is returned where its payer and payee have more earlier payments than this.
    """
    schema = scorer.schema
    payment = past.read(values, scorer.categories)
    if payment is None or (most_earlier is not None and past.count_near(payment) > most_earlier):
        return None
    features = past.values(payment)
    moment = datetime.fromtimestamp(payment.time, UTC)
    known = {column: values[column] for column in schema.required if column in values}
    known |= {schema.payer: payment.payer, schema.payee: payment.payee, schema.amount: payment.amount}
    if schema.transaction_id is not None:
        known[schema.transaction_id] = name
    if schema.step_seconds is None:
        known[schema.time] = moment.isoformat()
    return Scored(
        transaction_id=name,
        event_time=moment,
        payer=str(payment.payer),
        payee=str(payment.payee),
        amount=payment.amount,
        currency=schema.currency,
        probability=float(scorer.predict_values(features)[0]),
        threshold=float(scorer.threshold),
        model_version=str(scorer.model_version),
        transaction=known,
        features=dict(zip(scorer.feature_names, map(_feature, features[0].tolist()), strict=True)),
        reasons=(),
    )


def score_frame(
    scorer: Scorer,
    payments: pd.DataFrame,
    history: pd.DataFrame | PastPayments,
    ids: Sequence[str] | None = None,
    reasons: int = _REASONS_KEPT,
) -> list[Scored]:
    """Scores payments and keeps all that led to each score.

    Args:
        scorer: The model.
        payments: In the columns of the scorer's schema.
        history: Earlier payments of the same payers and payees; or all of them kept ready, for one payment.
        ids: Ids of the payments, where the schema has no id column.
        reasons: How many contributions each gets.
    """
    schema = scorer.schema
    features = scorer.features(payments, history)
    probabilities = scorer.predict(features)
    explained = scorer.explain_features(features, reasons) if reasons else [[] for _ in range(len(payments))]
    times = schema.times(payments)
    named = ids if ids is not None and schema.transaction_id is None else schema.transaction_ids(payments)
    columns = [str(name) for name in payments.columns]
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*(payments[name] for name in payments), strict=True)
    ]
    names, values_of = [str(name) for name in features.columns], features.to_numpy(np.float64).tolist()
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
            features=dict(zip(names, map(_feature, values_of[row]), strict=True)),
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
