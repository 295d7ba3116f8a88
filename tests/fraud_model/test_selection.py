"""Candidates compared and settings searched on folds inside the training period, logged, and the winner registered."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from fraud_model.comparison import compare_candidates
from fraud_model.errors import DataError, InputError
from fraud_model.folds import inner_folds
from fraud_model.learners import KINDS, Recipe, balancing_weights, undersampled
from fraud_model.preparation import Prepared, prepare
from fraud_model.registry import Registry
from fraud_model.scorer import Scorer
from fraud_model.search import search
from fraud_model.selection import SelectionPlan
from fraud_model.splits import time_split
from fraud_model.thresholds import ThresholdRule
from fraud_model.tracking import client
from fraud_model.train import train

DAY = 86_400
RULE = ThresholdRule(alerts_per_day=20)
SMALL = {"random_forest": {"n_estimators": 20}, "hist_gradient_boosting": {"max_iter": 20}}


@pytest.fixture(scope="module")
def prepared(payments: pd.DataFrame) -> Prepared:
    return prepare(payments, "cards", label_delay_days=2)


def small(kind: str, imbalance: str = "none") -> Recipe:
    return Recipe(kind, imbalance, SMALL.get(kind, {}))


def test_folds_wait_one_delay_and_end_where_training_does() -> None:
    times = np.arange(0, 80 * DAY, 1_800)
    labels = (np.arange(times.size) % 7 == 0).astype(float)
    split = time_split(times, labels, 7 * DAY)
    folds = inner_folds(times, labels, split, 7 * DAY)
    assert [fold.days for fold in folds] == [7, 7, 7]
    assert folds[-1].test_end == split.train_end
    for fold in folds:
        assert times[fold.train].max() < fold.test_start - 7 * DAY
        assert fold.test_start <= times[fold.test].min() and times[fold.test].max() < split.validation_start
    assert [fold.test_start for fold in folds[1:]] == [fold.test_end for fold in folds[:-1]]


def test_a_training_period_without_room_for_a_fold() -> None:
    times = np.arange(0, 22 * DAY, 3_600)
    labels = (np.arange(times.size) % 7 == 0).astype(float)
    with pytest.raises(DataError, match="has no room for a fold with a label delay of 7 days"):
        inner_folds(times, labels, time_split(times, labels, 7 * DAY), 7 * DAY)


def test_imbalance() -> None:
    labels = (np.arange(1_000) % 100 == 0).astype(float)
    weights = balancing_weights(labels)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())
    kept = undersampled(labels, seed=3)
    assert labels[kept].sum() == 10 and kept.size == 110 and (np.diff(kept) > 0).all()
    assert np.array_equal(kept, undersampled(labels, seed=3))


@pytest.mark.parametrize("given", [{"kind": "oracle"}, {"imbalance": "smote"}])
def test_unknown_recipes(given: dict) -> None:
    with pytest.raises(InputError, match="is one of"):
        Recipe(**given)


def test_every_kind_finds_fraud_and_one_seed_gives_one_result(prepared: Prepared) -> None:
    folds = inner_folds(prepared.times, prepared.labels, prepared.split, 2 * DAY, folds=1)
    recipes = [small(kind) for kind in KINDS] + [small("logistic_regression", "weights")]
    results = compare_candidates(prepared, folds, recipes, RULE, seed=1)
    assert [r.metrics["average_precision"] for r in results] == sorted(
        (r.metrics["average_precision"] for r in results), reverse=True
    )
    for result in results:
        assert result.metrics["average_precision"] > 2 * result.metrics["base_rate"]
        assert {"roc_auc", "card_precision_at_100", "precision_at_budget"} <= set(result.metrics)
    again = compare_candidates(prepared, folds, recipes[:3], RULE, seed=1)
    figures = {result.recipe.kind: result.folds for result in results if result.recipe.imbalance == "none"}
    assert all(figures[result.recipe.kind] == result.folds for result in again)


def test_compared_candidates_are_child_runs_and_the_winner_is_registered(
    payments: pd.DataFrame, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/m.db"
    plan = SelectionPlan(
        candidates=(small("logistic_regression"), small("random_forest", "undersample"), Recipe()), folds=2
    )
    made = train(
        payments, "cards", tracking_uri=uri, alert_budget_per_day=20, label_delay_days=2, seed=1, selection=plan
    )
    store = client(uri)
    training = store.get_run(made.run_id)
    parent = store.get_run(training.data.tags["selection_run_id"])
    runs = store.search_runs([parent.info.experiment_id])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert {run.info.run_name for run in children} == {
        "logistic regression", "random forest, undersample, own settings", "lightgbm"
    }  # fmt: skip
    best = max(children, key=lambda run: run.data.metrics["average_precision"])
    assert best.data.params["candidate"] == made.recipe.kind == training.data.params["candidate"]
    shared = {"average_precision", "roc_auc", "card_precision_at_100", "precision_at_budget", "recall_at_budget"}
    for run in (*children, parent, training):
        assert shared <= set(run.data.metrics) and run.info.status == "FINISHED"
    assert "3 candidates were compared on 2 folds" in made.report_markdown


@pytest.mark.parametrize("kind", ["logistic_regression", "random_forest", "hist_gradient_boosting"])
def test_a_scikit_learn_model_is_stored_without_pickle_and_serves(
    payments: pd.DataFrame, tmp_path: Path, kind: str
) -> None:
    import mlflow.pyfunc

    uri = f"sqlite:///{tmp_path}/m.db"
    made = train(payments, "cards", tracking_uri=uri, alert_budget_per_day=20, seed=1, recipe=small(kind))
    registry = Registry(uri)
    registry.promote(made.version, by="ada", reason="first")
    info, stored = registry.open("champion")
    assert info.tags["kind"] == kind and stored.booster is None
    files = {path.name for path in (stored.folder).rglob("*") if path.is_file()}
    assert "estimator.skops" in files and not any(name.endswith((".pkl", ".pickle", ".joblib")) for name in files)

    scorer = Scorer.load("champion", tracking_uri=uri)
    features = scorer.features(payments.head(300))
    matrix = features.to_numpy(np.float32)
    assert stored.raw_scores(matrix[:0]).shape == (0,)
    expected = stored.description.calibrator.probabilities(stored.raw_scores(matrix))
    source = client(uri).get_model_version("fraud-classifier", made.version).source
    served = mlflow.pyfunc.load_model(source).predict(features)
    np.testing.assert_allclose(served["fraud_probability"], expected, rtol=1e-5)

    scores = scorer.score(payments.tail(1_500), history=payments.head(4_500), reasons=2)
    assert scores["alert"].any() and scores["reason_1"].notna().sum() >= scores["alert"].sum() / 2
    (reasons,) = scorer.explain(payments.tail(1), history=payments.head(5_999), top=3)
    assert len(reasons) == 3 and abs(reasons[0].effect) >= abs(reasons[1].effect)

    # A feature at its usual value does nothing to the score.
    usual = np.tile(stored.learner.usual, (1, 1)).astype(np.float32)
    assert np.abs(stored.contributions(usual)).max() < 1e-9
    assert np.abs(stored.contributions(matrix[:5])).max() > 0


class _Foreign(TransformerMixin, BaseEstimator):
    """A step that no model of this program has."""

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        return matrix


def test_a_stored_estimator_with_foreign_types_is_refused(tmp_path: Path) -> None:
    import skops.io
    from sklearn.pipeline import Pipeline

    from fraud_model.errors import ModelError
    from fraud_model.learners import read_estimator

    skops.io.dump(Pipeline([("own", _Foreign())]), tmp_path / "estimator.skops")
    with pytest.raises(ModelError, match="types that no model of this program has"):
        read_estimator(tmp_path / "estimator.skops", "random_forest", np.zeros(1))


def test_the_trusted_types_of_service_and_program_are_the_same() -> None:
    text = Path("fraud_model/serving_estimator.py")
    text = (Path(__file__).parents[2] / text).read_text(encoding="utf-8")
    from fraud_model.learners import TRUSTED_TYPES

    assert all(f'"{name}"' in text for name in TRUSTED_TYPES)


def test_search_keeps_to_its_time_and_is_not_done_twice(prepared: Prepared, tmp_path: Path) -> None:
    folds = inner_folds(prepared.times, prepared.labels, prepared.split, 2 * DAY, folds=2)
    storage, told = tmp_path / "search.db", []
    first = search(prepared, folds, 4, storage, "digest", seed=1, done=told.append)
    # The first trial is always finished; after it a trial is cut in the middle of its trees.
    assert first.seconds < max(4, told[0].seconds) + 2
    assert first.trials >= 1 and first.resumed == 0 and len(told) >= first.trials
    assert first.best >= first.default > 0
    again = search(prepared, folds, 4, storage, "digest", seed=1)
    # The limit is for both starts together: the second has only what the first left.
    assert again.resumed == first.trials and again.seconds < max(4, told[0].seconds) + 2
    assert again.best >= first.best
    other = search(prepared, folds, 0.1, storage, "other data", seed=1)
    assert other.resumed == 0 and other.trials >= 1


def test_a_killed_search_goes_on(prepared: Prepared, payments: pd.DataFrame, tmp_path: Path) -> None:
    storage = tmp_path / "search.db"
    payments.to_parquet(tmp_path / "payments.parquet")
    program = f"""
