"""Tables written whole or not at all: a temporary file beside the target, then one rename."""

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from fraud_model.errors import DataError
from fraud_model.table_output import SqlTableWriter
from fraud_model.tables import is_table


class TableWriter:
    """Writes a table piece by piece; the target appears, complete, when the `with` block ends without an error.

        with TableWriter("scores.parquet") as writer:
            for piece in pieces:
                writer.write(piece)

    The first piece fixes the columns and their types. At least one piece, empty or not, must be written.

    Args:
        path: Target, ending in .parquet or .csv; its folder is made where absent, an older file is replaced.

    Raises:
        DataError: the suffix is neither, or the target cannot be written (permission, full disk); says which.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in (".parquet", ".csv"):
            raise DataError(f"{self.path}: cannot tell how to write this; let the name end in .parquet or .csv")
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.tmp")
        self._file: BinaryIO | None = None
        self._parquet: parquet.ParquetWriter | None = None
        self._columns: list[str] | None = None

    def __enter__(self) -> Self:
        if self.path.is_dir():
            raise DataError(f"{self.path}: this is a folder; give the name of a file")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("xb")
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Adds rows; the index is not written.

        Raises:
            DataError: the rows cannot be written, or their columns differ from the first piece's.
        """
        assert self._file is not None, "write inside the with block"
        columns = [str(column) for column in frame.columns]
        first = self._columns is None
        if not first and columns != self._columns:
            raise DataError(f"{self.path}: a later piece has other columns than the first")
        self._columns = columns
        try:
            if self.path.suffix.lower() == ".csv":
                frame.to_csv(self._file, index=False, header=first, encoding="utf-8", lineterminator="\n")
            else:
                self._write_parquet(frame)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{self.path}: a column holds values of mixed types ({reason}); give it one type"
            ) from error

    def _write_parquet(self, frame: pd.DataFrame) -> None:
        if self._parquet is None:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            self._parquet = parquet.ParquetWriter(self._file, table.schema, compression="zstd")
        else:
            table = pa.Table.from_pandas(frame, schema=self._parquet.schema, preserve_index=False)
        self._parquet.write_table(table)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._columns is None:
                raise DataError(f"{self.path}: nothing was written")
            self._close(whole=kind is None)
            if kind is None:
                self._temporary.replace(self.path)
        except OSError as failure:
            raise _cannot_write(self.path, failure) from failure
        finally:
            self._temporary.unlink(missing_ok=True)

    def _close(self, whole: bool) -> None:
        """Closes the file; after a failure, closing may fail again and that no longer matters."""
        file, self._file = self._file, None
        assert file is not None
        try:
            if self._parquet is not None:
                self._parquet.close()
            file.flush()
            if whole:
                os.fsync(file.fileno())
        except OSError:
            if whole:
                raise
        finally:
            try:
                file.close()
            except OSError:
                if whole:
                    raise


def writer_of(target: Path | str) -> "TableWriter | SqlTableWriter":
    """What writes to a .parquet or .csv file, or to a table of a database (see `tables`).

    Raises:
        DataError: the target is none of these.
    """
    if is_table(target):
        return SqlTableWriter(str(target))
    return TableWriter(target)


def write_table(frame: pd.DataFrame, path: Path | str) -> None:
    """Writes a table as Parquet or CSV by its suffix, or into a database, whole or not at all.

    Args:
        frame: Any table; its index is not written.
        path: Target; its folder is made where absent, an older file is replaced.

    Raises:
        DataError: the suffix is neither .parquet nor .csv, or the target cannot be written.
    """
    with writer_of(path) as writer:
        writer.write(frame)


def _cannot_write(path: Path, error: OSError) -> DataError:
    reason = error.strerror or str(error).splitlines()[0]
    fix = "free some space" if "space" in reason.lower() else "choose another place, or change its permissions"
    return DataError(f"{path}: cannot be written: {reason}; {fix}")
