"""All that is measured of a model on the validation days: calibrated, a threshold chosen, figures with intervals.

Metric names are the same in every run, so that MLflow's comparison lines runs up: a figure has its plain name, its 95%
interval `_low` and `_high`; what a threshold finds ends in `_at_` and the threshold's rule; what belongs to a part of
the payments starts with `by_`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fraud_model import metrics as figures_of
from fraud_model.calibration import Calibrator, fit_calibrator
from fraud_model.intervals import interval_over_days, intervals
from fraud_model.metrics import Array
from fraud_model.preparation import Prepared
from fraud_model.schema import DAY_SECONDS
from fraud_model.slices import SliceRow, slice_rows, slices_of
from fraud_model.thresholds import (
    ThresholdRow,
    ThresholdRule,
    budget_rows,
    chosen_row,
    threshold_metrics,
    threshold_table,
)

_BUDGETS = (10, 25, 50, 100, 200, 500)
_PER_DAY = (10, 50, 100)
_CARDS = 100


@dataclass(frozen=True)
class Evaluation:
    """The validation rows with labels known, and all that was found on them.

    Attributes:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        probabilities: Calibrated, shape (rows,).
        calibrator: From raw score to probability.
        rule: How the threshold was chosen.
        threshold: Least probability of an alert.
        metrics: Figures of all rows, by their stable names; those that are not defined are left out.
        thresholds: What each rule would choose.
        budgets: What other alert budgets would find.
        slices: Figures by category and by amount band.
    """

    labels: Array
    probabilities: Array
    calibrator: Calibrator
    rule: ThresholdRule
    threshold: float
    metrics: dict[str, float]
    thresholds: tuple[ThresholdRow, ...]
    budgets: tuple[ThresholdRow, ...]
    slices: tuple[SliceRow, ...]

    @property
    def slice_metrics(self) -> dict[str, float]:
        """Figures of the parts, by their stable names."""
        return {name: value for row in self.slices for name, value in row.metrics().items()}


def evaluate(raw: Array, prepared: Prepared, rule: ThresholdRule) -> Evaluation:
    """Measure a model.

    Args:
        raw: Its raw scores of the validation rows, shape (rows,).
        prepared: For the validation rows.
        rule: How the threshold is chosen.
    """
    held, days = prepared.split.validation, prepared.split.validation_days
    labels, when, amounts, payers = prepared.labels[held], prepared.times[held], prepared.amounts, prepared.payers
    calibrator = fit_calibrator(raw, labels)
    probabilities = calibrator.probabilities(raw)
    thresholds = threshold_table(labels, probabilities, amounts, days, rule)
    chosen = chosen_row(thresholds, rule)
    measured = {
        "average_precision": figures_of.average_precision(labels, probabilities),
        "base_rate": float(labels.mean()),
        "roc_auc": figures_of.roc_auc(labels, probabilities),
        "calibration_error": _cross_fitted_error(raw, labels, when),
        "train_rows": float(prepared.split.train.sum()),
        "train_frauds": float(prepared.labels[prepared.split.train].sum()),
        "validation_rows": float(held.sum()),
        "validation_frauds": float(labels.sum()),
        **threshold_metrics(thresholds, rule.by),
    }
    at = {"threshold": chosen.threshold, "budget": thresholds[0].threshold}
    ends = intervals(labels, probabilities, at, amounts)
    ends["value_caught_share"] = ends.pop("value_caught_share_at_threshold")
    daily = daily_figures(labels, probabilities, when, payers, max(1, round(rule.alerts_per_day)))
    for name, values in daily.items():
        measured[name] = float(values.mean()) if values.size else float("nan")
        ends[name] = interval_over_days(values)
    for name, (low, high) in ends.items():
        measured |= {f"{name}_low": low, f"{name}_high": high}
    budgets = [b for b in sorted({*_BUDGETS, rule.alerts_per_day}) if round(b * days) < labels.size] or [1 / days]
    return Evaluation(
        labels=labels,
        probabilities=probabilities,
        calibrator=calibrator,
        rule=rule,
        threshold=chosen.threshold,
        metrics=defined(measured),
        thresholds=thresholds,
        budgets=budget_rows(labels, probabilities, amounts, days, budgets, rule.costs),
        slices=tuple(
            slice_rows(
                slices_of(prepared.transactions[held], amounts, prepared.schema),
                labels,
                probabilities,
                chosen.threshold,
            )
        ),
    )


def daily_figures(labels: Array, scores: Array, times: Array, payers: Array, budget: int) -> dict[str, Array]:
    """Figures of each day by their metric names, shape (days,) each.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        scores: Shape (rows,).
        times: Seconds since 1970, UTC, shape (rows,).
        payers: Payer codes, integers from 0, shape (rows,).
        budget: Alerts that the team works a day.
    """
    found = {
        f"card_precision_at_{_CARDS}": figures_of.card_precision_per_day(labels, scores, times, payers, _CARDS),
    }
    for k in _PER_DAY:
        precision, recall = figures_of.at_k_per_day(labels, scores, times, k)
        found |= {f"precision_at_{k}_per_day": precision, f"recall_at_{k}_per_day": recall}
    precision, recall = figures_of.at_k_per_day(labels, scores, times, budget)
    return found | {"precision_per_day_at_budget": precision, "recall_per_day_at_budget": recall}


def defined(measured: Mapping[str, float]) -> dict[str, float]:
    """Without the figures that are not defined on these rows."""
    return {name: float(value) for name, value in measured.items() if np.isfinite(value)}


def _cross_fitted_error(raw: Array, labels: Array, times: Array) -> float:
    """Calibration error of a calibrator that did not see the rows it is judged on: alternate days, or rows."""
    days = times // DAY_SECONDS
    odd = days % 2 == 1 if np.unique(days).size > 1 else np.arange(labels.size) % 2 == 1
    if min(labels[odd].sum(), labels[~odd].sum()) < 1:
        return float("nan")
    probabilities = np.empty(labels.size)
    for part in (odd, ~odd):
        probabilities[part] = fit_calibrator(raw[~part], labels[~part]).probabilities(raw[part])
    return figures_of.calibration_error(labels, probabilities)