import pandas as pd
from pathlib import Path
from fraud_model.folds import inner_folds
from fraud_model.preparation import prepare
from fraud_model.search import search
prepared = prepare(pd.read_parquet({str(tmp_path / "payments.parquet")!r}), "cards", label_delay_days=2)
folds = inner_folds(prepared.times, prepared.labels, prepared.split, {2 * DAY}, folds=2)
search(prepared, folds, 600, Path({str(storage)!r}), "digest", 1, done=lambda trial: print(trial.number, flush=True))
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline().strip().isdigit()
    process.kill()
    process.wait()
    folds = inner_folds(prepared.times, prepared.labels, prepared.split, 2 * DAY, folds=2)
    result = search(prepared, folds, 1, storage, "digest", seed=1)
    assert result.resumed >= 3


def test_a_second_search_at_once_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    from filelock import FileLock

    folds = inner_folds(prepared.times, prepared.labels, prepared.split, 2 * DAY, folds=1)
    with FileLock(tmp_path / "search.db.lock"), pytest.raises(InputError, match="another process is searching"):
        search(prepared, folds, 1, tmp_path / "search.db", "digest", seed=1)
    with pytest.raises(InputError, match="above 0 seconds"):
        search(prepared, folds, 0, tmp_path / "search.db", "digest", seed=1)


def test_searched_trials_are_child_runs(payments: pd.DataFrame, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/m.db"
    plan = SelectionPlan(search_seconds=2, search_storage=tmp_path / "search.db", folds=2)
    made = train(
        payments, "cards", tracking_uri=uri, alert_budget_per_day=20, label_delay_days=2, seed=1, selection=plan
    )
    assert "A search of " in made.report_markdown
    parent = client(uri).get_run(client(uri).get_run(made.run_id).data.tags["selection_run_id"])
    trials = [
        run for run in client(uri).search_runs([parent.info.experiment_id])
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    ]  # fmt: skip
    assert trials and all("learning_rate" in run.data.params for run in trials)
    assert parent.data.metrics["search_best"] >= parent.data.metrics["search_default"]


def test_a_search_without_a_file_is_refused() -> None:
    with pytest.raises(InputError, match="search_storage"):
        replace(SelectionPlan(), search_seconds=10)
