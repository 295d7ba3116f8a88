"""Metrics for Evidently reports that it does not have: PSI on fixed bins, and the figures of a ranking of frauds.

    Report([FixedBinPsi(column="amount"), AveragePrecision(target="fraud", score="fraud_probability")])

They work in any report; `eval/drift.py` builds its own with them. Rows whose target is missing (not yet known) are
left out of every figure. Where a figure cannot be computed (no rows, no fraud among them) it is NaN, not an error.
"""

from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from evidently.core.datasets import Dataset
from evidently.core.metric_types import (
    ColumnMetric,
    DataframeCalculation,
    DataframeMetric,
    DataframeValue,
    SingleValue,
    SingleValueCalculation,
    SingleValueMetric,
)
from evidently.core.report import Context
from evidently.legacy.model.widget import BaseWidgetInfo
from evidently.legacy.renderers.html_widgets import WidgetSize, plotly_figure, table_data

from eval.psi import Comparison, compare, verdict_of
from eval.ranking import alert_budget_table, average_precision, known_rows, precision_at

_COLOURS = {"reference": "#8a8f98", "current": "#c8102e"}


class FixedBinPsi(ColumnMetric, SingleValueMetric):
    """Population stability index of a column, on bins fixed by the reference; see `eval/psi.py`."""


class FixedBinPsiCalculation(SingleValueCalculation[FixedBinPsi]):
    """Computes `FixedBinPsi`; needs a reference."""

    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        """The index, with the shares of each bin as a chart."""
        if reference_data is None:
            raise ValueError("the population stability index needs a reference")
        column = self.metric.column
        found = compare(reference_data.column(column).data, current_data.column(column).data)
        result = self.result(found.psi)
        result.widget = [_shares_chart(column, found)]
        return result

    def display_name(self) -> str:
        """Title in the report."""
        return f"Population stability index of {escape(self.metric.column)}"


class PsiOverview(DataframeMetric):
    """One row a column: its index, what that alone calls for, its missing values."""

    columns: list[str]
    """Columns, each compared by `FixedBinPsi`."""


class PsiOverviewCalculation(DataframeCalculation[PsiOverview]):
    """Computes `PsiOverview`, worst column first."""

    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> DataframeValue:
        """The table; the indices come from the report's own `FixedBinPsi` metrics."""
        if reference_data is None:
            raise ValueError("the population stability index needs a reference")
        rows = []
        for column in self.metric.columns:
            value = context.calculate_metric(FixedBinPsi(column=column).to_calculation()).value
            missing = [data.column(column).data.isna().mean() for data in (reference_data, current_data)]
            rows.append((escape(column), round(float(value), 4), verdict_of(value), *(f"{m:.2%}" for m in missing)))
        names = ["column", "psi", "by the index alone", "missing in reference", "missing in current"]
        table = pd.DataFrame(rows, columns=names).sort_values("psi", ascending=False, ignore_index=True)
        result = self.result(table)
        result.widget = [
            table_data(title=self.display_name(), column_names=names, data=table.itertuples(index=False, name=None))
        ]
        return result

    def display_name(self) -> str:
        """Title in the report."""
        return "Population stability index, worst column first (watch from 0.1, act above 0.25)"


class AveragePrecision(SingleValueMetric):
    """Average precision of a score against labels, in [0, 1]: the area under precision over recall, by steps."""

    target: str
    """Column with 1 for fraud, 0 for legitimate, missing for not yet known."""
    score: str
    """Column with the fraud probability."""
    title: str = "Average precision"
    """Title in the report; says which labels it rests on."""


class AveragePrecisionCalculation(SingleValueCalculation[AveragePrecision]):
    """Computes `AveragePrecision`."""

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> SingleValue | tuple[SingleValue, SingleValue]:
        """The figure of the current data, and of the reference where it has labels."""
        found = [average_precision(*part) for part in _labelled(self.metric, current_data, reference_data)]
        return _with_reference([self.result(value) for value in found])

    def display_name(self) -> str:
        """Title in the report."""
        return self.metric.title


class PrecisionAtK(SingleValueMetric):
    """Share of fraud among the k rows with the highest scores, in [0, 1]."""

    target: str
    """Column with 1 for fraud, 0 for legitimate, missing for not yet known."""
    score: str
    """Column with the fraud probability."""
    k: int
    """Rows looked at; all rows where there are fewer."""
    title: str = ""
    """Title in the report."""


class PrecisionAtKCalculation(SingleValueCalculation[PrecisionAtK]):
    """Computes `PrecisionAtK`."""

    def calculate(
        self, context: Context, current_data: Dataset, reference_data: Dataset | None
    ) -> SingleValue | tuple[SingleValue, SingleValue]:
        """The figure of the current data, and of the reference where it has labels."""
        parts = _labelled(self.metric, current_data, reference_data)
        return _with_reference([self.result(precision_at(*part, self.metric.k)) for part in parts])

    def display_name(self) -> str:
        """Title in the report."""
        return self.metric.title or f"Precision at {self.metric.k}"


class AlertBudget(DataframeMetric):
    """What a team that can work so many alerts a day gets from a score: threshold, precision, recall."""

    target: str
    """Column with 1 for fraud, 0 for legitimate, missing for not yet known."""
    score: str
    """Column with the fraud probability."""
    days: float
    """Length of the window in days."""
    budgets: list[int]
    """Alerts a day, a row of the table each."""
    title: str = "Alert budget"
    """Title in the report."""


class AlertBudgetCalculation(DataframeCalculation[AlertBudget]):
    """Computes `AlertBudget`."""

    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> DataframeValue:
        """The table for the current data."""
        labels, scores = _labelled(self.metric, current_data, None)[0]
        table = alert_budget_table(labels, scores, self.metric.days, self.metric.budgets)
        result = self.result(table)
        rows = [[_rounded(value) for value in row] for row in table.itertuples(index=False, name=None)]
        result.widget = [table_data(title=self.display_name(), column_names=list(table.columns), data=rows)]
        return result

    def display_name(self) -> str:
        """Title in the report."""
        return self.metric.title


def _labelled(
    metric: "AveragePrecision | PrecisionAtK | AlertBudget", current: Dataset, reference: Dataset | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(labels, scores) of the rows with a label: of the current data, and of the reference where it has labels."""
    parts = []
    for data in (current, reference):
        frame = None if data is None else data.as_dataframe()
        if frame is not None and {metric.target, metric.score} <= set(frame.columns):
            parts.append(known_rows(frame[metric.target], frame[metric.score]))
    return parts


def _with_reference(results: list[SingleValue]) -> SingleValue | tuple[SingleValue, SingleValue]:
    return (results[0], results[1]) if len(results) == 2 else results[0]


def _shares_chart(column: str, found: Comparison) -> BaseWidgetInfo:
    # Names come from the data: escaped, since the page puts them into its markup.
    labels = [escape(label)[:40] for label in found.bins.labels]
    bars = [
        go.Bar(name=which, x=labels, y=found.shares(which).round(5).tolist(), marker_color=_COLOURS[which])
        for which in ("reference", "current")
    ]
    figure = go.Figure(bars)
    figure.update_layout(barmode="group", yaxis_tickformat=".1%", yaxis_title="share of rows", xaxis_type="category")
    title = f"{escape(column)}: PSI {found.psi:.3f}, {verdict_of(found.psi)} (by chance up to {found.noise:.3f})"
    return plotly_figure(title=title, figure=figure, size=WidgetSize.HALF)


def _rounded(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "n/a"
