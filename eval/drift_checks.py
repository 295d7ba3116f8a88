"""What is compared, column by column, and what is wrong with the data before any comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from eval.errors import EvalInputError
from eval.psi import ACT, INSUFFICIENT, STABLE, WATCH, WATCH_FROM, Comparison, compare, verdict_of
from fraud_model.progress import Progress, ProgressCallback

# A change of missing values, or a share of unseen categories, that is shown even where the index is small.
_MISSING_MORE = 0.02
_UNSEEN_SHARE = 0.005
# A column must move this many times as far as it does by nature: features such as the age of an account grow with the
# calendar, a few large merchants move every count of payments, and what remembers a fortnight's largest payment holds
# the first of a month for half of it.
_BEYOND_USUAL = 1.5
# Rows of a reference from which on its two halves can be compared.
_HALVES_FROM = 1_000
# Text that nearly every row has for itself is an identifier: its distribution says nothing.
_IDENTIFIER_SHARE, _IDENTIFIER_ROWS = 0.5, 100
# Alerts against what the reference would give: a ratio beyond these, and beyond chance.
_ALERTS_WATCH, _ALERTS_ACT = 1.5, 2.0
# Standard errors beyond which two shares differ: with fifty columns a window, two or three would cry wolf each week.
_BEYOND_CHANCE = 4.0


@dataclass(frozen=True)
class ColumnDrift:
    """Drift of one column.

    Attributes:
        column: Its name.
        psi: Population stability index; NaN where it cannot be computed.
        verdict: stable under .1, watch to .25, act above; insufficient where there are too few rows. By this window
            alone: the overall verdict asks for a second one before it says act.
        noise: What the index stays under, 95 times in 100, where nothing changed; smaller with more rows.
        confirmed: Whether the window before said act on this column too.
        missing_reference: Share of missing values in the reference.
        missing_current: Share of missing values in the current data.
        usual: How far the column moves by nature: the index between the earlier and the later half of the reference,
            where its rows are in the order of time, or of a window before it against it, whichever is largest. A column
            is judged only beyond 1.5 times that.
        note: What else is to be said; empty if nothing.
    """

    column: str
    psi: float
    verdict: str
    noise: float
    confirmed: bool = False
    missing_reference: float = 0.0
    missing_current: float = 0.0
    usual: float = 0.0
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "column": self.column,
            "psi": plain(self.psi),
            "verdict": self.verdict,
            "noise": plain(self.noise),
            "confirmed": self.confirmed,
            "missing_reference": plain(self.missing_reference),
            "missing_current": plain(self.missing_current),
            "usual": plain(self.usual),
            "note": self.note,
        }


@dataclass(frozen=True)
class DataCheck:
    """Something to know about the data before their drift is judged.

    Attributes:
        subject: A column, or "rows".
        level: watch or act; act only where no second window is needed, such as an absent column.
        message: What is wrong, in words.
    """

    subject: str
    level: str
    message: str


@dataclass(frozen=True)
class AlertVolume:
    """Alerts at the model's threshold, against what the reference gave.

    Attributes:
        reference_rate: Share of the reference's rows at or above the threshold.
        current_rate: Share of the current rows at or above it.
        verdict: stable, watch or act.
        per_day: Alerts a day in the window; NaN where its length is not known.
    """

    reference_rate: float
    current_rate: float
    verdict: str
    per_day: float


@dataclass(frozen=True)
class Compared:
    """All columns compared.

    Attributes:
        columns: One record a column of the reference, worst first.
        checks: What is wrong with the data.
        comparisons: Bins and counts, by column; without absent columns and those not compared.
        skipped: Columns that are not compared, with the reason.
    """

    columns: tuple[ColumnDrift, ...]
    checks: tuple[DataCheck, ...]
    comparisons: dict[str, Comparison]
    skipped: dict[str, str]


def compare_columns(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[str],
    *,
    minimum_rows: int,
    earlier: Sequence[pd.DataFrame] = (),
    progress: ProgressCallback | None = None,
) -> Compared:
    """Every column of the reference against the current data.

    Args:
        reference: What the model was validated on, in the order of time.
        current: The window to judge.
        columns: Those to compare.
        minimum_rows: Fewer, in either, give the verdict insufficient.
        earlier: Windows before the reference, as long as the current one, in which nothing is known to be wrong.
        progress: Told after each column.

    Raises:
        EvalInputError: a named column is not in the reference.
    """
    absent = [column for column in columns if column not in reference.columns]
    if absent:
        raise EvalInputError(f"column {', '.join(absent)} is not in the reference")
    enough = min(len(reference), len(current)) >= minimum_rows
    drifts: list[ColumnDrift] = []
    checks: list[DataCheck] = []
    comparisons: dict[str, Comparison] = {}
    skipped: dict[str, str] = {}
    if not enough:
        checks.append(DataCheck("rows", WATCH, _too_few(len(reference), len(current), minimum_rows)))
    for number, column in enumerate(columns, start=1):
        reason = _not_comparable(reference[column])
        if reason:
            skipped[column] = reason
        elif column not in current.columns:
            message = "absent from the current data"
            checks.append(DataCheck(column, ACT, message))
            drifts.append(ColumnDrift(column, float("nan"), ACT, 0.0, missing_current=1.0, note=message))
        else:
            found = compare(reference[column], current[column])
            comparisons[column] = found
            nature = _nature(reference[column], [frame[column] for frame in earlier if column in frame.columns])
            drift, problems = _judge(column, found, reference[column], current[column], nature, enough)
            drifts.append(drift)
            checks.extend(problems)
        if progress is not None:
            progress(Progress("comparing columns", number, len(columns), column))
    worst_first = sorted(drifts, key=lambda drift: -(drift.psi if np.isfinite(drift.psi) else np.inf))
    return Compared(tuple(worst_first), tuple(checks), comparisons, skipped)


def alert_volume(reference: pd.Series, current: pd.Series, threshold: float, days: float | None) -> AlertVolume:
    """Alerts at a threshold in [0, 1], against the reference's; a change within chance is stable."""
    before, after = (pd.to_numeric(scores, errors="coerce").dropna() for scores in (reference, current))
    counts = [int((scores >= threshold).sum()) for scores in (before, after)]
    sizes = [max(len(before), 1), max(len(after), 1)]
    rates = [count / size for count, size in zip(counts, sizes, strict=True)]
    per_day = counts[1] / days if days else float("nan")
    verdict = STABLE
    if abs(rates[1] - rates[0]) > _BEYOND_CHANCE * _spread(rates, sizes):
        more, less = max(rates), min(rates)
        ratio = more / less if less > 0 else np.inf
        verdict = ACT if ratio >= _ALERTS_ACT else WATCH if ratio >= _ALERTS_WATCH else STABLE
    return AlertVolume(rates[0], rates[1], verdict, per_day)


