"""Past payments kept ready as the history of single payments: found by account, never read again.

    past = PastPayments(frame, schema)
    features = past.features(payment, categories)     # as compute_features(payment, schema, history) gives, bit for bit
    plain = past.read({"step": 2100, "type": "TRANSFER", ...}, categories)
    values = past.values(plain)                       # the same without a table around it

One payment needs the few earlier ones of its payer and its payee. Their keys lie here as plain arrays and their rows
are found by account, so that the work does not grow with the number of payments kept. Payments can be added at any
time.
"""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.definitions import feature_names
from fraud_model.entities import Array, Codes, Keys, amounts_of, labels_of, time_order
from fraud_model.errors import DataError
from fraud_model.features import Categories, features_of_one, row_columns
from fraud_model.schema import TransactionSchema
from fraud_model.values import LARGEST_AMOUNT


@dataclass(frozen=True)
class Payment:
    """One payment, read.

    Attributes:
        time: Seconds since 1970, UTC.
        payer: As the payments kept name it.
        payee: The same.
        amount: In currency units.
        columns: Codes of the categorical columns, then the numeric ones; NaN where missing.
    """

    time: int
    payer: Any
    payee: Any
    amount: float
    columns: tuple[float, ...]


_GROWTH = 8  # room for an eighth more, so that adding is cheap and little is left unused
_LEAST_ROOM = 1_024


