"""The least probability of an alert, by three rules: alerts that can be worked, cost, and fraud to be found.

Costs are in the schema's currency. A false alert costs its work; a missed fraud costs its amount, or a flat sum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fraud_model.errors import InputError
from fraud_model.metrics import Array, best_f1_threshold, threshold_for_alerts

RULES = ("budget", "cost", "recall")
FALSE_POSITIVE_COST = 50.0
_AMOUNT = "amount"


@dataclass(frozen=True)
class Costs:
    """What mistakes cost.

    Attributes:
        false_positive: Working one alert that turns out legitimate.
        missed_fraud: One fraud that no alert was raised for; None for its amount.
    """

    false_positive: float = FALSE_POSITIVE_COST
    missed_fraud: float | None = None

    def __post_init__(self) -> None:
        if not self.false_positive > 0:
            raise InputError(f"the cost of a false alert must be above 0, not {self.false_positive:g}")
        if self.missed_fraud is not None and not self.missed_fraud > 0:
            raise InputError(f"the cost of a missed fraud must be `amount` or above 0, not {self.missed_fraud:g}")

    @classmethod
    def of(cls, false_positive: float, missed_fraud: str | float) -> "Costs":
        """Costs as settings give them: `missed_fraud` is `amount` or a sum, such as 500.

        Raises:
            InputError: a cost is neither.
        """
        if missed_fraud == _AMOUNT:
            return cls(false_positive)
        try:
            return cls(false_positive, float(missed_fraud))
        except ValueError as error:
            raise InputError(f"the cost of a missed fraud is `amount` or a number, not {missed_fraud!r}") from error

    @property
    def missed_fraud_text(self) -> str:
        """`amount`, or the flat sum as text."""
        return _AMOUNT if self.missed_fraud is None else f"{self.missed_fraud:g}"

    def of_missed(self, amounts: Array) -> Array:
        """What each payment would cost if it were fraud and missed, shape (rows,); unknown amounts cost nothing."""
        if self.missed_fraud is None:
            return np.nan_to_num(amounts.astype(np.float64))
        return np.full(amounts.shape, self.missed_fraud)


@dataclass(frozen=True)
class ThresholdRule:
    """How the threshold of a model is chosen.

    Attributes:
        by: `budget`, `cost` or `recall`.
        alerts_per_day: Alerts that the team works a day.
        wanted_recall: Share of the fraud that must be among the alerts, in (0, 1].
        costs: What mistakes cost.
    """

    by: str = "budget"
    alerts_per_day: float = 100
    wanted_recall: float = 0.8
    costs: Costs = field(default_factory=Costs)

    def __post_init__(self) -> None:
        if self.by not in RULES:
            raise InputError(f"a threshold is chosen by {', '.join(RULES)}, not by {self.by!r}")
        if not self.alerts_per_day > 0:
            raise InputError(f"the alert budget must be above 0 alerts a day, not {self.alerts_per_day:g}")
        if not 0 < self.wanted_recall <= 1:
            raise InputError(f"the wanted recall must be above 0 and at most 1, not {self.wanted_recall:g}")

    def to_text(self) -> str:
        """The rule in words."""
        return {
            "budget": f"{self.alerts_per_day:g} alerts a day",
            "cost": f"least cost, {self.costs.false_positive:g} a false alert and "
            f"{'its amount' if self.costs.missed_fraud is None else self.costs.missed_fraud_text} a missed fraud",
            "recall": f"{self.wanted_recall:.0%} of the fraud found",
        }[self.by]


@dataclass(frozen=True)
class ThresholdRow:
    """What one rule's threshold finds on the rows it was chosen on.

    Attributes:
        rule: budget, cost or recall.
        threshold: Least probability of an alert, in [0, 1].
        precision: Share of the alerts that are fraud.
        recall: Share of the fraud that is among the alerts.
        f1: Harmonic mean of those two.
        alerts_per_day: Alerts a day.
        value_caught: Amount of the fraud among the alerts, in currency units.
        value_caught_share: That amount as a share of all fraud's.
        cost: Of false alerts and missed fraud, in currency units.
        cost_saved: What working no alert would cost, less `cost`.
    """

    rule: str
    threshold: float
    precision: float
    recall: float
    f1: float
    alerts_per_day: float
    value_caught: float
    value_caught_share: float
    cost: float
    cost_saved: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def threshold_table(
    labels: Array, probabilities: Array, amounts: Array, days: float, rule: ThresholdRule
) -> tuple[ThresholdRow, ...]:
    """What each of the three rules would choose, in the order of `RULES`.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,); some of each.
        probabilities: Fraud probabilities, shape (rows,).
        amounts: In currency units, shape (rows,).
        days: Days that the rows span.
        rule: For the budget, the wanted recall and the costs.
    """
    chosen = {
        "budget": by_budget(labels, probabilities, round(rule.alerts_per_day * days)),
        "cost": by_cost(labels, probabilities, rule.costs.of_missed(amounts), rule.costs.false_positive),
        "recall": by_recall(labels, probabilities, rule.wanted_recall),
    }
    return tuple(
        threshold_row(name, labels, probabilities, amounts, days, threshold, rule.costs)
        for name, threshold in chosen.items()
    )


def budget_rows(
    labels: Array, probabilities: Array, amounts: Array, days: float, budgets: Sequence[float], costs: Costs
) -> tuple[ThresholdRow, ...]:
    """What each of several numbers of alerts a day finds; arguments as for `threshold_table`."""
    return tuple(
        threshold_row(
            "budget",
            labels,
            probabilities,
            amounts,
            days,
            threshold_for_alerts(probabilities, round(budget * days)),
            costs,
        )
        for budget in budgets
    )


def by_budget(labels: Array, probabilities: Array, alerts: int) -> float:
    """The highest threshold that gives `alerts` alerts; the one with the best F1 where that would be every payment."""
    if alerts >= labels.size:
        return best_f1_threshold(labels, probabilities)
    return threshold_for_alerts(probabilities, alerts)


def by_cost(labels: Array, probabilities: Array, missed: Array, false_positive: float) -> float:
    """The threshold of least cost on these rows; just above the highest probability where no alert is worth it.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        probabilities: Shape (rows,).
        missed: What each payment costs if it is a missed fraud, shape (rows,).
        false_positive: What a false alert costs.
    """
    order = np.argsort(-probabilities, kind="stable")
    fraud = labels[order] == 1
    # The cost saved by alerting on the first rows, at the last row of each probability.
    saved = np.cumsum(np.where(fraud, missed[order], -false_positive))
    ends = np.append(np.flatnonzero(np.diff(probabilities[order])), labels.size - 1)
    best = int(np.argmax(saved[ends]))
    if saved[ends[best]] <= 0:
        return float(np.nextafter(probabilities.max(), np.inf))
    return float(probabilities[order][ends[best]])


def by_recall(labels: Array, probabilities: Array, wanted: float) -> float:
    """The highest threshold at which at least the share `wanted` of the fraud is among the alerts."""
    of_fraud = np.sort(probabilities[labels == 1])[::-1]
    if not of_fraud.size:
        return float("nan")
    return float(of_fraud[max(1, int(np.ceil(wanted * of_fraud.size - 1e-9))) - 1])


def threshold_row(
    name: str, labels: Array, probabilities: Array, amounts: Array, days: float, threshold: float, costs: Costs
) -> ThresholdRow:
    """What one threshold finds; see `ThresholdRow`."""
    alert, fraud = probabilities >= threshold, labels == 1
    caught = alert & fraud
    missed = costs.of_missed(amounts)
    alerts, frauds, found = int(alert.sum()), int(fraud.sum()), int(caught.sum())
    precision, recall = found / max(alerts, 1), found / max(frauds, 1)
    value = float(np.nansum(amounts[caught]))
    false_alerts = costs.false_positive * (alerts - found)
    return ThresholdRow(
        rule=name,
        threshold=threshold,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(precision + recall, 1e-12),
        alerts_per_day=alerts / days,
        value_caught=value,
        value_caught_share=value / max(float(np.nansum(amounts[fraud])), 1e-12),
        cost=false_alerts + float(missed[fraud & ~alert].sum()),
        cost_saved=float(missed[caught].sum()) - false_alerts,
    )


def threshold_metrics(rows: tuple[ThresholdRow, ...], chosen: str) -> dict[str, float]:
    """The table as metrics under stable names: `recall_at_cost`, ..., and the chosen rule's without a suffix.

    Args:
        rows: From `threshold_table`.
        chosen: The rule that sets the model's threshold.
    """
    found: dict[str, float] = {}
    for row in rows:
        suffix = "wanted_recall" if row.rule == "recall" else row.rule
        found |= {f"threshold_{suffix}": row.threshold, f"alerts_per_day_at_{suffix}": row.alerts_per_day}
        found |= {f"{name}_at_{suffix}": getattr(row, name) for name in _FIGURES}
        if row.rule == chosen:
            found |= {"threshold": row.threshold, "alerts_per_day": row.alerts_per_day}
            found |= {f"{name}_at_threshold": getattr(row, name) for name in ("precision", "recall", "f1")}
            found |= {name: getattr(row, name) for name in _FIGURES[3:]}
    return found


_FIGURES = ("precision", "recall", "f1", "value_caught", "value_caught_share", "cost", "cost_saved")


def chosen_row(rows: tuple[ThresholdRow, ...], rule: ThresholdRule) -> ThresholdRow:
    """The row of the rule that sets the model's threshold."""
    return next(row for row in rows if row.rule == rule.by)


def rule_params(rule: ThresholdRule) -> Mapping[str, Any]:
    """The rule as parameters of a run."""
    return {
        "threshold_by": rule.by,
        "alert_budget_per_day": rule.alerts_per_day,
        "wanted_recall": rule.wanted_recall,
        "false_positive_cost": rule.costs.false_positive,
        "missed_fraud_cost": rule.costs.missed_fraud_text,
    }
