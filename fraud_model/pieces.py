"""Transactions read piece by piece over all files of a source, each row with its number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from fraud_model.schema import TransactionSchema
from fraud_model.sources import SourceFile
from fraud_model.values import Array, whole_numbers

PIECE_ROWS = 1 << 18


@dataclass(frozen=True)
class Piece:
    """Some rows of a source, as read.

    Attributes:
        table: The columns asked for.
        numbers: Data row number of each row, from 1 over all files.
        file: The file they come from; None for a frame.
    """

    table: pa.Table
    numbers: Array
    file: SourceFile | None = None

    def where(self, number: int, several_files: bool) -> str:
        """How to name a row to a person."""
        if self.file is None or not several_files:
            return f"row {number}"
        return f"{self.file.path.name} row {number - self.file.rows_before}"


def pieces(files: Sequence[SourceFile], columns: Sequence[str], rows: int) -> Iterator[Piece]:
    """The rows of files one after the other, at most `rows` at a time."""
    before = 0
    for file in files:
        read, file.rows_before = 0, before
        for table in file.batches(columns, rows):
            numbers = before + file.row_numbers(read, read + table.num_rows)
            yield Piece(table, numbers, file)
            read += table.num_rows
        before += read + len(file.ragged)


def integer_columns(files: Sequence[SourceFile], schema: TransactionSchema, columns: Sequence[str]) -> frozenset[str]:
    """Account and id columns whose values are whole numbers in every row of every file.

    Decided over the whole source, so that each of its pieces has the same types. A column is read no further than to
    its first other value.
    """
    accounts = (schema.payer, schema.payee, schema.transaction_id)
    candidates = [name for name in accounts if name is not None and name in columns]
    for file in files:
        if not candidates:
            break
        for table in file.batches(candidates, PIECE_ROWS):
            candidates = [name for name in candidates if whole_numbers(table.column(name))]
            if not candidates:
                break
    return frozenset(candidates)
