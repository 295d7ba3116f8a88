"""Where transactions come from: CSV and Parquet files, and folders of them, as Arrow batches in file order.

Everything that can be wrong with a file as a file is found here and said in one line. What can be wrong with values
is found in `values.py`.
"""

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from fraud_model.errors import DataError

SUFFIXES = (".csv", ".parquet")
BLOCK_BYTES = 1 << 20  # the parser reads some thirty blocks ahead, so this bounds its memory
HEAD_BYTES = 1 << 20
_MAGIC = {b"PAR1": "a Parquet file", b"PK\x03\x04": "a ZIP archive or an Excel workbook", b"\x1f\x8b": "compressed"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class SourceFile:
    """One file of transactions.

    Attributes:
        path: Where it is.
        columns: Names of its columns, in its order.
        ragged: Data rows (from 1) whose number of values differs from the header's, with the number of values;
            grows while a CSV file is read. Such rows are left out of the batches.
        rows_before: Data rows of the source in the files before this one; known once it is read.
    """

    path: Path
    columns: tuple[str, ...]
    ragged: dict[int, int] = field(default_factory=dict)
    rows_before: int = 0

    def row_numbers(self, first: int, last: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Data row numbers in the file (from 1) of the rows `first` to `last - 1` (from 0) of its batches."""
        read = np.arange(first + 1, last + 1)
        if not self.ragged:
            return read
        skipped = np.array(sorted(self.ragged)) - np.arange(len(self.ragged))
        return read + np.searchsorted(skipped, read, side="right")

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """These columns in batches of at most about `rows` rows; values of a CSV file as text.

        Raises:
            DataError: the file cannot be read to its end.
        """
        read = _parquet_batches if self.path.suffix.lower() == ".parquet" else _csv_batches
        with _clear_errors(self.path):
            yield from read(self, list(columns), rows)


def open_source(path: Path | str) -> list[SourceFile]:
    """The files of a source in order of name: a file by itself, or all CSV and Parquet files in a folder.

    Hidden files and those whose name begins with an underscore (markers that Spark writes) are passed over.

    Raises:
        DataError: there is nothing at the path, nothing to read in it, or a file that is not what its name says.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder{_near_file(path)}")
    if not path.is_dir():
        return [_open_file(path)]
    with _clear_errors(path):
        inside = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES
            and file.is_file()
            and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
        )
    if not inside:
        raise DataError(f"{path}: this folder holds no .csv or .parquet file; give a file, or a folder that holds some")
    return [_open_file(file) for file in inside]


def nearest(name: str, names: Sequence[str]) -> str:
    """The name meant, for the end of an error: `; the nearest is ...`, or the names there are."""
    folded = {known.casefold().strip(): known for known in names}
    near = get_close_matches(name.casefold(), folded, n=1)
    if near:
        return f"; the nearest is {folded[near[0]]!r}"
    return f"; the table has {', '.join(names[:12])}{' …' if len(names) > 12 else ''}" if names else ""


def _open_file(path: Path) -> SourceFile:
    suffix = path.suffix.lower()
    with _clear_errors(path):
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if suffix not in SUFFIXES:
            raise DataError(f"{path}: cannot tell what this file is; give a .csv or .parquet file, or a folder of them")
        if not head.strip():
            raise DataError(f"{path}: the file is empty; give a file with transactions")
        if suffix == ".parquet":
            return SourceFile(path, tuple(parquet.read_schema(path).names))
        return SourceFile(path, _csv_header(path, head))


def _csv_header(path: Path, head: bytes) -> tuple[str, ...]:
    if head.startswith(_UTF16):
        raise DataError(f"{path}: the text is in UTF-16; save it as UTF-8")
    if b"\0" in head:
        known = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "binary")
        raise DataError(f"{path}: not a text file, but {known}; give comma-separated text in UTF-8, or a .parquet file")
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{path}: not a text file, but {what}; give comma-separated text in UTF-8")
    first = head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").splitlines()[0]
    try:
        line = first.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(_wrong_encoding(path)) from error
    header = next(csv.reader([line]))
    if len(header) == 1:
        for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if sign in line:
                raise DataError(f"{path}: columns are separated by {name} ({sign!r}); save the file with commas")
    return tuple(header)


def _csv_batches(source: SourceFile, columns: list[str], rows: int) -> Iterator[pa.Table]:
    source.ragged.clear()

    def leave_out(row: Any) -> str:
        # The parser counts the header and calls from one thread, so the number is there; data rows count from 1.
        source.ragged[row.number - 1] = row.actual_columns
        return "skip"

    # Blank first lines are passed over by the parser too; a byte order mark likewise.
    reader = arrow_csv.open_csv(
        source.path,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=leave_out),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=columns,
            column_types={name: pa.string() for name in columns},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    yield from _regrouped(reader, rows)


def _parquet_batches(source: SourceFile, columns: list[str], rows: int) -> Iterator[pa.Table]:
    with parquet.ParquetFile(source.path) as file:
        yield from _regrouped(
            file.iter_batches(batch_size=min(rows, 1 << 18), columns=columns, use_threads=False), rows
        )


def _regrouped(batches: Any, rows: int) -> Iterator[pa.Table]:
    """Tables of exactly `rows` rows, the last one smaller, out of record batches of any size."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= rows:
            here = rows - count
            yield pa.Table.from_batches([*waiting, batch.slice(0, here)])
            batch, waiting, count = batch.slice(here), [], 0
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
    if waiting:
        yield pa.Table.from_batches(waiting)


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Whatever the reading libraries raise, as one line that names the file and the fix."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(_wrong_encoding(path)) from error
    except pa.ArrowInvalid as error:
        text = str(error)
        if path.suffix.lower() == ".parquet":
            raise DataError(f"{path}: not a Parquet file, or cut off; write it anew") from error
        if "UTF8" in text or "utf-8" in text.lower():
            raise DataError(_wrong_encoding(path)) from error
        if "straddling" in text:
            raise DataError(f"{path}: a quotation mark is opened and never closed; close it, or double it") from error
        raise DataError(f"{path}: not readable as comma-separated text: {text.splitlines()[0][:160]}") from error
    except OSError as error:
        if path.suffix.lower() == ".parquet" and error.errno is None:
            raise DataError(
                f"{path}: damaged Parquet file ({str(error).splitlines()[0][:120]}); write it anew"
            ) from error
        raise DataError(f"{path}: cannot be read: {error.strerror or str(error).splitlines()[0]}") from error


def _wrong_encoding(path: Path) -> str:
    """Names the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, lines = 0, 0
    with path.open("rb") as file:
        while block := file.read(HEAD_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                at = done - pending + error.start
                byte = error.object[error.start]
                line = lines + error.object[: error.start].count(b"\n") + 1
                return (
                    f"{path}: not UTF-8: byte 0x{byte:02X} at position {at} (line {line}); "
                    "save the file as UTF-8 (it looks like Latin-1 or Windows-1252)"
                )
            done += len(block)
            lines += block.count(b"\n")
    return f"{path}: not UTF-8: the text ends within a character; save the file as UTF-8"


def _near_file(path: Path) -> str:
    try:
        near = get_close_matches(path.name, [item.name for item in path.parent.iterdir()], n=1)
    except OSError:
        return ""
    return f"; did you mean {path.parent / near[0]}?" if near else ""