class PastPayments:
    """Past payments of one schema, in any order; reading needs no lock, adding takes one.

    Args:
        frame: Payments in the schema's columns.
        schema: Which column is what.

    Raises:
        DataError: a column is missing or cannot be read.
    """

    def __init__(self, frame: pd.DataFrame, schema: TransactionSchema) -> None:
        self.schema = schema
        self._count = len(frame)
        self._times: Array = schema.times(frame)
        by_time = time_order(self._times)
        self._payers = _Accounts(_column(frame, schema.payer), by_time)
        self._payees = _Accounts(_column(frame, schema.payee), by_time)
        self._amounts: Array = amounts_of(frame, schema)
        self._labels: Array = labels_of(frame, schema)
        self._names = list(feature_names(schema))
        self._origin = int(schema.times(pd.DataFrame({schema.time: [schema.first_step]}))[0]) if schema.origin else 0
        self._adding = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, frame: pd.DataFrame) -> None:
        """Add payments; their rows are numbered on.

        Raises:
            DataError: a column is missing or cannot be read; then nothing was added.
        """
        times, amounts = self.schema.times(frame), amounts_of(frame, self.schema)
        labels = labels_of(frame, self.schema)
        payers, payees = _column(frame, self.schema.payer), _column(frame, self.schema.payee)
        with self._adding:
            first, last = self._count, self._count + len(frame)
            # Values before rows: who finds a row finds its values.
            self._times = _written(self._times, first, times)
            self._amounts = _written(self._amounts, first, amounts)
            self._labels = _written(self._labels, first, labels)
            self._payers.add(payers, first)
            self._payees.add(payees, first)
            self._count = last

    def label(self, labels: Array) -> None:
        """Replace what is known of all payments kept.

        Args:
            labels: 1 fraud, 0 legitimate, -1 unknown, of the first payments kept, in their order; later ones stay.
        """
        with self._adding:
            replaced = self._labels.copy()
            replaced[: len(labels)] = labels
            self._labels = replaced

    def rows_of(self, payers: Sequence[Any], payees: Sequence[Any]) -> Array:
        """Row numbers, ascending, int64, of every payment of these payers and to these payees."""
        found = [*(self._payers.rows(payer) for payer in payers), *(self._payees.rows(payee) for payee in payees)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    def features(self, payment: pd.DataFrame, categories: Categories | None = None) -> pd.DataFrame:
        """Features of one payment, from the payments kept that lie strictly before it.

        Args:
            payment: One row, in the schema's columns; accounts in the type of the payments kept.
            categories: Known values of the categorical columns; by default those of the schema.

        Returns:
            Shape (1, features), float32, columns `feature_names(schema)`, the index of `payment`.

        Raises:
            DataError: a column is missing or cannot be read; or there is not exactly one row.
        """
        if len(payment) != 1:
            raise DataError(f"{len(payment)} payments; give one, or compute the features of a table")
        known: Categories = self.schema.categories if categories is None else categories
        read = Payment(
            int(self.schema.times(payment)[0]),
            _column(payment, self.schema.payer).iloc[0],
            _column(payment, self.schema.payee).iloc[0],
            float(amounts_of(payment, self.schema)[0]),
            tuple(float(values[0]) for values in row_columns(payment, self.schema, known)),
        )
        return pd.DataFrame(self.values(read), columns=self._names, index=payment.index, copy=False)

    def values(self, payment: Payment) -> Array:
        """Features of one payment, shape (1, features), float32; see `features`."""
        by_payer = self._before(self._payers, payment.payer, payment)
        by_payee = self._before(self._payees, payment.payee, payment)
        return features_of_one(by_payer, by_payee, self.schema, payment.columns)

    def _before(self, accounts: "_Accounts", account: Any, payment: Payment) -> Keys:
        """The payments of one account before a payment, in order of time, and then this one."""
        rows = accounts.rows(account)
        times = self._times[rows]
        if bool((times[1:] < times[:-1]).any()):  # payments were added late
            order = np.argsort(times, kind="stable")
            rows, times = rows[order], times[order]
        earlier = int(np.searchsorted(times, payment.time))
        rows = rows[:earlier]
        return Keys(
            times=np.append(times[:earlier], payment.time),
            ticks=1,
            payers=_codes(self._payers, rows, payment.payer),
            payees=_codes(self._payees, rows, payment.payee),
            amounts=np.append(self._amounts[rows], payment.amount),
            # Its own label is not known to its features.
            labels=np.append(self._labels[rows], np.int8(-1)),
        )

    def count_near(self, payment: Payment) -> int:
        """How many payments kept have the payer, plus how many have the payee."""
        return self._payers.count(payment.payer) + self._payees.count(payment.payee)

    def read(self, values: Mapping[str, Any], categories: Categories) -> Payment | None:
        """A payment of plain values, quickly; None for any other, which `features` reads or refuses.

        Plain are: a number of steps, or a time in ISO 8601; accounts as the payments kept name them, or their digits;
        an amount that is a number of at least 0; text for what is categorical; numbers for what is numeric.

        Args:
            values: By column.
            categories: Known values of the categorical columns.
        """
        schema = self.schema
        time = self._time(values.get(schema.time))
        payer, payee = self._payers.plain(values.get(schema.payer)), self._payees.plain(values.get(schema.payee))
        amount = _number(values.get(schema.amount))
        if time is None or payer is None or payee is None or amount is None or not 0 <= amount <= LARGEST_AMOUNT:
            return None
        columns: list[float] = []
        for name in schema.categorical:
            value, known = values.get(name), categories.get(name, ())
            if not isinstance(value, str) or not value:
                return None
            columns.append(float(known.index(value)) if value in known else np.nan)
        for name in schema.numeric:
            if (number := _number(values.get(name))) is None:
                return None
            columns.append(number)
        return Payment(time, payer, payee, amount, tuple(columns))

    def _time(self, value: Any) -> int | None:
        schema = self.schema
        if schema.step_seconds is not None:
            if (step := _number(value)) is None:
                return None
            return self._origin + math.floor((step - schema.first_step) * schema.step_seconds)
        if not isinstance(value, str) or len(value) < len("2026-06-01T09:30"):
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class _Accounts:
    """Which account each row has, and which rows each account has.

    Args:
        column: The account of each row.
        by_time: Row numbers in order of time; empty where the rows are in that order.
    """

    def __init__(self, column: "pd.Series[Any]", by_time: Array) -> None:
        codes, values = pd.factorize(column)
        self._values = pd.Index(values)
        self._whole = pd.api.types.is_integer_dtype(self._values.dtype)
        self._text = pd.api.types.infer_dtype(self._values, skipna=False) == "string"
        # Missing accounts, coded -1, stand first and belong to nobody.
        self._order: Array = np.argsort(codes[by_time] if by_time.size else codes, kind="stable").astype(np.int32)
        if by_time.size:
            self._order = by_time[self._order]
        self._starts = np.searchsorted(codes[self._order], np.arange(len(values) + 1))
        self.codes: Array = codes.astype(np.int32, copy=False)
        self._new: dict[Any, int] = {}
        self._later: dict[int, list[int]] = {}

    def add(self, column: "pd.Series[Any]", first: int) -> None:
        """Rows numbered from `first`."""
        codes = np.full(len(column), -1, np.int32)
        missing = column.isna().to_numpy()
        for place, value in enumerate(column.tolist()):
            if not missing[place]:
                code = self.code(value)
                codes[place] = self._new.setdefault(value, len(self._values) + len(self._new)) if code < 0 else code
        self.codes = _written(self.codes, first, codes)
        for place, code in enumerate(codes.tolist()):
            if code >= 0:
                self._later.setdefault(code, []).append(first + place)

    def plain(self, value: Any) -> Any:
        """An account as its payments name it, of text, a whole number, or the digits of one; None for anything else."""
        if self._text:
            return value if isinstance(value, str) and value else None
        if isinstance(value, str) and value.isascii() and value.isdigit() and (value == "0" or value[0] != "0"):
            value = int(value)
        return value if self._whole and type(value) is int and abs(value) < 1 << 62 else None

    def code(self, value: Any) -> int:
        """The code of an account; -1 for one that is missing or not known."""
        if pd.isna(value):
            return -1
        try:
            return int(self._values.get_loc(value))
        except (KeyError, TypeError):
            return self._new.get(value, -1)

    def count(self, value: Any) -> int:
        """How many rows an account has."""
        code = self.code(value)
        if code < 0:
            return 0
        first = int(self._starts[code + 1] - self._starts[code]) if code < len(self._values) else 0
        return first + len(self._later.get(code, ()))

    def rows(self, value: Any) -> Array:
        """Rows of an account, int64: the first ones kept in order of time, then those added, as they were added."""
        code = self.code(value)
        if code < 0:
            return np.empty(0, np.int64)
        later = self._later.get(code)
        rows = (
            self._order[self._starts[code] : self._starts[code + 1]].astype(np.int64)
            if code < len(self._values)
            else np.empty(0, np.int64)
        )
        return np.append(rows, np.array(later, np.int64)) if later else rows


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _codes(accounts: _Accounts, rows: Array, own: Any) -> Codes:
    """Codes of some rows and of one more; missing accounts are each an entity of their own."""
    codes = np.append(accounts.codes[rows].astype(np.int64), accounts.code(own))
    unknown = np.flatnonzero(codes < 0)
    if unknown.size:
        codes[unknown] = -1 - np.arange(unknown.size)
    low = int(codes.min())
    return Codes(codes, low, int(codes.max()) - low + 1)


def _written(values: Array, first: int, more: Array) -> Array:
    """`values` with `more` from row `first` on, in a larger array where there is no room."""
    last = first + len(more)
    if last > len(values):
        larger = np.empty(last + max(last // _GROWTH, _LEAST_ROOM), values.dtype)
        larger[:first] = values[:first]
        values = larger
    values[first:last] = more
    return values


def _column(frame: pd.DataFrame, name: str) -> "pd.Series[Any]":
    if name not in frame.columns:
        raise DataError(f"column {name} is missing; the table has: {', '.join(map(str, frame.columns))}")
    return frame[name]
