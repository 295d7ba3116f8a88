"""Tables of a database as a source of transactions and as a place for scores, named by URL and table.

    sqlite:///payments.db#transactions            a file in the working folder; four slashes for a whole path
    postgresql://reader:secret@host/bank#cards.payments

A table is read once, by one query and in a fixed order, into a temporary file, so that every later pass sees the same
rows and memory stays bounded. The order is that of the primary key, else of SQLite's row number, else of all columns.
Passwords stand in no message.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as parquet

from fraud_model.errors import DataError

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

FETCH_ROWS = 50_000
SYNTAX = "write a table as URL#table, such as sqlite:///payments.db#transactions or postgresql://user@host/db#payments"
_URL = re.compile(r"^[a-z][a-z0-9_+]+:/", re.IGNORECASE)


@dataclass(frozen=True)
class TableName:
    """A table of a database.

    Attributes:
        url: Where the database is.
        table: The table's name.
        schema: The database schema that it lies in; None for the default one.
    """

    url: "URL"
    table: str
    schema: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read URL#table or URL#schema.table.

        Raises:
            DataError: it is neither.
        """
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        address, _, name = text.rpartition("#") if "#" in text else (text, "", "")
        try:
            url = make_url(address)
        except (ArgumentError, ValueError):
            raise DataError(f"no database in what was given; {SYNTAX}") from None
        schema, _, table = name.rpartition(".")
        if not address or not table:
            raise DataError(f"{_shown(url)}: no table is named; {SYNTAX}")
        return cls(url, table, schema or None)

    def __str__(self) -> str:
        name = f"{self.schema}.{self.table}" if self.schema else self.table
        return f"{_shown(self.url)}#{name}"

    @contextmanager
    def open(self, new: bool = False) -> "Iterator[Engine]":
        """A connection pool, closed at the end; errors of the database become one line.

        Args:
            new: Whether an SQLite file may be made.

        Raises:
            DataError: the database cannot be reached, or refuses.
        """
        from sqlalchemy import create_engine
        from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

        file = self.url.database if self.url.get_backend_name() == "sqlite" else None
        if file and not new and not Path(file).exists():
            raise DataError(f"{self}: no such file {file}")
        try:
            engine = create_engine(self.url)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            driver = getattr(error, "name", None) or self.url.get_backend_name()
            raise DataError(f"{self}: the driver {driver} is not installed; pip install it") from error
        if file is not None:
            _begin_explicitly(engine)
        try:
            yield engine
        except SQLAlchemyError as error:
            raise DataError(f"{self}: {self._without_secrets(error)}") from error
        finally:
            engine.dispose()

    def columns(self, engine: "Engine") -> dict[str, Any]:
        """Its columns and their SQL types, in order.

        Raises:
            DataError: there is no such table; names the nearest.
        """
        from sqlalchemy import inspect
        from sqlalchemy.exc import NoSuchTableError

        inspector = inspect(engine)
        try:
            return {str(column["name"]): column["type"] for column in inspector.get_columns(self.table, self.schema)}
        except NoSuchTableError as error:
            known = [*inspector.get_table_names(self.schema), *inspector.get_view_names(self.schema)]
            near = get_close_matches(self.table, known, n=1)
            hint = f"the nearest is {near[0]!r}" if near else f"it has {', '.join(sorted(known)[:12]) or 'no table'}"
            raise DataError(f"{self}: the database has no table {self.table!r}; {hint}") from error

    def _without_secrets(self, error: Exception) -> str:
        text = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        secrets = [self.url.password, *(str(value) for key, value in self.url.query.items() if "pass" in key.lower())]
        for secret in secrets:
            text = text.replace(str(secret), "***") if secret else text
        return text


def is_table(source: str | Path) -> bool:
    """Whether a source is the URL of a table, and not a path."""
    return isinstance(source, str) and bool(_URL.match(source))


