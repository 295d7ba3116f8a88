"""Evidently's report of a drift check: one HTML file that opens offline, and the same as JSON."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import RowCount

from eval.drift_performance import BUDGETS, maturity
from eval.evidently_metrics import AlertBudget, AveragePrecision, FixedBinPsi, PrecisionAtK, PsiOverview

# Labels of the current data, split by whether they can still change. The names cannot be those of a data column.
_MATURED, _PROVISIONAL = "label (matured)", "label (provisional)"


def evidently_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[str],
    *,
    score_column: str,
    label_column: str | None = None,
    matured_column: str | None = None,
    days: float | None = None,
) -> tuple[str, str]:
    """The report as (HTML, JSON); both empty where there is nothing to compare.

    Args:
        reference: The reference.
        current: The current data; all of it is used, not a sample.
        columns: Columns that are in both, worst first.
        score_column: Column with the fraud probability, in [0, 1].
        label_column: Column with 1 fraud, 0 legitimate; None leaves performance out.
        matured_column: True where a label has had the time to come in.
        days: Length of the current window in days.
    """
    if len(current) == 0 or not columns:
        return "", ""
    numeric = [column for column in columns if pd.api.types.is_numeric_dtype(reference[column])]
    categorical = [column for column in columns if column not in numeric]
    frames = [_plain_frame(frame, numeric, categorical) for frame in (reference, current)]
    metrics: list[Any] = [RowCount(), PsiOverview(columns=list(columns))]
    metrics += [FixedBinPsi(column=column) for column in columns]
    labels: list[str] = []
    if label_column is not None and label_column in current.columns and score_column in numeric:
        labels = _add_labels(frames, reference, current, label_column, matured_column)
        for target in labels:
            known = float(frames[1][target].notna().mean())
            # A part of the window has a part of its days; its share of the rows stands for it.
            metrics += _performance_metrics(target, score_column, days * known if days else None)
    definition = DataDefinition(numerical_columns=[*numeric, *labels], categorical_columns=categorical)
    # Evidently divides by the number of values, which is nought where a column is all missing.
    with np.errstate(invalid="ignore", divide="ignore"):
        datasets = [Dataset.from_pandas(frame, _only(definition, frame)) for frame in frames]
    snapshot = Report(metrics).run(datasets[1], datasets[0])
    return snapshot.get_html_str(as_iframe=False), json.dumps(_finite(json.loads(snapshot.json())), allow_nan=False)


def _plain_frame(frame: pd.DataFrame, numeric: Sequence[str], categorical: Sequence[str]) -> pd.DataFrame:
    """The compared columns in the two kinds that Evidently knows; text among numbers becomes missing."""
    parts: dict[str, Any] = {}
    for column in numeric:
        values = frame[column]
        if not pd.api.types.is_numeric_dtype(values):
            values = pd.to_numeric(values.astype(object), errors="coerce")
        parts[column] = values.to_numpy(dtype="float64", na_value=float("nan")).astype("float32")
    for column in categorical:
        parts[column] = frame[column].astype(object).to_numpy()
    return pd.DataFrame(parts)


def _add_labels(
    frames: Sequence[pd.DataFrame],
    reference: pd.DataFrame,
    current: pd.DataFrame,
    label_column: str,
    matured_column: str | None,
) -> list[str]:
    """Put the labels into the frames; the names of those columns that have any."""
    known = pd.to_numeric(current[label_column], errors="coerce").to_numpy("float64")
    matured = maturity(current, matured_column).to_numpy()
    added = []
    for name, part in ((_MATURED, matured), (_PROVISIONAL, ~matured)):
        values = pd.Series(known).where(pd.Series(part))
        if values.notna().any():
            frames[1][name] = values.to_numpy()
            added.append(name)
            if label_column in reference.columns:
                frames[0][name] = pd.to_numeric(reference[label_column], errors="coerce").to_numpy("float64")
    return added


def _performance_metrics(target: str, score: str, days: float | None) -> list[Any]:
    state = "matured labels" if target == _MATURED else "provisional labels, still coming in"
    found: list[Any] = [
        AveragePrecision(target=target, score=score, title=f"Average precision ({state})"),
        PrecisionAtK(target=target, score=score, k=100, title=f"Precision at 100 ({state})"),
    ]
    if days:
        budgets = list(BUDGETS)
        title = f"What an alert budget buys ({state})"
        found.append(AlertBudget(target=target, score=score, days=days, budgets=budgets, title=title))
    return found


def _only(definition: DataDefinition, frame: pd.DataFrame) -> DataDefinition:
    """The definition without columns that the frame does not have (a reference without labels)."""
    return DataDefinition(
        numerical_columns=[column for column in definition.numerical_columns or [] if column in frame.columns],
        categorical_columns=list(definition.categorical_columns or []),
        datetime_columns=[],
        text_columns=[],
        unknown_columns=[],
        list_columns=[],
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
