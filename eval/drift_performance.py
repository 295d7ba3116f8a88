"""How well the score ranks frauds, on labels that have come in.

Labels are late by nature. A window judged before they came in looks better or worse than it is, so figures on labels
that may still change are kept apart and never enter a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eval.errors import EvalInputError
from eval.ranking import alert_budget_table, average_precision, known_rows

BUDGETS = (25, 50, 100, 200)


@dataclass(frozen=True)
class Performance:
    """Figures of a ranking.

    Attributes:
        rows: Rows with a label.
        frauds: Frauds among them.
        average_precision: In [0, 1]; NaN where there is no fraud or nothing else.
        reference: Average precision of the reference, where it has labels; else NaN.
        budgets: One row a budget of alerts a day (`alerts_per_day`, `alerts`, `threshold`, `precision`, `recall`);
            empty where the length of the window is not known.
    """

    rows: int
    frauds: int
    average_precision: float
    reference: float
    budgets: pd.DataFrame

    def metrics(self, prefix: str) -> dict[str, float]:
        """The figures by stable name."""
        found = {
            f"{prefix}.rows": float(self.rows),
            f"{prefix}.frauds": float(self.frauds),
            f"{prefix}.average_precision": self.average_precision,
            f"{prefix}.reference_average_precision": self.reference,
        }
        for row in self.budgets.itertuples(index=False):
            found[f"{prefix}.precision_at_{row.alerts_per_day}_a_day"] = float(row.precision)
            found[f"{prefix}.recall_at_{row.alerts_per_day}_a_day"] = float(row.recall)
        return found


def measure_performance(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    label_column: str | None,
    matured_column: str | None,
    score_column: str,
    days: float | None,
    budgets: Sequence[int] = BUDGETS,
    reference_average_precision: float | None = None,
) -> tuple[Performance | None, Performance | None]:
    """Performance on matured labels, and on the others; None for each without a label.

    Raises:
        EvalInputError: a label is neither 0 nor 1, or a named column is absent.
    """
    if label_column is None:
        return None, None
    for column in (label_column, score_column, *([matured_column] if matured_column else [])):
        if column not in current.columns:
            raise EvalInputError(f"column {column} is not in the current data")
    labels = pd.to_numeric(current[label_column], errors="coerce")
    wrong = labels.notna() & ~labels.isin([0, 1])
    if wrong.any():
        row = int(np.flatnonzero(wrong.to_numpy())[0])
        raise EvalInputError(f"column {label_column}, row {row + 1}: label {labels.iloc[row]:g} is neither 0 nor 1")
    matured = maturity(current, matured_column)
    before = float("nan") if reference_average_precision is None else reference_average_precision
    if {label_column, score_column} <= set(reference.columns):
        before = average_precision(*known_rows(reference[label_column], reference[score_column]))
    found: list[Performance | None] = []
    for part in (matured, ~matured):
        known, scores = known_rows(labels[part], current.loc[part, score_column])
        if len(known) == 0:
            found.append(None)
            continue
        # A part of the window has a part of its days; their share of rows stands for it.
        length = days * len(known) / len(current) if days else 0.0
        table = alert_budget_table(known, scores, length, budgets if days else ())
        found.append(Performance(len(known), int(known.sum()), average_precision(known, scores), before, table))
    return found[0], found[1]


def maturity(frame: pd.DataFrame, matured_column: str | None) -> pd.Series:
    """True where a row's label has had the time to come in; nowhere without a column that says so."""
    if matured_column is None:
        return pd.Series(False, index=frame.index)
    return frame[matured_column].fillna(False).astype(bool)