@contextmanager
def as_path(source: str | Path, columns: Sequence[str] | None = None) -> Iterator[Path]:
    """A source as something to read by path: a table as a temporary Parquet file, anything else as it is.

    Args:
        source: A path, or the URL of a table.
        columns: Columns wanted; the others are left out where the table has all of these.

    Raises:
        DataError: the table cannot be read; also, with the table's name, what is found wrong with the copy meanwhile.
    """
    if not is_table(source):
        yield Path(source)
        return
    table = TableName.parse(str(source))
    with tempfile.TemporaryDirectory(prefix="frauddesk-table-") as folder:
        copy = Path(folder) / "table.parquet"
        _copy(table, copy, columns)
        try:
            yield copy
        except DataError as error:
            raise type(error)(str(error).replace(str(copy), str(table))) from error


def source_name(source: str | Path) -> str:
    """How to name a source to people: without a password."""
    return str(TableName.parse(str(source))) if is_table(source) else str(source)


class _OtherType(Exception):
    """A column holds something else than its declared type; SQLite allows that."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def _copy(table: TableName, path: Path, wanted: Sequence[str] | None) -> None:
    """The table as one Parquet file; a column that holds other values than declared as text."""
    with table.open() as engine:
        declared = table.columns(engine)
        chosen = [name for name in declared if wanted is None or name in wanted]
        if wanted is not None and len(chosen) < len(set(wanted)):
            chosen = list(declared)  # the reader will miss a column, and looks for the nearest among all
        kinds = {name: _arrow_type(declared[name]) for name in chosen}
        while True:
            try:
                _copy_rows(table, engine, kinds, list(declared), path)
            except _OtherType as found:
                kinds[found.column] = pa.string()
            except OSError as error:
                raise DataError(f"{path}: cannot be written: {error.strerror or error}; free some space") from error
            else:
                return


def _copy_rows(table: TableName, engine: "Engine", kinds: dict[str, Any], names: list[str], path: Path) -> None:
    import sqlalchemy as sql

    selected = sql.table(table.table, *(sql.column(name) for name in names), schema=table.schema)
    query = sql.select(*(selected.c[name] for name in kinds)).order_by(*_order(table, engine, selected, names))
    shape = pa.schema(list(kinds.items()))
    with engine.connect() as connection, parquet.ParquetWriter(path, shape, compression="zstd") as writer:
        rows = connection.execution_options(stream_results=True, yield_per=FETCH_ROWS).execute(query)
        for part in rows.partitions():
            values = zip(*part, strict=True)
            arrays = [_array(name, list(column), kinds[name]) for name, column in zip(kinds, values, strict=True)]
            writer.write_table(pa.table(arrays, schema=shape))


def _order(table: TableName, engine: "Engine", selected: Any, names: list[str]) -> list[Any]:
    import sqlalchemy as sql

    inspector = sql.inspect(engine)
    key = inspector.get_pk_constraint(table.table, table.schema)["constrained_columns"]
    if key:
        return [selected.c[name] for name in key]
    if engine.dialect.name == "sqlite" and table.table in inspector.get_table_names(table.schema):
        return [sql.literal_column("rowid")]
    return [selected.c[name] for name in names]


def _arrow_type(declared: Any) -> pa.DataType:
    import sqlalchemy.types as sql

    if isinstance(declared, sql.Boolean):
        return pa.bool_()
    if isinstance(declared, sql.Integer):
        return pa.int64()
    if isinstance(declared, sql.Float):
        return pa.float64()
    if isinstance(declared, sql.DateTime):
        return pa.timestamp("us", "UTC" if declared.timezone else None)
    return pa.string()


def _array(name: str, values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        if pa.types.is_string(kind):
            return pa.array([None if value is None else _text(value) for value in values], kind)
        if pa.types.is_timestamp(kind) and any(isinstance(value, str) for value in values):
            raise _OtherType(name)
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise _OtherType(name) from error


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        plain = format(value, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _begin_explicitly(engine: "Engine") -> None:
    """Let SQLite's driver begin transactions only where told, so that making a table is part of one."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _no_own_transactions(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


def _shown(url: "URL") -> str:
    return url.set(query={}).render_as_string(hide_password=True)
