"""Past payments in memory, found by payer, payee or id: what one payment's features are computed from.

The working Parquet is read once; a look-up takes the few rows that matter and leaves the rest untouched. Payments
recorded later are kept beside it.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.labels import with_decisions
from app.records import Label
from fraud_model import PastPayments, TransactionSchema
from fraud_model.entities import labels_of

_GENERATED_ID = re.compile(r"T(\d{8,})")


class History:
    """Past payments of one schema.

    Args:
        frame: Payments in the schema's columns, in any order; ids are taken from row numbers where it has none.
        schema: Their schema.

    Attributes:
        frame: The payments given, without those added later, with the decisions in force as labels.
        past: All of them, ready as the history of single payments.
    """

    def __init__(self, frame: pd.DataFrame, schema: TransactionSchema) -> None:
        self.schema = schema
        self.frame = frame.reset_index(drop=True)
        self._given = self.frame
        self.past = PastPayments(self.frame, schema)
        self._ids: pd.Index | None = None
        # Columns of the payments added, one value a payment; a table of them is made where one is asked for.
        self._added: list[dict[str, Any]] = []
        self._added_ids: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.past)

    def add(self, payments: pd.DataFrame, ids: Sequence[str] | None = None) -> None:
        """Adds payments that came in after the working data were read.

        Args:
            payments: In the schema's columns.
            ids: Their ids, where the schema has no column for them.
        """
        columns = [column for column in self.frame.columns if column in payments.columns]
        payments = payments[columns]
        with self._lock:
            first = len(self._added)
            self._added.extend(payments.to_dict("records"))
            if self.schema.transaction_id in columns:
                ids = payments[self.schema.transaction_id].astype(str).tolist()
            for place, name in enumerate(ids or (), start=first):
                self._added_ids.setdefault(name, place)
            self.past.add(payments)

    def decide(self, decisions: Sequence[Label]) -> None:
        """Puts the decisions in force in place of those that were; see `app.labels.with_decisions`."""
        if self.schema.label is None:
            return
        known = with_decisions(self._given, self.schema, decisions).frame
        with self._lock:
            labels = [labels_of(known, self.schema)]
            if self._added:
                added = self._added_rows(range(len(self._added)))
                names = [f"-{place}" for place in range(len(added))]  # those without an id take no decision
                for name, place in self._added_ids.items():
                    names[place] = name
                labels.append(labels_of(with_decisions(added, self.schema, decisions, names).frame, self.schema))
            self.past.label(np.concatenate(labels))
            self.frame = known

    def aligned(self, payments: pd.DataFrame) -> pd.DataFrame:
        """`payments` with time, payer, payee and id in the type that past payments have, where the values allow it."""
        aligned = payments.copy()
        for column in (self.schema.payer, self.schema.payee, self.schema.transaction_id):
            if column in aligned.columns and column in self.frame.columns:
                aligned[column] = aligned[column].astype(self.frame[column].dtype, errors="ignore")
        kept = self.frame[self.schema.time]
        if pd.api.types.is_datetime64_any_dtype(kept):
            moments = pd.to_datetime(pd.Series(self.schema.times(aligned), index=aligned.index), unit="s", utc=True)
            aligned[self.schema.time] = moments if kept.dt.tz is not None else moments.dt.tz_localize(None)
        return aligned

    def around(self, payments: pd.DataFrame) -> pd.DataFrame:
        """Every payment kept that shares the payer or the payee with one of `payments`, later ones included.

        Features look strictly before a payment's time, so that neither later rows nor the payment itself count.
        """
        payers = payments[self.schema.payer].dropna().unique()
        payees = payments[self.schema.payee].dropna().unique()
        rows = self.past.rows_of(payers, payees)
        kept = len(self.frame)
        split = int(np.searchsorted(rows, kept))
        past = self.frame.iloc[rows[:split]]
        if split < len(rows):
            past = pd.concat([past, self._added_rows(rows[split:] - kept)], ignore_index=True)
        return past

    def before(self, moment: int) -> pd.DataFrame:
        """Every payment kept from before a moment (seconds since 1970, UTC)."""
        parts = [self.frame[self.schema.times(self.frame) < moment]]
        if self._added:
            added = self._added_rows(range(len(self._added)))
            parts.append(added[self.schema.times(added) < moment])
        return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

    def find(self, transaction_id: str) -> pd.DataFrame | None:
        """The payment with this id as a table of one row, or None."""
        row = self._row_of(transaction_id)
        if row is not None:
            return self.frame.iloc[[row]]
        place = self._added_ids.get(transaction_id)
        return self._added_rows([place]) if place is not None else None

    def transaction_id_at(self, row: int) -> str:
        """The id of the payment in a row of `frame`."""
        return str(self.schema.transaction_ids(self.frame.iloc[[row]], first_row=row + 1)[0])

    def _added_rows(self, places: Iterable[int]) -> pd.DataFrame:
        return pd.DataFrame([self._added[place] for place in places])

    def _row_of(self, transaction_id: str) -> int | None:
        if self.schema.transaction_id is None:
            match = _GENERATED_ID.fullmatch(transaction_id)
            row = int(match[1]) - 1 if match else -1
            return row if 0 <= row < len(self.frame) else None
        with self._lock:
            if self._ids is None:
                self._ids = pd.Index(self.schema.transaction_ids(self.frame))
        place = self._ids.get_indexer_for([transaction_id])[0]
        return int(place) if place >= 0 else None
