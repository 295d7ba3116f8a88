"""Thresholds by alert budget, by cost and by wanted recall, and what they find."""

import numpy as np
import pytest

from fraud_model.errors import InputError
from fraud_model.thresholds import (
    Costs,
    ThresholdRule,
    by_budget,
    by_cost,
    by_recall,
    threshold_metrics,
    threshold_row,
    threshold_table,
)

LABELS = np.array([1, 0, 1, 0, 0, 1, 0, 0.0])
PROBABILITIES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
AMOUNTS = np.array([100, 5, 300, 5, 5, 60, 5, 5.0])


def test_a_row_counts_alerts_and_money() -> None:
    row = threshold_row("budget", LABELS, PROBABILITIES, AMOUNTS, days=2, threshold=0.8, costs=Costs())
    assert (row.precision, row.recall, row.f1, row.alerts_per_day) == (0.5, pytest.approx(1 / 3), pytest.approx(0.4), 1)
    assert (row.value_caught, row.value_caught_share) == (100, pytest.approx(100 / 460))
    assert (row.cost, row.cost_saved) == (50 + 360, 100 - 50)
    flat = threshold_row("budget", LABELS, PROBABILITIES, AMOUNTS, days=2, threshold=0.8, costs=Costs(10, 500))
    assert (flat.cost, flat.cost_saved) == (10 + 1_000, 500 - 10)


@pytest.mark.parametrize(
    ("costs", "threshold"),
    [
        (Costs(50), 0.7),  # the fraud of 60 is not worth two more false alerts
        (Costs(10), 0.4),
        (Costs(50, 500), 0.4),
        (Costs(50, 60), 0.7),
        (Costs(1_000, 60), 0.9),
    ],
)
def test_the_threshold_of_least_cost(costs: Costs, threshold: float) -> None:
    chosen = by_cost(LABELS, PROBABILITIES, costs.of_missed(AMOUNTS), costs.false_positive)
    assert chosen == threshold
    cost = {
        float(at): threshold_row("cost", LABELS, PROBABILITIES, AMOUNTS, 1, float(at), costs).cost
        for at in PROBABILITIES
    }
    assert cost[chosen] == min(cost.values())


def test_no_alert_where_none_is_worth_its_cost() -> None:
    labels = np.array([0, 1.0])
    chosen = by_cost(labels, np.array([0.9, 0.8]), np.array([1.0, 1.0]), 50)
    assert chosen > 0.9


@pytest.mark.parametrize(("wanted", "threshold"), [(0.01, 0.9), (1 / 3, 0.9), (0.34, 0.7), (0.8, 0.4), (1.0, 0.4)])
def test_the_highest_threshold_that_finds_the_wanted_share(wanted: float, threshold: float) -> None:
    assert by_recall(LABELS, PROBABILITIES, wanted) == threshold


def test_a_budget_for_every_payment_gives_the_best_f1() -> None:
    assert by_budget(LABELS, PROBABILITIES, 3) == 0.7
    assert by_budget(LABELS, PROBABILITIES, 99) == 0.7  # F1 2/3


def test_the_table_has_all_three_and_stable_names() -> None:
    rule = ThresholdRule("recall", alerts_per_day=1, wanted_recall=1.0)
    rows = threshold_table(LABELS, PROBABILITIES, AMOUNTS, 1, rule)
    assert [(row.rule, row.threshold) for row in rows] == [("budget", 0.9), ("cost", 0.7), ("recall", 0.4)]
    named = threshold_metrics(rows, rule.by)
    assert named["threshold"] == named["threshold_wanted_recall"] == 0.4
    assert named["recall_at_threshold"] == named["recall_at_wanted_recall"] == 1.0
    assert named["precision_at_budget"] == 1.0 and named["cost_saved_at_cost"] == 350
    assert named["cost_saved"] == named["cost_saved_at_wanted_recall"] == 460 - 150


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"by": "luck"}, "budget, cost, recall"),
        ({"alerts_per_day": 0}, "alert budget"),
        ({"wanted_recall": 1.5}, "wanted recall"),
    ],
)
def test_rules_out_of_range(given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ThresholdRule(**given)


@pytest.mark.parametrize(("text", "cost"), [("amount", None), ("500", 500.0), (250, 250.0)])
def test_costs_as_settings_give_them(text: object, cost: float | None) -> None:
    assert Costs.of(50, text).missed_fraud == cost


@pytest.mark.parametrize(("false_positive", "missed"), [(0, "amount"), (50, "much"), (50, "-3"), (float("nan"), 5)])
def test_costs_that_are_none(false_positive: float, missed: str) -> None:
    with pytest.raises(InputError, match="cost of a"):
        Costs.of(false_positive, missed)
