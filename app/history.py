"""Past payments in memory, found by payer, payee or id: what one payment's features are computed from.

The working Parquet is read once and sorted by payer and by payee; a look-up then takes the few rows that matter and
leaves the rest untouched. Payments recorded later are kept beside it.
"""

import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fraud_model import TransactionSchema

Rows = np.ndarray[Any, np.dtype[np.int64]]
_GENERATED_ID = re.compile(r"T(\d{8,})")


class History:
    """Past payments of one schema.

    Args:
        frame: Payments in the schema's columns, in any order; ids are taken from row numbers where it has none.
        schema: Their schema.
    """

    def __init__(self, frame: pd.DataFrame, schema: TransactionSchema) -> None:
        self.schema = schema
        self.frame = frame.reset_index(drop=True)
        self._by_payer = _Groups(self.frame[schema.payer])
        self._by_payee = _Groups(self.frame[schema.payee])
        self._ids: pd.Index | None = None
        self._recorded = self.frame.iloc[:0]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.frame) + len(self._recorded)

    def add(self, payments: pd.DataFrame) -> None:
        """Adds payments that came in after the working data were read."""
        with self._lock:
            columns = [column for column in self.frame.columns if column in payments.columns]
            parts = [part for part in (self._recorded, payments[columns]) if len(part)]
            self._recorded = pd.concat(parts, ignore_index=True) if parts else self._recorded

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
        payers, payees = payments[self.schema.payer], payments[self.schema.payee]
        rows = np.union1d(self._by_payer.rows(payers), self._by_payee.rows(payees))
        past = self.frame.iloc[rows]
        recorded = self._recorded
        near = recorded[self.schema.payer].isin(payers) | recorded[self.schema.payee].isin(payees)
        if near.any():
            past = pd.concat([past, recorded[near]], ignore_index=True)
        return past

    def before(self, moment: int) -> pd.DataFrame:
        """Every payment kept from before a moment (seconds since 1970, UTC)."""
        parts = [self.frame[self.schema.times(self.frame) < moment]]
        if len(self._recorded):
            parts.append(self._recorded[self.schema.times(self._recorded) < moment])
        return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

    def find(self, transaction_id: str) -> pd.DataFrame | None:
        """The payment with this id as a table of one row, or None."""
        row = self._row_of(transaction_id)
        if row is not None:
            return self.frame.iloc[[row]]
        key = self.schema.transaction_id
        if key is not None and len(self._recorded):
            matching = self._recorded[self._recorded[key].astype(str) == transaction_id]
            return matching.iloc[:1] if len(matching) else None
        return None

    def transaction_id_at(self, row: int) -> str:
        """The id of the payment in a row of `frame`."""
        return str(self.schema.transaction_ids(self.frame.iloc[[row]], first_row=row + 1)[0])

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


class _Groups:
    """Row numbers grouped by the value of one column."""

    def __init__(self, column: "pd.Series[Any]") -> None:
        codes, values = pd.factorize(column)
        self._values = pd.Index(values)
        self._order: Rows = np.argsort(codes, kind="stable").astype(np.int64)
        self._starts = np.searchsorted(codes[self._order], np.arange(len(values) + 1))

    def rows(self, wanted: "pd.Series[Any]") -> Rows:
        """Rows whose value is among those wanted."""
        found = self._values.get_indexer_for(pd.unique(wanted.dropna()))
        slices: Sequence[Rows] = [
            self._order[self._starts[code] : self._starts[code + 1]] for code in found if code >= 0
        ]
        return np.concatenate(slices) if slices else np.empty(0, np.int64)
