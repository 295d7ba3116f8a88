"""Which column of an exported table is what: for case systems whose columns have names of their own.

    # cases.columns.toml, beside cases.csv
    id = "Case Ref"
    title = "Headline"
    text = ["Narrative", "Closing note"]
    collection = "case_notes"

    [fields]
    case_id = "Case Ref"
    closed = "Closed At"
    outcome = "Disposition"

Columns that are not named here are left out, unless `rest = true`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from retrieval.documents import Document, Metadata, parse_time, plain_metadata
from retrieval.errors import InputError

SUFFIX = ".columns.toml"
"""What the name of a mapping beside its table ends in."""

_TIMES = ("opened", "closed", "published")
_LISTS = ("transactions", "accounts")


@dataclass(frozen=True)
class Columns:
    """A mapping of a table's columns to a document.

    Attributes:
        text: Columns whose values, one below the other, are the text; at least one must hold something.
        id: Column that tells rows apart; empty for the row number.
        title: Column of the title; empty for the id.
        collection: Put into the metadata of every row; empty for the folder's.
        fields: Name in the metadata to column. `opened`, `closed` and `published` are read as times, `transactions`
            and `accounts` as lists (separated by `;`, `,` or white space), `amount` as a number.
        rest: Whether the other columns go into the metadata under their own names.
    """

    text: tuple[str, ...]
    id: str = ""
    title: str = ""
    collection: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    rest: bool = False

    @classmethod
    def read(cls, value: "Columns | Mapping[str, Any] | str | Path") -> "Columns":
        """A mapping from a TOML file, or from a dictionary of the same form.

        Raises:
            InputError: If the file cannot be read, or a name in it is unknown or of the wrong type.
        """
        if isinstance(value, Columns):
            return value
        place = "column mapping"
        if isinstance(value, str | Path):
            place = str(value)
            try:
                value = tomllib.loads(Path(value).read_text(encoding="utf-8"))
            except OSError as problem:
                raise InputError(f"{place}: {problem.strerror}") from None
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
                raise InputError(f"{place}: not valid TOML: {problem}") from None
        known = list(cls.__dataclass_fields__)
        for name in value:
            if name not in known:
                near = get_close_matches(str(name), known, n=1)
                raise InputError(
                    f"{place}: unknown name {name}; " + (f"did you mean {near[0]}?" if near else str(known))
                )
        text = value.get("text")
        text = (text,) if isinstance(text, str) else text
        fields = value.get("fields", {})
        fine = isinstance(text, list | tuple) and text and all(isinstance(name, str) for name in text)
        if not fine:
            raise InputError(f'{place}: text must name the column, or columns, of the text: text = "Narrative"')
        if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields.values()):
            raise InputError(f"{place}: fields must be `name = column` lines")
        plain = {name: value[name] for name in ("id", "title", "collection") if name in value}
        if not all(isinstance(name, str) for name in plain.values()) or not isinstance(value.get("rest", False), bool):
            raise InputError(f"{place}: id, title and collection are texts, rest is true or false")
        return cls(text=tuple(text or ()), fields=dict(fields), rest=value.get("rest", False), **plain)

    def document(self, row: Mapping[str, Any], number: int, table_id: str, path: Path) -> Document:
        """One row as a document.

        Args:
            row: Values by column.
            number: The row's number, from 1.
            table_id: Id of the table; the row's own is put behind it.
            path: Where the table lies.

        Raises:
            InputError: If a mapped column is not in the row, or a value cannot be read; names column and row.
        """
        used = {*self.text, *self.fields.values(), *filter(None, (self.id, self.title))}
        absent = sorted(used - row.keys())
        if absent:
            near = get_close_matches(absent[0], list(row), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(map(repr, row))}"
            raise InputError(f"row {number} has no column {absent[0]!r}{hint}")
        key = str(row[self.id] or number) if self.id else str(number)
        metadata: Metadata = {name: row[name] for name in row if self.rest and name not in used}
        for name, column in self.fields.items():
            metadata[name] = _value(name, row[column], f"row {number}, column {column!r}")
        if self.collection:
            metadata["collection"] = self.collection
        text = "\n\n".join(str(row[name]).strip() for name in self.text if row[name])
        metadata = plain_metadata({name: value for name, value in metadata.items() if value not in (None, "")})
        title = str(row[self.title]) if self.title and row[self.title] else key
        return Document(f"{table_id}/{key}", title, text, metadata | {"source": f"{path}#{key}"})


def mapping_beside(table: Path) -> Columns | None:
    """The mapping that lies beside a table, such as cases.columns.toml for cases.csv; None where there is none.

    Raises:
        InputError: If it cannot be read.
    """
    path = table.with_name(table.stem + SUFFIX)
    return Columns.read(path) if path.is_file() else None


def _value(name: str, value: Any, place: str) -> Any:
    if value in (None, ""):
        return None
    if name in _TIMES:
        return parse_time(value, place)
    if name in _LISTS and isinstance(value, str):
        return value.replace(";", " ").replace(",", " ").split()
    if name == "amount" and isinstance(value, str):
        try:
            return float(value.replace(" ", "").replace(",", ""))
        except ValueError:
            raise InputError(f"{place}: {value!r} is no amount; write it like 1234.50") from None
    return value
