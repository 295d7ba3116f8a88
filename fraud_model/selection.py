"""Choose what to fit: search settings, compare candidates, and log both as one parent run with a child for each.

The children carry the metric names of a training run, so that MLflow's comparison lines them all up.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fraud_model.comparison import CandidateResult, compare_candidates, comparison_table
from fraud_model.errors import InputError
from fraud_model.folds import FOLDS, TEST_DAYS, inner_folds
from fraud_model.learners import Recipe
from fraud_model.preparation import Prepared, iso
from fraud_model.progress import ProgressCallback
from fraud_model.search import SearchResult, Trial, search
from fraud_model.thresholds import ThresholdRule, rule_params

_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class SelectionPlan:
    """What to try before the model is fitted.

    Attributes:
        candidates: Recipes to compare; none leaves the comparison out.
        search_seconds: Time limit of the search for LightGBM settings; None leaves it out.
        search_storage: SQLite file of the search.
        folds: Most folds inside the training period.
        test_days: Longest test of a fold.
    """

    candidates: tuple[Recipe, ...] = ()
    search_seconds: float | None = None
    search_storage: Path | None = None
    folds: int = FOLDS
    test_days: float = TEST_DAYS

    def __post_init__(self) -> None:
        if self.search_seconds is not None and not self.search_seconds > 0:
            raise InputError(f"the time to search must be above 0 seconds, not {self.search_seconds:g}")
        if self.search_seconds is not None and self.search_storage is None:
            raise InputError("a search needs a file that keeps its trials: give search_storage")


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes:
        recipe: What to fit.
        run_id: The parent run.
        lines: What was tried, as Markdown lines for the report.
        results: Candidates, the best first; empty where none were compared.
        search: What the search found; None where there was none.
        warnings: What is rough about the choice.
    """

    recipe: Recipe
    run_id: str
    lines: tuple[str, ...] = ()
    results: tuple[CandidateResult, ...] = ()
    search: SearchResult | None = None
    warnings: tuple[str, ...] = ()


def select(
    prepared: Prepared,
    plan: SelectionPlan,
    rule: ThresholdRule,
    *,
    seed: int,
    dataset_digest: str,
    tracking_uri: str,
    experiment: str = "fraud-desk",
    progress: ProgressCallback | None = None,
) -> Selection:
    """Search, compare, log.

    Args:
        prepared: The data; only the training period is looked at.
        plan: What to try.
        rule: For the alert budget.
        seed: The same seed gives the same comparison.
        dataset_digest: Of the data.
        tracking_uri: MLflow store.
        experiment: MLflow experiment of the runs.
        progress: Told of each candidate and trial.

    Raises:
        DataError: the training period is too short for a fold.
        InputError: a setting is out of range, or another process is searching.
    """
    split, delay = prepared.split, prepared.schema.label_delay_seconds
    folds = inner_folds(prepared.times, prepared.labels, split, delay, plan.folds, plan.test_days)
    runs = _Runs(tracking_uri, experiment, f"selection until {iso(split.train_end)[:10]}", dataset_digest)
    common = {"folds": len(folds), "seed": seed, **rule_params(rule)}
    runs.params(common)
    warnings: tuple[str, ...] = ()
    if len(folds) < plan.folds:
        warnings = (f"only {len(folds)} of {plan.folds} folds fit into the training period: the choice is rough",)
    try:
        found, recipe, lines = None, Recipe(), list[str]()
        if plan.search_seconds is not None and plan.search_storage is not None:
            found = search(
                prepared,
                folds,
                plan.search_seconds,
                plan.search_storage,
                dataset_digest,
                seed,
                progress,
                lambda trial: runs.trial(trial, common),
            )
            recipe = found.recipe
            lines += [*found.lines(), ""]
        results: list[CandidateResult] = []
        if plan.candidates:
            searched = (recipe,) if recipe.params else ()
            results = compare_candidates(
                prepared,
                folds,
                (*plan.candidates, *searched),
                rule,
                seed,
                progress,
                lambda result: runs.candidate(result, common),
            )
            recipe = results[0].recipe
            lines += comparison_table(results)
        runs.finish(recipe, results, found, lines)
    except BaseException:
        runs.fail()
        raise
    return Selection(recipe, runs.run_id, tuple(lines), tuple(results), found, warnings)


class _Runs:
    """The parent run and its children."""

    def __init__(self, tracking_uri: str, experiment: str, name: str, digest: str) -> None:
        from fraud_model.logging_run import code_tags
        from fraud_model.tracking import client, experiment_id

        self._uri = tracking_uri
        self._store = client(tracking_uri)
        self._experiment = experiment_id(tracking_uri, experiment)
        self._tags = code_tags() | {"dataset_digest": digest}
        self.run_id = str(self._store.create_run(self._experiment, tags=self._tags, run_name=name).info.run_id)

    def params(self, params: Mapping[str, Any], run_id: str = "") -> None:
        from mlflow.entities import Param

        listed = [Param(name, str(value)) for name, value in params.items()]
        self._store.log_batch(run_id or self.run_id, params=listed)

    def candidate(self, result: CandidateResult, common: Mapping[str, Any]) -> None:
        """A child run of one candidate: each fold as a step, then the means."""
        recipe = result.recipe
        params = {"candidate": recipe.kind, "imbalance": recipe.imbalance, **recipe.params, **common}
        self._child(recipe.name, params, list(result.folds), result.metrics)

    def trial(self, trial: Trial, common: Mapping[str, Any]) -> None:
        """A child run of one trial."""
        steps = [{"average_precision": value} for value in trial.folds]
        mean = {"average_precision": sum(trial.folds) / len(trial.folds)} if trial.folds else {}
        params = {"candidate": "lightgbm", "imbalance": "none", "trial_state": trial.state, **trial.params, **common}
        self._child(f"trial {trial.number}", params, steps, {**mean, "seconds": trial.seconds})

    def finish(
        self, recipe: Recipe, results: list[CandidateResult], found: SearchResult | None, lines: list[str]
    ) -> None:
        """The winner's figures and the whole table in the parent."""
        from fraud_model.logging_run import log_metrics

        self.params({"candidate": recipe.kind, "imbalance": recipe.imbalance, **recipe.params})
        metrics = results[0].metrics if results else {}
        if found is not None:
            metrics = {**metrics, "search_best": found.best, "search_default": found.default}
            metrics |= {} if results else {"average_precision": max(found.best, found.default)}
        log_metrics(self._uri, self.run_id, metrics)
        table = [{"candidate": result.recipe.name, **result.metrics} for result in results]
        self._store.log_text(self.run_id, "\n".join(lines) + "\n", "selection.md")
        self._store.log_text(self.run_id, json.dumps(table, indent=1), "selection.json")
        self._store.set_terminated(self.run_id)

    def fail(self) -> None:
        """Leave the parent marked as failed."""
        self._store.set_terminated(self.run_id, status="FAILED")

    def _child(
        self, name: str, params: Mapping[str, Any], steps: Sequence[Mapping[str, float]], means: Mapping[str, float]
    ) -> None:
        from fraud_model.logging_run import log_metrics

        run = self._store.create_run(self._experiment, tags={**self._tags, _PARENT: self.run_id}, run_name=name)
        run_id = str(run.info.run_id)
        self.params(params, run_id)
        for step, figures in enumerate(steps):
            log_metrics(self._uri, run_id, figures, step)
        # The last value of a metric is what MLflow shows and compares.
        log_metrics(self._uri, run_id, means, len(steps))
        self._store.set_terminated(run_id)
