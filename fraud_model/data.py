"""Transactions from CSV and Parquet files, folders of them, and SQL tables, checked, in this package's types.

    frame = read_transactions("payments.parquet", "paysim")
    for chunk in iter_transactions("payments.csv", "cards", chunk_rows=500_000): ...
    print(validate("payments.csv", "cards").to_text())
    write_table(scores, "scores.parquet")

Times become steps (int64) or UTC timestamps, amounts and other numbers float64, labels 1, 0 or NaN, categories text.
Accounts and ids become int64 where every value of the source is a plain whole number, else text; decided once for a
whole source, so that every chunk has the same types.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fraud_model.errors import DataError, InputError
from fraud_model.output import TableWriter, write_table
from fraud_model.pieces import integer_columns, pieces
from fraud_model.problems import (
    Problem,
    ValidationReport,
    check_columns,
    describe,
    duplicate_problem,
    first_error,
    id_hashes,
    ragged_problem,
)
from fraud_model.schema import TransactionSchema, load_schema
from fraud_model.sources import SourceFile, nearest, open_source
from fraud_model.tables import as_path, source_name
from fraud_model.validation import validate
from fraud_model.values import convert

__all__ = [
    "CHUNK_ROWS",
    "Chunk",
    "Problem",
    "TableWriter",
    "ValidationReport",
    "iter_transactions",
    "read_transactions",
    "validate",
    "write_table",
]

CHUNK_ROWS = 500_000


@dataclass(frozen=True)
class Chunk:
    """Some rows of a source, in its order.

    Attributes:
        frame: The rows, indexed from 0.
        first_row: Data row number, from 1, of the first of them in the source; what
            `TransactionSchema.transaction_ids` needs to make ids.
    """

    frame: pd.DataFrame
    first_row: int


def read_transactions(
    path: Path | str, schema: TransactionSchema | str, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """All transactions of a file or folder, in its order.

    Args:
        path: A .csv or .parquet file, a folder of them, read in order of name, or a table (see `tables`).
        schema: Which column is what: a schema, or what `load_schema` takes.
        columns: Columns wanted; by default those of the schema, the label where there is one.

    Returns:
        One row per transaction, columns in the schema's order (or that of `columns`), indexed from 0.

    Raises:
        DataError: a file cannot be read, a column is missing, a value is not what the schema says, or two rows have
            one id; one line that names file, column, row and fix.
        SchemaError: there is no such schema.
    """
    schema = load_schema(schema)
    frames = [chunk.frame for chunk in iter_transactions(path, schema, CHUNK_ROWS, columns)]
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    if schema.transaction_id is not None and schema.transaction_id in frame.columns:
        numbers = np.arange(1, len(frame) + 1)
        duplicate = duplicate_problem(schema.transaction_id, id_hashes(frame[schema.transaction_id]), numbers)
        if duplicate is not None:
            raise DataError(f"{source_name(path)}: {duplicate.message}")
    return frame


def iter_transactions(
    path: Path | str,
    schema: TransactionSchema | str,
    chunk_rows: int = CHUNK_ROWS,
    columns: Sequence[str] | None = None,
) -> Iterator[Chunk]:
    """The transactions of a file or folder in its order, some at a time; memory depends on `chunk_rows` alone.

    Args:
        path: A .csv or .parquet file, a folder of them, read in order of name, or a table (see `tables`).
        schema: Which column is what: a schema, or what `load_schema` takes.
        chunk_rows: Most rows in a chunk. A chunk never spans two files.
        columns: Columns wanted; by default those of the schema, the label where there is one.

    Yields:
        Chunks with the same columns and types throughout. Duplicate ids are not looked for.

    Raises:
        DataError: as for `read_transactions`; a wrong value is told when its chunk is reached.
        SchemaError: there is no such schema.
    """
    if chunk_rows < 1:
        raise InputError(f"chunk_rows must be at least 1, not {chunk_rows}")
    schema = load_schema(schema)
    with as_path(path, columns or schema.columns) as local:
        yield from _read(local, schema, chunk_rows, columns)


def _read(path: Path, schema: TransactionSchema, chunk_rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    files = open_source(path)
    wanted = _wanted(files, schema, columns)
    integers = integer_columns(files, schema, wanted)
    several = len(files) > 1
    rows = 0
    for piece in pieces(files, wanted, chunk_rows):
        assert piece.file is not None
        _refuse_ragged(piece.file, several)
        frame, findings = convert(piece.table, schema, integers)
        findings.sort(key=lambda finding: int(finding.places[0]))
        error = first_error([describe(finding, piece, several) for finding in findings], path)
        if error is not None:
            raise error
        yield Chunk(frame, rows + 1)
        rows += len(frame)
    for file in files:
        _refuse_ragged(file, several)
    if not rows:
        raise DataError(f"{path}: there is a header but no rows; give at least one payment")


def _wanted(files: Sequence[SourceFile], schema: TransactionSchema, columns: Sequence[str] | None) -> list[str]:
    """The columns to read, all of which every file has."""
    labelled = all(schema.label in file.columns for file in files)
    wanted = [name for name in schema.columns if name != schema.label or labelled]
    if columns is not None:
        wanted = list(dict.fromkeys(columns))
    for file in files:
        problems = [problem for problem in check_columns(file.columns, schema)[0] if problem.column in wanted]
        error = first_error(problems, file.path)
        if error is not None:
            raise error
        for name in wanted:
            if file.columns.count(name) != 1:
                raise DataError(f"{file.path}: column {name} is missing{nearest(name, file.columns)}")
    return wanted


def _refuse_ragged(file: SourceFile, several: bool) -> None:
    if file.ragged:
        raise DataError(f"{file.path}: {ragged_problem(file, several).message}")
