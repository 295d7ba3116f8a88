"""What is wrong with transactions, in words: problems, reports of them, and the one line that an error says."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.errors import DataError
from fraud_model.pieces import Piece
from fraud_model.schema import TransactionSchema
from fraud_model.sources import SourceFile, nearest
from fraud_model.values import Array, Finding, Level

FEW = 5


@dataclass(frozen=True)
class Problem:
    """One sort of fault, with the first rows that have it.

    Attributes:
        level: `error`: the table cannot be used as it is; `warning`: it can, and the message says with what effect.
        column: Name of the column, or of the file for faults of whole rows.
        message: One line: column, rows, what is wrong, the fix.
        rows: Data row numbers (from 1, over all files of a folder) of the first few.
        count: How many rows have it; 0 where it is a fault of the column itself.
    """

    level: Level
    column: str
    message: str
    rows: tuple[int, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class ValidationReport:
    """What was checked, and what was found.

    Attributes:
        source: Path that was checked, or `table` for a frame.
        row_count: Data rows read.
        problems: Errors first.
        missing_share: Share of rows without a value, in [0, 1], for each column of the schema that is there.
        missing_policy: What becomes of such rows, for each of these columns.
    """

    source: str
    row_count: int
    problems: tuple[Problem, ...]
    missing_share: dict[str, float]
    missing_policy: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that are errors."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, ready for JSON."""
        problems = [{**asdict(problem), "rows": list(problem.rows)} for problem in self.problems]
        return {
            "source": self.source,
            "ok": self.ok,
            "row_count": self.row_count,
            "problems": problems,
            "missing_share": self.missing_share,
            "missing_policy": self.missing_policy,
        }

    def to_text(self) -> str:
        """The report for people, one line a problem."""
        errors = len(self.errors)
        warnings = len(self.problems) - errors
        counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
        lines = [f"{self.source}: {self.row_count:,} rows, {counted if self.problems else 'nothing wrong'}"]
        lines += [f"  {problem.level}: {problem.message}" for problem in self.problems]
        for name, share in self.missing_share.items():
            if share > 0:
                lines.append(f"  missing: {name} {share:.1%}: {self.missing_policy.get(name, '')}".rstrip(": "))
        return "\n".join(lines)


def missing_policy(column: str, schema: TransactionSchema) -> str:
    """What becomes of a payment that has no value in a column."""
    if column in (schema.time, schema.amount, schema.transaction_id):
        return "refused"
    if column in (schema.payer, schema.payee):
        return "scored as an account without history"
    if column == schema.label:
        return "scored, count as neither fraud nor legitimate, and are not trained on"
    if column in schema.categorical:
        return "scored as an unknown category, which the trees have a branch for"
    return "scored without it: the trees have a branch for missing numbers"


def check_columns(names: Sequence[str], schema: TransactionSchema) -> tuple[list[Problem], list[str]]:
    """What is wrong with a table's column names, and the schema's columns that can be read."""
    problems, usable = [], []
    for name in schema.columns:
        times = list(names).count(name)
        if times == 1:
            usable.append(name)
        elif times > 1:
            message = f"column {name} stands {times} times in the header; rename or remove the others"
            problems.append(Problem("error", name, message))
        elif name == schema.label:
            message = f"column {name} is missing: the table can be scored, but a model cannot be trained on it"
            problems.append(Problem("warning", name, message))
        else:
            message = f"column {name} is missing (schema {schema.name}){nearest(name, names)}"
            problems.append(Problem("error", name, message))
    return problems, usable


def describe(finding: Finding, piece: Piece, several_files: bool) -> Problem:
    """A finding of one piece as a problem."""
    return problem_of(
        finding.level,
        finding.column,
        finding.said,
        finding.fix,
        [int(piece.numbers[place]) for place in finding.places[:FEW]],
        int(finding.places.size),
        piece.where(int(piece.numbers[finding.places[0]]), several_files),
    )


def ragged_problem(file: SourceFile, several_files: bool) -> Problem:
    """Rows of a CSV file that have more or fewer values than the header."""
    numbers = sorted(file.ragged)
    first = numbers[0]
    said = f"{file.ragged[first]} values where the header has {len(file.columns)}"
    fix = "put quotation marks around values with commas, close every one that is open, one payment a line"
    where = f"{file.path.name} row {first}" if several_files else f"row {first}"
    rows = [file.rows_before + number for number in numbers[:FEW]]
    return problem_of("error", file.path.name, said, fix, rows, len(numbers), where, whole_row=True)


def duplicate_problem(column: str, hashes: Array, numbers: Array) -> Problem | None:
    """Rows with the id of an earlier row, from the hashes of all ids.

    Among 10 million ids, two share a hash by chance with odds of about 1 to 370,000.
    """
    order = np.argsort(hashes, kind="stable")
    again = np.flatnonzero(hashes[order][1:] == hashes[order][:-1]) + 1
    if not again.size:
        return None
    # Rows in the order of the table; within an id, the stable sort keeps it, so the one before is the earlier.
    repeats = np.sort(numbers[order[again]])
    first = repeats[0]
    place = again[np.argmin(numbers[order[again]])]
    said = f"its id is that of row {numbers[order[place - 1]]}"
    fix = "give every payment an id of its own, or remove the copies"
    rows = [int(row) for row in repeats[:FEW]]
    return problem_of("error", column, said, fix, rows, int(repeats.size), f"row {first}")


def id_hashes(ids: "pd.Series[Any]") -> Array:
    """One 8-byte hash per id."""
    return pd.util.hash_array(ids.to_numpy(), categorize=False)


def first_error(problems: Sequence[Problem], source: Path | str) -> DataError | None:
    """The first error as an exception that names the source, or None."""
    errors = [problem for problem in problems if problem.level == "error"]
    if not errors:
        return None
    more = f" (and {len(errors) - 1} more; `validate` lists all)" if len(errors) > 1 else ""
    return DataError(f"{source}: {errors[0].message}{more}")


def problem_of(
    level: Level,
    column: str,
    said: str,
    fix: str,
    rows: list[int],
    count: int,
    where: str,
    whole_row: bool = False,
) -> Problem:
    """A problem in words: which rows, what is wrong, the fix."""
    others = ", ".join(str(row) for row in rows[1:])
    more = f" and {count - 1:,} more ({others}{', …' if count > len(rows) else ''})" if count > 1 else ""
    place = f"{where}{more}" if whole_row else f"column {column}, {where}{more}"
    return Problem(level, column, f"{place}: {said}; {fix}", tuple(rows), count)