def plain(value: float) -> float | None:
    """A number for JSON: None where it is not finite."""
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True)
class _Nature:
    """What a column does though nothing is wrong.

    Attributes:
        psi: See `ColumnDrift.usual`; 0 where nothing tells.
        missing: The largest share of missing values in a half of the reference or a window before it.
    """

    psi: float
    missing: float


def _judge(
    column: str, found: Comparison, reference: pd.Series, current: pd.Series, nature: _Nature, enough: bool
) -> tuple[ColumnDrift, list[DataCheck]]:
    missing = [float(found.shares(which)[-1]) for which in ("reference", "current")]
    notes = []
    if len(current) and missing[1] == 1.0 and missing[0] < 1.0:
        notes.append("every value is missing")
    elif missing[1] - max(missing[0], nature.missing) >= max(
        _MISSING_MORE, _BEYOND_CHANCE * _spread(missing, [len(reference), len(current)])
    ):
        notes.append(f"missing values rose from {missing[0]:.1%} to {missing[1]:.1%}")
    if found.unseen_share >= _UNSEEN_SHARE:
        names = ", ".join(_unseen(found, current))
        notes.append(f"{found.unseen_share:.1%} of rows in categories that the reference does not have: {names}")
    if current.nunique(dropna=True) == 1 and reference.nunique(dropna=True) > 1 and missing[1] < 1.0:
        notes.append("one value only")
    if pd.api.types.is_numeric_dtype(reference) and not pd.api.types.is_numeric_dtype(current):
        notes.append("text where the reference has numbers")
    # Within chance, or within what the column does anyway: nothing to see. A fault of the data is never usual.
    expected = max(found.noise, 0.0 if notes else _BEYOND_USUAL * nature.psi)
    verdict = verdict_of(found.psi) if found.psi > expected else STABLE
    if notes and verdict == STABLE:
        verdict = WATCH
    checks = [DataCheck(column, WATCH, text) for text in notes]
    if verdict == STABLE and found.psi >= WATCH_FROM and nature.psi > 0:
        notes.append(f"moves as far by nature ({nature.psi:.2f})")
    drift = ColumnDrift(
        column=column,
        psi=found.psi,
        verdict=verdict if enough else INSUFFICIENT,
        noise=found.noise,
        missing_reference=missing[0],
        missing_current=missing[1],
        usual=nature.psi,
        note="; ".join(notes),
    )
    return drift, checks


def _nature(reference: pd.Series, earlier: Sequence[pd.Series]) -> _Nature:
    """How far a column moves by nature.

    A reference of two weeks lies in one part of the month, so windows from before it tell more than its own halves.
    """
    middle = len(reference) // 2
    pairs = [(reference.iloc[:middle], reference.iloc[middle:])] if len(reference) >= _HALVES_FROM else []
    pairs += [(reference, window) for window in earlier if len(window) >= _HALVES_FROM]
    found = [compare(before, after) for before, after in pairs]
    return _Nature(
        max((each.psi for each in found if each.psi > each.noise), default=0.0),
        max((float(each.shares("current")[-1]) for each in found), default=0.0),
    )


def _spread(shares: Sequence[float], rows: Sequence[int]) -> float:
    """Standard error of the difference of two shares in [0, 1] if they were one."""
    sizes = [max(size, 1) for size in rows]
    pooled = sum(share * size for share, size in zip(shares, sizes, strict=True)) / sum(sizes)
    return float(np.sqrt(pooled * (1 - pooled) * sum(1 / size for size in sizes)))


def _unseen(found: Comparison, current: pd.Series, most: int = 5) -> list[str]:
    known = set(found.bins.categories)
    return [str(value)[:40] for value in current.dropna().unique() if str(value) not in known][:most]


def _not_comparable(reference: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(reference):
        return "a time moves on by nature"
    if pd.api.types.is_numeric_dtype(reference) or len(reference) < _IDENTIFIER_ROWS:
        return ""
    if reference.nunique() > _IDENTIFIER_SHARE * len(reference):
        return "an identifier: nearly every row has its own"
    return ""


def _too_few(reference: int, current: int, minimum: int) -> str:
    sizes = [f"{rows:,} rows in the {name}" for name, rows in (("reference", reference), ("current data", current))]
    short = [text for text, rows in zip(sizes, (reference, current), strict=True) if rows < minimum]
    return f"{' and '.join(short)}, but {minimum:,} are needed for a verdict"
