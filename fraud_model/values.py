"""Values of a table as Arrow holds them, turned into the types that a schema's columns have in this package.

    time         whole steps as int64, or timestamps as datetime64[ns, UTC]
    amount       float64
    accounts     int64 where every value of the source is a plain whole number, else text
    ids          the same
    categories   text
    numbers      float64
    label        float64: 1, 0, or NaN for not known

What cannot be turned is told as findings, with the rows; nothing here raises for a wrong value.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fraud_model.schema import TransactionSchema, utc_times

Array = np.ndarray[Any, Any]
Level = Literal["error", "warning"]

LARGEST_AMOUNT = 1e12  # in currency units; beyond it, sums in cents stop being exact
_WHOLE_NUMBER = r"^(0|-?[1-9][0-9]{0,17})$"
_MISSING_WORDS = pa.array(["NA", "N/A", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "none", "-"])
_EXACT_FLOAT = 2.0**53


@dataclass(frozen=True)
class Finding:
    """One sort of fault in one column.

    Attributes:
        level: `error` where the rows cannot be used, `warning` where they can.
        sort: What sort of fault: unreadable, missing, infinite, negative, beyond, label, category.
        column: Name of the column.
        said: What is wrong, told of the first such row.
        fix: What to do about it.
        places: Positions of the rows in the table, from 0.
    """

    level: Level
    sort: str
    column: str
    said: str
    fix: str
    places: Array


def convert(
    table: pa.Table, schema: TransactionSchema, integer_columns: frozenset[str]
) -> tuple[pd.DataFrame, list[Finding]]:
    """A table in this package's types.

    Args:
        table: Columns of the schema, as read.
        schema: Which column is what.
        integer_columns: Accounts and ids to be int64; the others become text.

    Returns:
        The same rows with missing values where a value could not be turned, and what was found.
    """
    columns: dict[str, Any] = {}
    findings: list[Finding] = []
    for name in table.column_names:
        column = _flat(table.column(name))
        if name == schema.time:
            columns[name], found = _times(column, schema)
        elif name in (schema.payer, schema.payee, schema.transaction_id):
            columns[name], found = _ids(column, name, schema, name in integer_columns)
        elif name in schema.categorical:
            columns[name], found = _texts(column), _unknown_categories(column, name, schema)
        elif name in (schema.amount, schema.label, *schema.numeric):
            columns[name], found = _numbers(column, name, schema)
        else:  # asked for by name though no part of the schema: as it is
            columns[name], found = column.to_pandas(), []
        findings += found
    return pd.DataFrame(columns), findings


def whole_numbers(column: pa.ChunkedArray) -> bool:
    """Whether every value is a whole number as a person writes it: no missing ones, no leading zeros."""
    flat = _flat(column)
    kind = flat.type
    if flat.null_count:
        return False
    if pa.types.is_integer(kind):
        return not pa.types.is_uint64(kind) or not len(flat) or pc.max(flat).as_py() < 2**63
    if pa.types.is_floating(kind):
        values = flat.to_numpy(zero_copy_only=False)
        return bool(np.all((values == np.round(values)) & (np.abs(values) < _EXACT_FLOAT)))
    if _is_text(kind):
        return bool(pc.all(pc.match_substring_regex(flat, _WHOLE_NUMBER), min_count=0).as_py())
    return False


def as_table(frame: pd.DataFrame, columns: Iterable[str]) -> pa.Table:
    """Columns of a frame as Arrow; a column of mixed types as text."""
    arrays = {}
    for name in columns:
        series = frame[name]
        try:
            arrays[name] = pa.array(series, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            arrays[name] = pa.array([None if _missing(value) else str(value) for value in series], pa.string())
    return pa.table(arrays)


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array of a plain type: no chunks, no dictionary."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # pyarrow keeps chunks where their offsets would overflow
        array = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in array.chunks])
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _numbers(column: pa.Array, name: str, schema: TransactionSchema) -> tuple[Array, list[Finding]]:
    values, bad = _floats(column)
    fix = "write numbers such as 1234.56, without thousands separators or currency signs"
    findings = [_unreadable(column, bad, name, "a number", fix)]
    given = ~np.isnan(values)
    if name == schema.amount:
        findings += [
            _finding(sort, name, wrong, values, said, fix)
            for sort, wrong, said, fix in (
                ("missing", ~given & ~bad, "the amount is missing", "give every payment its amount"),
                ("infinite", np.isinf(values), "the amount is infinite", "give the real amount"),
                (
                    "negative",
                    np.isfinite(values) & (values < 0),
                    "the amount {value:,.2f} is negative",
                    "write amounts without a sign; leave refunds out, or enter them as payments the other way",
                ),
                (
                    "beyond",
                    np.isfinite(values) & (values > LARGEST_AMOUNT),
                    "the amount {value:g} is beyond " + f"{LARGEST_AMOUNT:g}",
                    "correct the amount",
                ),
            )
        ]
    elif name == schema.label:
        wrong = given & (values != 0) & (values != 1)
        fix = "write 1 for fraud, 0 for legitimate, nothing for not known"
        findings.append(_finding("label", name, wrong, values, "the label {value:g} is neither 0 nor 1", fix))
    else:
        findings.append(_finding("infinite", name, np.isinf(values), values, "the value is infinite", "leave it empty"))
    return values, [finding for finding in findings if finding.places.size]


def _times(column: pa.Array, schema: TransactionSchema) -> tuple[Any, list[Finding]]:
    name, kind = schema.time, column.type
    if schema.step_seconds is not None:
        expected, fix = "a whole number of steps", f"steps count from {schema.first_step}, {schema.step_seconds} s each"
        values, bad = _floats(column)
        fractional = ~np.isnan(values) & ((np.abs(values) > _EXACT_FLOAT) | (values != np.round(values)))
        bad = bad | fractional
        missing = np.isnan(values) & ~bad
        times: Any = np.where(bad | missing, 0, values).astype(np.int64)
    else:
        expected, fix = "a time", "write times such as 2026-06-01T09:30:00Z"
        stamps = _timestamps(column)
        times, unreadable = stamps, stamps.isna().to_numpy()
        missing = pc.is_null(column).to_numpy(zero_copy_only=False)
        bad = unreadable & ~missing
        if bad.any() and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            fix = "give timestamps; for integer steps set step_seconds and origin in the schema"
    findings = [
        _unreadable(column, bad, name, expected, fix),
        Finding("error", "missing", name, "the time is missing", fix, np.flatnonzero(missing)),
    ]
    return times, [finding for finding in findings if finding.places.size]


def _timestamps(column: pa.Array) -> "pd.Series[Any]":
    """Times as datetime64[ns, UTC], NaT where there is none; zoneless ones are UTC."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        series = column.cast(pa.timestamp(kind.unit if pa.types.is_timestamp(kind) else "s")).to_pandas()
        series = pd.Series(series)
        # Nanoseconds reach from 1677 to 2262; a time outside is a mistake and becomes missing.
        series = series.where((series.dt.year > 1677) & (series.dt.year < 2262))
        return series.dt.as_unit("ns").dt.tz_localize("UTC")
    if _is_text(kind):
        texts = pd.Series(pc.utf8_trim_whitespace(column).to_pandas(), dtype=object)
        return utc_times(texts).dt.as_unit("ns")
    return pd.Series(np.full(len(column), np.datetime64("NaT", "ns"))).dt.tz_localize("UTC")


