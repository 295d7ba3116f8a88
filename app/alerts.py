"""The last days of the working transactions, scored into alerts for the queue."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from app.desk import Desk
from app.scoring import score_frame
from app.settings import Settings
from app.store import Store
from fraud_model import Scorer, TransactionSchema
from fraud_model.progress import Progress, ProgressCallback

_ALERTS_AT_ONCE = 500


def raise_alerts(
    settings: Settings, transactions: pd.DataFrame, schema: TransactionSchema, progress: ProgressCallback | None = None
) -> int:
    """Scores the last days with the champion and puts what reaches its threshold in the queue.

    Args:
        settings: Where the champion and the desk's database are, and how many days to score.
        transactions: All the working transactions; earlier ones are history.
        schema: Their schema.
        progress: Told how far it is.

    Returns:
        How many alerts were added; payments that have an alert already keep it.

    Raises:
        ModelError: there is no champion that fits.
        StoreError: the desk's database does not open.
    """
    if transactions.empty:
        return 0
    scorer = Scorer.load("champion", schema=schema, tracking_uri=settings.mlflow_uri)
    times = schema.times(transactions)
    recent = times > int(times.max()) - round(timedelta(days=settings.alert_days).total_seconds())
    rows = np.flatnonzero(recent)
    scores = scorer.score(transactions.iloc[rows], history=transactions[~recent])
    flagged = rows[scores["alert"].to_numpy(bool)]
    ids = schema.transaction_ids(transactions)
    store = Store(settings.desk_database)
    added = 0
    try:
        for first in range(0, len(flagged), _ALERTS_AT_ONCE):
            part = flagged[first : first + _ALERTS_AT_ONCE]
            near = _touching(transactions, part, schema)
            added += store.add_alerts(score_frame(scorer, transactions.iloc[part], near, ids=ids[part].tolist()))
            if progress is not None:
                progress(Progress("Writing alerts", first + len(part), len(flagged)))
    finally:
        store.close()
    return added


def count_open_alerts(settings: Settings) -> int:
    """How many alerts wait for a decision.

    Raises:
        StoreError: the desk's database does not open.
    """
    store = Store(settings.desk_database)
    try:
        return store.counts()["open"]
    finally:
        store.close()


def complete_records(settings: Settings, most: int, progress: ProgressCallback | None = None) -> int:
    """Freezes precedents and typology of new alerts, the largest expected loss first; needs the documents indexed.

    Args:
        settings: Where the desk's database and the index are.
        most: How many at most; a serving desk does the others in the background.
        progress: Told how far it is.

    Returns:
        How many records were completed.

    Raises:
        StoreError: the desk's database does not open.
        RetrievalError: the index does not open.
    """
    desk = Desk(settings)
    try:
        waiting = desk.store.unfinished(most)
        for done, alert_id in enumerate(waiting, 1):
            desk.complete_record(alert_id)
            if progress is not None and done % 10 == 0:
                progress(Progress("Looking up precedents", done, len(waiting)))
        return len(waiting)
    finally:
        desk.close()


def _touching(transactions: pd.DataFrame, rows: np.ndarray[Any, Any], schema: TransactionSchema) -> pd.DataFrame:
    """The other transactions that share a payer or a payee with some rows."""
    some = transactions.iloc[rows]
    touching = transactions[schema.payer].isin(some[schema.payer]) | transactions[schema.payee].isin(some[schema.payee])
    kept = touching.to_numpy(bool)
    kept[rows] = False
    return transactions[kept]
