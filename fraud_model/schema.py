"""Which column of a transaction table is what.

A schema names the columns; everything else in the package reads a table through it. Two are built in, `paysim`
and `cards`; any other comes from a small TOML file:

    name = "acme"
    time = "booked_at"                 # a timestamp, or an integer step together with step_seconds and origin
    payer = "debtor_account"
    payee = "creditor_account"
    amount = "amount"
    currency = "EUR"
    transaction_id = "payment_id"      # left out: ids are made from the row number, T00000001 on
    categorical = ["channel"]
    numeric = ["device_age_days"]
    label = "is_fraud"                 # left out for tables that are only scored
    label_delay_days = 7
    never = ["manual_flag"]            # columns that must not become features

    [categories]                       # optional: the values that a categorical column may take
    channel = ["web", "app", "branch"]
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from fraud_model.errors import DataError, SchemaError

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class TransactionSchema:
    """Which column of a transaction table is what.

    Attributes:
        name: Short name, shown in reports and stored with models.
        time: Column with the time of the payment: timestamps (UTC where no zone is given), or integer steps.
        payer: Column that identifies who pays (customer, card, account).
        payee: Column that identifies who is paid (merchant, terminal, account).
        amount: Column with the amount, in `currency`, never negative.
        currency: ISO 4217 code of every amount in the table.
        transaction_id: Column with a unique id; None where the table has none and ids are made from row numbers.
        step_seconds: Length of one step in seconds, where `time` holds integer steps; else None.
        origin: Start of step `first_step` as an ISO 8601 time, UTC; only with `step_seconds`.
        first_step: The number of the first step.
        categorical: Columns with categories that may become features.
        numeric: Columns with numbers that may become features.
        categories: The values allowed in a categorical column, where they are known.
        label: Column with 1 for fraud and 0 for legitimate; None for tables that are only scored.
        label_delay_days: Days from a payment until its label is known (chargeback, complaint, investigation).
        never: Columns that must never become features, because they give the label away or come after the fact.
        track: Which columns of a built-in schema were let in; stands in reports.
    """

    name: str
    time: str
    payer: str
    payee: str
    amount: str
    currency: str = "EUR"
    transaction_id: str | None = None
    step_seconds: int | None = None
    origin: str | None = None
    first_step: int = 0
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label: str | None = None
    label_delay_days: float = 7.0
    never: tuple[str, ...] = ()
    track: str = "strict"

    def __post_init__(self) -> None:
        if (self.step_seconds is None) != (self.origin is None):
            raise SchemaError(f"schema {self.name}: step_seconds and origin go together; give both or neither")
        if self.step_seconds is not None and self.step_seconds <= 0:
            raise SchemaError(f"schema {self.name}: step_seconds must be positive, not {self.step_seconds}")
        if self.label_delay_days < 0:
            raise SchemaError(f"schema {self.name}: label_delay_days must not be negative")
        if self.origin is not None:
            _parse_time(self.origin, f"schema {self.name}: origin")
        banned = set(self.never) & {*self.categorical, *self.numeric}
        if banned:
            raise SchemaError(f"schema {self.name}: {', '.join(sorted(banned))} is both a feature and in `never`")
        unlisted = set(self.categories) - set(self.categorical)
        if unlisted:
            raise SchemaError(
                f"schema {self.name}: [categories] names {', '.join(sorted(unlisted))}, not listed in `categorical`"
            )
        roles = [self.time, self.payer, self.payee, self.amount, self.label, self.transaction_id]
        used = [column for column in (*roles, *self.categorical, *self.numeric) if column is not None]
        twice = sorted({column for column in used if used.count(column) > 1})
        if twice:
            raise SchemaError(f"schema {self.name}: column {', '.join(twice)} has two roles; give it one")

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a table must have to be scored."""
        identity = (self.transaction_id,) if self.transaction_id is not None else ()
        return (*identity, self.time, self.payer, self.payee, self.amount, *self.categorical, *self.numeric)

    @property
    def columns(self) -> tuple[str, ...]:
        """All the columns that the package reads, the label included."""
        return self.required if self.label is None else (*self.required, self.label)

    @property
    def label_delay_seconds(self) -> int:
        """Label delay in seconds."""
        return round(self.label_delay_days * DAY_SECONDS)

    def times(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Time of each row in seconds since 1970-01-01 UTC, shape (rows,), int64.

        Raises:
            DataError: the column is absent, or holds something that is not a time; names the first such row.
        """
        column = self._column(frame, self.time)
        if self.step_seconds is not None and self.origin is not None:
            steps = pd.to_numeric(column, errors="coerce")
            _refuse_missing(steps, column, "an integer step")
            start = int(_parse_time(self.origin, "origin").timestamp())
            offset = (steps.to_numpy(np.float64) - self.first_step) * self.step_seconds
            return start + np.floor(offset).astype(np.int64)
        if pd.api.types.is_numeric_dtype(column):
            raise DataError(
                f"column {self.time}: numbers, but schema {self.name} expects timestamps; "
                "for integer steps give step_seconds and origin in the schema"
            )
        stamps = utc_times(column)
        _refuse_missing(stamps, column, "a time such as 2026-06-01T09:30:00Z")
        return stamps.dt.as_unit("s").astype("int64").to_numpy()

    def transaction_ids(self, frame: pd.DataFrame, first_row: int = 1) -> np.ndarray[Any, np.dtype[np.object_]]:
        """Transaction ids as text, shape (rows,).

        Args:
            frame: Transactions.
            first_row: Row number, from 1, of the first row of `frame` in its file; used where ids are generated.
        """
        if self.transaction_id is not None:
            return self._column(frame, self.transaction_id).astype(str).to_numpy(object)
        numbers = np.arange(first_row, first_row + len(frame))
        return np.array([f"T{number:08d}" for number in numbers], dtype=object)

    def labels(self, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Labels, shape (rows,): 1.0 fraud, 0.0 legitimate, NaN unknown (also where there is no label column)."""
        if self.label is None or self.label not in frame.columns:
            return np.full(len(frame), np.nan)
        column = pd.to_numeric(frame[self.label], errors="coerce").to_numpy(np.float64)
        wrong = ~(np.isnan(column) | (column == 0) | (column == 1))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(f"column {self.label}, row {row + 1}: label {column[row]:g} is neither 0 nor 1")
        return column

    def with_track(self, track: str) -> Self:
        """The built-in `paysim` schema with more columns let in: strict, authorisation or leaky.

        Raises:
            SchemaError: there is no such track for this schema.
        """
        if track == self.track:
            return self
        extra = _PAYSIM_TRACKS.get(track) if self.name == "paysim" else None
        if extra is None:
            raise SchemaError(f"schema {self.name} has no track {track!r}; paysim has: {', '.join(_PAYSIM_TRACKS)}")
        never = tuple(column for column in PAYSIM.never if column not in extra)
        return replace(self, numeric=extra, never=never, track=track)

    def to_dict(self) -> dict[str, Any]:
        """The schema as plain values, ready for JSON."""
        plain = asdict(self)
        plain["categories"] = {column: list(values) for column, values in self.categories.items()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "schema") -> Self:
        """A schema from plain values.

        Raises:
            SchemaError: an unknown, missing or mistyped setting, named together with the nearest known one.
        """
        known = {f.name: f for f in fields(cls)}
        for name in values:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
                raise SchemaError(f"{where}: unknown setting {name!r}{hint}")
        missing = [name for name in ("name", "time", "payer", "payee", "amount") if name not in values]
        if missing:
            raise SchemaError(f"{where}: {', '.join(missing)} missing")
        return cls(**{name: _typed(name, value, where) for name, value in values.items()})

    def _column(self, frame: pd.DataFrame, name: str) -> pd.Series:
        if name not in frame.columns:
            near = get_close_matches(name, [str(column) for column in frame.columns], n=1)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise DataError(f"column {name} is missing (schema {self.name}){hint}")
        return frame[name]


def load_schema(schema: "str | Path | TransactionSchema") -> TransactionSchema:
    """A schema by built-in name or from a TOML file.

    Args:
        schema: `paysim`, `cards`, the path of a TOML file, or a schema, which is returned as it is.

    Raises:
        SchemaError: there is no such name or file, or the file is wrong; says what and where.
    """
    if isinstance(schema, TransactionSchema):
        return schema
    if str(schema) in BUILT_IN:
        return BUILT_IN[str(schema)]
    path = Path(schema)
    if path.suffix != ".toml":
        raise SchemaError(f"no schema {str(schema)!r}: give {', '.join(BUILT_IN)} or the path of a .toml file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SchemaError(f"schema file {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SchemaError(f"schema file {path} is not valid TOML: {error}") from error
    return TransactionSchema.from_dict(values, where=f"schema file {path}")


def utc_times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Timestamps, or ISO 8601 text, as times in UTC; those without a zone are UTC, NaT where there is no time."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True)
    # Each sort by itself: in a mixed column, pandas 2.3 reads a time without a zone in the zone of the row before.
    zoned = np.array([_has_zone(value) for value in column], dtype=bool)
    stamps = np.full(len(column), np.datetime64("NaT", "ns"))
    for rows in (zoned, ~zoned):
        parsed = pd.to_datetime(column[rows], utc=True, errors="coerce", format="ISO8601")
        stamps[rows] = parsed.dt.tz_localize(None).to_numpy()
    return pd.Series(stamps, index=column.index, name=column.name).dt.tz_localize("UTC")


def _has_zone(value: object) -> bool:
    if not isinstance(value, str):
        return getattr(value, "tzinfo", None) is not None
    time = value[10:]  # after the date, which has its own minus signs
    return "+" in time or "-" in time or time.rstrip().endswith(("Z", "z"))


def _parse_time(text: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{where}: {text!r} is not a time such as 2026-06-01T00:00:00Z") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _refuse_missing(parsed: pd.Series, raw: "pd.Series[Any]", expected: str) -> None:
    bad = parsed.isna().to_numpy()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = raw.iloc[row]
        shown = "is empty" if pd.isna(value) else f"holds {str(value)[:40]!r}"
        raise DataError(f"column {raw.name}, row {row + 1}: {shown}; expected {expected}")


def _typed(name: str, value: Any, where: str) -> Any:
    """The value in the type its field wants, or one clear error."""
    if name in ("categorical", "numeric", "never"):
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise SchemaError(f"{where}: {name} must be a list of column names")
        return tuple(value)
    if name == "categories":
        if not isinstance(value, Mapping) or not all(isinstance(item, list | tuple) for item in value.values()):
            raise SchemaError(f"{where}: categories must be a table of column = [values]")
        return {column: tuple(str(item) for item in items) for column, items in value.items()}
    if name in ("step_seconds", "first_step"):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise SchemaError(f"{where}: {name} must be a whole number, not {value!r}")
        return value
    if name == "label_delay_days":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SchemaError(f"{where}: label_delay_days must be a number of days, not {value!r}")
        return float(value)
    if name == "origin" and isinstance(value, date):  # TOML has dates and times of its own
        return value.isoformat()
    if value is not None and not isinstance(value, str):
        raise SchemaError(f"{where}: {name} must be text, not {value!r}")
    return value


_PAYSIM_TRACKS: dict[str, tuple[str, ...]] = {
    "strict": (),
    "authorisation": ("oldbalanceOrg",),
    "leaky": ("oldbalanceOrg", "newbalanceOrig", "oldbalanceDest", "newbalanceDest"),
}

PAYSIM = TransactionSchema(
    name="paysim",
    time="step",
    payer="nameOrig",
    payee="nameDest",
    amount="amount",
    currency="EUR",
    step_seconds=3600,
    # PaySim names no calendar. A Monday, so that the week's rhythm in the steps falls on real weekdays.
    origin="2026-06-01T00:00:00Z",
    first_step=1,
    categorical=("type",),
    categories={"type": ("CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER")},
    label="isFraud",
    # amount = oldbalanceOrg finds 95% of the published log's fraud at precision 1: the balances give the label away.
    never=("isFlaggedFraud", "oldbalanceOrg", "newbalanceOrig", "oldbalanceDest", "newbalanceDest"),
)

CARDS = TransactionSchema(
    name="cards",
    time="TX_DATETIME",
    payer="CUSTOMER_ID",
    payee="TERMINAL_ID",
    amount="TX_AMOUNT",
    currency="EUR",
    transaction_id="TRANSACTION_ID",
    label="TX_FRAUD",
    never=("TX_FRAUD_SCENARIO", "TX_TIME_SECONDS", "TX_TIME_DAYS"),
)

BUILT_IN: Mapping[str, TransactionSchema] = {"paysim": PAYSIM, "cards": CARDS}
