"""A version beside the champion: on the validation days, on later payments, and what the report says of it."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from fraud_model.against import compare_versions
from fraud_model.errors import DataError, InputError, PromotionRefused
from fraud_model.gates import Gates
from fraud_model.population import shifts
from fraud_model.registry import Registry
from fraud_model.thresholds import Costs, ThresholdRule
from fraud_model.tracking import client
from fraud_model.train import TrainResult, train

OPEN = Gates(recall=0, f1=0, average_precision=0, card_precision=0)


@pytest.fixture(scope="module")
def versions(payments: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, list[TrainResult]]:
    """Version 1 of the first weeks, the champion; version 2 of five days more, by another rule; the same again as 3."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('against') / 'm.db'}"
    registry = Registry(uri)
    rule = ThresholdRule("cost", alerts_per_day=20, costs=Costs.of(40, "500"))
    kwargs = {"tracking_uri": uri, "label_delay_days": 2, "seed": 1, "gates": OPEN}
    first = train(payments, "cards", until=datetime(2026, 6, 25, tzinfo=UTC), alert_budget_per_day=20, **kwargs)
    registry.promote("1", by="ada", reason="first")
    until = datetime(2026, 6, 30, tzinfo=UTC)
    return registry, [first, *(train(payments, "cards", until=until, rule=rule, **kwargs) for _ in range(2))]


def test_the_report_says_in_words_what_changed_and_by_how_much(versions) -> None:
    _, (first, second, _) = versions
    text = second.report_markdown
    assert "There is no champion to compare with." in first.report_markdown
    before, after = (second.metrics[f"champion_{name}"] for name in ("precision_at_budget", "recall_at_budget"))
    assert f" from {before:.3f} in version 1 to " in text and f" from {after:.3f} in version 1 to " in text
    for part in (
        "## What changed since version 1",
        "threshold by from budget to cost",
        "false positive cost from 50 to 40",
        "missed fraud cost from amount to 500",
        "Features: the same",
        "Training payments: ",
        "## Where version 2 is better and worse than version 1",
        "## Why precision changed between version 1 and version 2",
        "amount band 10 to 30 EUR",
        "## Drift of the training data",
        "population stability index",
        "chosen by least cost, 40 a false alert and 500 a missed fraud",
        "| least cost (chosen) |",
        "| recall of at least 0.8 |",
        "## Known limits",
    ):
        assert part in text, part
    assert "{" not in text and "nan" not in text


def test_metrics_have_stable_names_in_mlflow(versions) -> None:
    registry, (first, second, _) = versions
    runs = [client(registry.tracking_uri).get_run(made.run_id) for made in (first, second)]
    names = [set(run.data.metrics) for run in runs]
    added = {name for name in names[1] - names[0] if not name.startswith("by_")}
    assert added and all(name.startswith(("champion_", "gain_")) for name in added)
    for name in (
        "average_precision", "base_rate", "roc_auc", "calibration_error", "value_caught", "cost_saved",
        "precision_at_10_per_day", "recall_at_50_per_day", "card_precision_at_100", "threshold_budget",
        "threshold_cost", "threshold_wanted_recall", "recall_at_cost", "precision_at_wanted_recall",
        "by_amount/10_to_30/recall", "by_amount/10_to_30/average_precision",
    ):  # fmt: skip
        assert name in names[0] & names[1], name
    for name in ("average_precision", "roc_auc", "recall_at_budget", "value_caught_share", "card_precision_at_100"):
        assert {f"{name}_low", f"{name}_high"} <= names[0]
        low, value, high = (runs[0].data.metrics[each] for each in (f"{name}_low", name, f"{name}_high"))
        assert low <= value <= high
    tags = runs[0].data.tags
    assert tags["code_version"].count("+") == 1 and len(tags["dataset_digest"]) == 64
    assert not any("/" in name for name in registry.version("1").metrics)
    assert registry.version("1").slice_metrics["by_amount/10_to_30/payments"] > 0


def test_training_notes_the_comparison_that_promotion_goes_by(versions) -> None:
    registry, (_, second, _) = versions
    standing = registry.standing("2", OPEN)
    assert standing.champion == "1" and standing.compared.champion == "1"
    gain = standing.compared.figures["average_precision"]
    assert gain["challenger"] - gain["champion"] == pytest.approx(second.metrics["gain_over_champion"])
    assert standing.may_be_promoted == (second.metrics["gain_over_champion_low"] > 0)


def test_two_trainings_with_one_seed_are_level_and_the_second_is_refused(versions) -> None:
    registry, (_, second, third) = versions
    assert second.metrics == third.metrics
    registry.promote("2", by="ada", reason="five days more", despite="to test the one after", gates=OPEN)
    with pytest.raises(PromotionRefused, match=r"not compared with champion version 2 .*only with version 1"):
        registry.promote("3", by="ada", reason="newer")
    registry.rollback(by="ada", reason="back to the first")


def test_versions_are_compared_on_payments_later_than_both_trainings(versions, payments: pd.DataFrame) -> None:
    registry, _ = versions
    found, pairs = compare_versions(registry, "2", "1", payments, alerts_per_day=20)
    trained = [registry.version(version).tags["trained_until"] for version in ("1", "2")]
    assert found.since >= max(trained) and found.frauds > 0 and found.champion == "1"
    assert set(pairs) == {"average_precision", "precision_at_budget", "recall_at_budget"}
    assert registry.standing("2").compared == found
    with pytest.raises(DataError, match="no labelled fraud after 2026-06"):
        compare_versions(registry, "2", "1", payments.head(1_000), alerts_per_day=20)
    with pytest.raises(InputError, match="with itself"):
        compare_versions(registry, "2", "2", payments, alerts_per_day=20)


def test_a_champion_of_another_schema_is_named_as_not_comparable(versions, payments: pd.DataFrame) -> None:
    registry, _ = versions
    other = payments.rename(columns={"CUSTOMER_ID": "nameOrig", "TERMINAL_ID": "nameDest", "TX_AMOUNT": "amount"})
    seconds = (payments["TX_DATETIME"] - payments["TX_DATETIME"].min()).dt.total_seconds()
    other = other.assign(step=(seconds // 3_600 + 1).astype(int), type="PAYMENT", isFraud=payments["TX_FRAUD"])
    made = train(
        other.drop(columns=["TX_DATETIME", "TX_FRAUD", "TRANSACTION_ID"]), "paysim", tracking_uri=registry.tracking_uri,
        label_delay_days=2, alert_budget_per_day=20,
    )  # fmt: skip
    assert "cannot be compared with on these payments: it reads columns that are not there" in made.report_markdown
    assert "was not compared with champion" in "; ".join(registry.standing(made.version).problems)


def test_population_stability_index() -> None:
    rng = np.random.default_rng(1)
    before = pd.DataFrame({"a": rng.normal(size=4_000), "b": rng.normal(size=4_000), "c": rng.integers(0, 3, 4_000)})
    after = pd.DataFrame({"a": rng.normal(size=4_000), "b": rng.normal(2, 1, size=4_000), "c": np.full(4_000, 2)})
    after.loc[:1_999, "a"] = np.nan
    found = {shift.feature: shift for shift in shifts(before, after, ["c"])}
    same = shifts(before, before.sample(frac=1, random_state=1))
    assert max(shift.psi for shift in same) < 0.01 and {shift.verdict for shift in same} == {"stable"}
    assert found["b"].psi > 1 and found["b"].verdict == "moved" and found["b"].after == pytest.approx(2, abs=0.1)
    assert found["a"].psi > 0.25  # half of it is missing
    assert found["c"].psi > 1 and found["c"].after == 2