def _ids(column: pa.Array, name: str, schema: TransactionSchema, integer: bool) -> tuple[Any, list[Finding]]:
    missing = pc.is_null(column).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(column.type):
        missing = missing | np.isnan(column.to_numpy(zero_copy_only=False))
    places = np.flatnonzero(missing)
    if name == schema.transaction_id:
        finding = Finding("error", "missing", name, "the id is missing", "give every payment an id of its own", places)
    else:
        fix = "such a payment is scored as one of an unknown account"
        finding = Finding("warning", "missing", name, "the account is missing", fix, places)
    values: Any = column.cast(pa.int64()).to_numpy(zero_copy_only=False) if integer else _texts(column)
    return values, [finding] if places.size else []


def _texts(column: pa.Array) -> "pd.Series[Any]":
    """Text, None where missing; whole numbers stored as floats without their `.0`. Equal texts share one object."""
    kind = column.type
    if pa.types.is_floating(kind):
        values = column.to_numpy(zero_copy_only=False)
        known = values[np.isfinite(values)]
        if np.all((known == np.round(known)) & (np.abs(known) < _EXACT_FLOAT)):
            column = pc.cast(pa.array(values, pa.float64(), from_pandas=True), pa.int64())
    if not _is_text(column.type):
        column = column.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(column)
    return pd.Series(trimmed.to_pandas(deduplicate_objects=True), dtype=object)


def _unknown_categories(column: pa.Array, name: str, schema: TransactionSchema) -> list[Finding]:
    allowed = schema.categories.get(name)
    if allowed is None:
        return []
    texts = _texts(column)
    unknown = (texts.notna() & ~texts.isin(allowed)).to_numpy()
    if not unknown.any():
        return []
    places = np.flatnonzero(unknown)
    said = f"{str(texts.iloc[places[0]])[:40]!r} is no known category"
    fix = f"known: {', '.join(allowed)}; others are scored as unknown"
    return [Finding("warning", "category", name, said, fix, places)]


def _floats(column: pa.Array) -> tuple[Array, Array]:
    """Numbers, shape (rows,), NaN where there is none; and where something else than a number stands."""
    none = np.zeros(len(column), dtype=bool)
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _plain(column.cast(pa.float64(), safe=False)), none
    if pa.types.is_decimal(kind):
        return _plain(column.cast(pa.float64())), none
    if not _is_text(kind):
        return np.full(len(column), np.nan), pc.is_valid(column).to_numpy(zero_copy_only=False)
    try:
        return _plain(column.cast(pa.float64())), none
    except pa.ArrowInvalid:
        pass
    trimmed = pc.utf8_trim_whitespace(column)
    trimmed = pc.if_else(pc.is_in(trimmed, value_set=_MISSING_WORDS.cast(trimmed.type)), None, trimmed)
    trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    readable = pd.to_numeric(pd.Series(trimmed.to_pandas(), dtype=object), errors="coerce").notna().to_numpy()
    bad = pc.is_valid(trimmed).to_numpy(zero_copy_only=False) & ~readable
    texts = trimmed.to_pandas()
    values = np.full(len(column), np.nan)
    values[readable] = [float(text) for text in texts[readable]]
    return values, bad


def _plain(column: pa.Array) -> Array:
    return np.array(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _unreadable(column: pa.Array, bad: Array, name: str, expected: str, fix: str) -> Finding:
    places = np.flatnonzero(bad)
    shown = str(column[int(places[0])].as_py())[:40] if places.size else ""
    return Finding("error", "unreadable", name, f"{shown!r} is not {expected}", fix, places)


def _finding(sort: str, name: str, wrong: Array, values: Array, said: str, fix: str) -> Finding:
    places = np.flatnonzero(wrong)
    first = float(values[places[0]]) if places.size else 0.0
    return Finding("error", sort, name, said.format(value=first), fix, places)


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))
