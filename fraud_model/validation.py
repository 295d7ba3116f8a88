"""Everything that is wrong with transactions, found in one pass and told together.

A file is read in pieces, so that its size does not matter; ids are kept as 8-byte hashes to find duplicates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fraud_model.pieces import PIECE_ROWS, Piece, pieces
from fraud_model.problems import (
    FEW,
    Problem,
    ValidationReport,
    check_columns,
    duplicate_problem,
    id_hashes,
    missing_policy,
    problem_of,
    ragged_problem,
)
from fraud_model.schema import TransactionSchema, load_schema
from fraud_model.sources import SourceFile, open_source
from fraud_model.tables import as_path, source_name
from fraud_model.values import Array, Finding, as_table, convert

MUCH_MISSING = 0.30


def validate(source: pd.DataFrame | Path | str, schema: TransactionSchema | str) -> ValidationReport:
    """Checks transactions against their schema.

    Args:
        source: Transactions, the path of a CSV or Parquet file or of a folder of them, or a table (see `tables`).
        schema: Which column is what: a schema, or what `load_schema` takes.

    Returns:
        All that was found.

    Raises:
        DataError: a file cannot be read at all (absent, empty, binary, wrongly encoded, damaged).
        SchemaError: there is no such schema.
    """
    schema = load_schema(schema)
    if isinstance(source, pd.DataFrame):
        names = tuple(str(name) for name in source.columns)
        problems, usable = check_columns(names, schema)
        single = source.loc[:, ~source.columns.duplicated()]
        whole = Piece(as_table(single, usable), np.arange(1, len(source) + 1))
        return _Check("table", schema, problems, usable, [None]).run(iter([whole]))
    with as_path(source, schema.columns) as path:
        files = open_source(path)
        problems, usable = _check_files(files, schema)
        return _Check(source_name(source), schema, problems, usable, files).run(pieces(files, usable, PIECE_ROWS))


@dataclass
class _Tally:
    """One sort of fault over all pieces."""

    finding: Finding
    where: str
    rows: list[int]
    count: int = 0


class _Check:
    """One pass over a source."""

    def __init__(
        self,
        name: str,
        schema: TransactionSchema,
        problems: list[Problem],
        columns: list[str],
        files: Sequence[SourceFile | None],
    ) -> None:
        self._name = name
        self._schema = schema
        self._problems = problems
        self._columns = columns
        self._files = files
        self._tallies: dict[tuple[str, str, str], _Tally] = {}
        self._missing = dict.fromkeys(columns, 0)
        self._rows = 0
        self._last_time: int | None = None
        self._unsorted: list[int] = []
        self._unsorted_count = 0
        self._ids: list[Array] = []
        self._id_rows: list[Array] = []

    def run(self, source: Iterator[Piece]) -> ValidationReport:
        # Types do not matter here, so every account and id is looked at as text.
        for piece in source:
            frame, findings = convert(piece.table, self._schema, frozenset())
            self._rows += len(frame)
            for finding in findings:
                self._add(finding, piece)
            self._count_missing(frame, findings)
            self._check_order(frame, findings, piece)
            key = self._schema.transaction_id
            if key in frame.columns and key is not None:
                given = frame[key].notna().to_numpy()
                self._ids.append(id_hashes(frame[key][given]))
                self._id_rows.append(piece.numbers[given])
        policies = {name: missing_policy(name, self._schema) for name in self._columns}
        return ValidationReport(self._name, self._rows, tuple(self._all_problems()), self._shares(), policies)

    def _add(self, finding: Finding, piece: Piece) -> None:
        key = (finding.level, finding.column, finding.sort)
        numbers = piece.numbers[finding.places]
        if key not in self._tallies:
            where = piece.where(int(numbers[0]), len(self._files) > 1)
            self._tallies[key] = _Tally(finding, where, [])
        tally = self._tallies[key]
        tally.count += len(numbers)
        tally.rows += [int(number) for number in numbers[: FEW - len(tally.rows)]]

    def _count_missing(self, frame: pd.DataFrame, findings: list[Finding]) -> None:
        for name in self._columns:
            unreadable = sum(f.places.size for f in findings if f.column == name and f.sort == "unreadable")
            if name == self._schema.time:  # steps are integers and cannot say that they are missing
                self._missing[name] += sum(f.places.size for f in findings if f.column == name and f.sort == "missing")
            else:
                self._missing[name] += int(frame[name].isna().sum()) - unreadable

    def _check_order(self, frame: pd.DataFrame, findings: list[Finding], piece: Piece) -> None:
        if self._schema.time not in frame.columns:
            return
        usable = np.ones(len(frame), dtype=bool)
        for finding in findings:
            if finding.column == self._schema.time:
                usable[finding.places] = False
        times = frame[self._schema.time].astype("int64").to_numpy()[usable]
        if not times.size:
            return
        before = np.concatenate([[times[0] if self._last_time is None else self._last_time], times[:-1]])
        earlier = np.flatnonzero(times < before)
        self._unsorted_count += earlier.size
        rows = piece.numbers[usable][earlier[: FEW - len(self._unsorted)]]
        self._unsorted += [int(row) for row in rows]
        self._last_time = int(times[-1])

    def _all_problems(self) -> list[Problem]:
        problems = list(self._problems)
        for file in self._files:
            if file is not None and file.ragged:
                problems.append(ragged_problem(file, len(self._files) > 1))
        if self._rows == 0 and not any(file is not None and file.ragged for file in self._files):
            problems.append(Problem("error", self._schema.time, "there are no rows; give at least one payment"))
        for tally in self._tallies.values():
            found = tally.finding
            problems.append(
                problem_of(found.level, found.column, found.said, found.fix, tally.rows, tally.count, tally.where)
            )
        if self._ids and self._schema.transaction_id is not None:
            hashes, rows = np.concatenate(self._ids), np.concatenate(self._id_rows)
            duplicate = duplicate_problem(self._schema.transaction_id, hashes, rows)
            problems += [duplicate] if duplicate is not None else []
        if self._unsorted_count:
            said, fix = "earlier than the row before", "features are computed in order of time all the same"
            row = f"row {self._unsorted[0]}"
            problems.append(
                problem_of("warning", self._schema.time, said, fix, self._unsorted, self._unsorted_count, row)
            )
        problems += self._gaps(problems)
        return sorted(problems, key=lambda problem: problem.level != "error")

    def _gaps(self, problems: list[Problem]) -> list[Problem]:
        broken = {problem.column for problem in problems if problem.level == "error"}
        return [
            Problem("warning", name, self._gap(name, share), (), self._missing[name])
            for name, share in self._shares().items()
            if share > MUCH_MISSING and name not in broken
        ]

    def _gap(self, name: str, share: float) -> str:
        policy = missing_policy(name, self._schema)
        return f"column {name}: {share:.0%} of the rows have no value, more than {MUCH_MISSING:.0%}; they are {policy}"

    def _shares(self) -> dict[str, float]:
        return {name: count / self._rows if self._rows else 0.0 for name, count in self._missing.items()}


def _check_files(files: Sequence[SourceFile], schema: TransactionSchema) -> tuple[list[Problem], list[str]]:
    """The columns' problems over all files, and the columns that every one of them has."""
    problems: dict[tuple[str, str], Problem] = {}
    usable = list(schema.columns)
    for file in files:
        found, here = check_columns(file.columns, schema)
        usable = [name for name in usable if name in here]
        for problem in found:
            inside = f"{file.path.name}: " if len(files) > 1 else ""
            stated = Problem(problem.level, problem.column, inside + problem.message)
            problems.setdefault((problem.level, problem.column), stated)
    return list(problems.values()), usable
