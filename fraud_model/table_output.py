"""Scores written into a table of a database: all of them in one transaction, or none."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from fraud_model.errors import DataError
from fraud_model.tables import TableName

if TYPE_CHECKING:
    from sqlalchemy import Connection

INSERT_ROWS = 20_000


class SqlTableWriter:
    """Writes a table piece by piece; the rows appear together when the `with` block ends without an error.

    A new table is made. One that is there is refilled if it has exactly these columns, as after an earlier run; any
    other is left alone: it may hold payments.

    Args:
        target: URL#table, see `fraud_model.tables`.

    Raises:
        DataError: the target cannot be read or reached, has other columns, or refuses the rows.
    """

    def __init__(self, target: str) -> None:
        self.target = TableName.parse(target)
        self._opened: Any = None
        self._connection: Connection | None = None
        self._table: Any = None

    def __enter__(self) -> Self:
        self._opened = self.target.open(new=True)
        engine = self._opened.__enter__()
        try:
            self._connection = engine.connect()
        except Exception as error:
            self._opened.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Adds rows; the index is not written.

        Raises:
            DataError: the columns are not those of the table that is there.
        """
        import sqlalchemy as sql

        connection = self._connection
        assert connection is not None, "write inside the with block"
        if self._table is None:
            self._table = self._make(frame)
        rows = self._plain(frame)
        for start in range(0, len(rows), INSERT_ROWS):
            connection.execute(sql.insert(self._table), rows[start : start + INSERT_ROWS])

    def _make(self, frame: pd.DataFrame) -> Any:
        import sqlalchemy as sql

        connection = self._connection
        assert connection is not None
        columns = [sql.Column(str(name), _sql_type(frame[name])) for name in frame.columns]
        table = sql.Table(self.target.table, sql.MetaData(), *columns, schema=self.target.schema)
        inspector = sql.inspect(connection)
        if inspector.has_table(self.target.table, schema=self.target.schema):
            found = [str(column["name"]) for column in inspector.get_columns(self.target.table, self.target.schema)]
            if found != [column.name for column in columns]:
                raise DataError(
                    f"{self.target}: this table is there and has other columns ({', '.join(found[:8])}); "
                    "name a new one, or drop it"
                )
            connection.execute(sql.delete(table))
        else:
            table.create(connection)
        return table

    def _plain(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        """Rows as the drivers take them: Python's own types, None for what is missing."""
        plain = {}
        for name in frame.columns:
            column = frame[name]
            plain[str(name)] = column.astype(object).where(column.notna(), None).tolist()
        return [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        assert connection is not None
        try:
            if kind is None:
                connection.commit()
        except Exception as failure:
            connection.close()
            self._opened.__exit__(type(failure), failure, failure.__traceback__)
            raise
        connection.close()  # takes back what was not committed
        self._opened.__exit__(kind, error, trace)


def _sql_type(column: "pd.Series[Any]") -> Any:
    import sqlalchemy.types as sql

    if pd.api.types.is_bool_dtype(column):
        return sql.Boolean()
    if pd.api.types.is_integer_dtype(column):
        return sql.BigInteger()
    if pd.api.types.is_float_dtype(column):
        return sql.Double() if column.dtype != np.float32 else sql.Float()
    if pd.api.types.is_datetime64_any_dtype(column):
        return sql.DateTime(timezone=True)
    return sql.Text()
