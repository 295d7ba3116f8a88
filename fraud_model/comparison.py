"""Candidates side by side on the same prequential folds inside the training period, so that none is assumed best."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fraud_model.evaluation import daily_figures, defined
from fraud_model.folds import Fold
from fraud_model.learners import IMBALANCES, KINDS, Recipe, fit_recipe
from fraud_model.metrics import Array, average_precision, roc_auc
from fraud_model.preparation import Prepared
from fraud_model.progress import Progress, ProgressCallback
from fraud_model.thresholds import Costs, ThresholdRule, by_budget, threshold_row

EVERY_CANDIDATE = tuple(Recipe(kind, imbalance) for kind in KINDS for imbalance in IMBALANCES)
"""Every kind with every way of handling imbalance."""


@dataclass(frozen=True)
class CandidateResult:
    """One candidate on all folds.

    Attributes:
        recipe: What was fitted.
        folds: Figures of each fold, by the metric names of a training run.
        seconds: Processor time of fitting and scoring, all folds together, in seconds.
    """

    recipe: Recipe
    folds: tuple[Mapping[str, float], ...]
    seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the folds that have the figure, with the worst and best fold's average precision."""
        names = {name for fold in self.folds for name in fold}
        found = {name: float(np.mean([fold[name] for fold in self.folds if name in fold])) for name in sorted(names)}
        precisions = [fold["average_precision"] for fold in self.folds]
        return found | {
            "average_precision_worst_fold": min(precisions),
            "average_precision_best_fold": max(precisions),
            "seconds": self.seconds,
        }


def compare_candidates(
    prepared: Prepared,
    folds: Sequence[Fold],
    recipes: Sequence[Recipe],
    rule: ThresholdRule,
    seed: int,
    progress: ProgressCallback | None = None,
    done: Callable[[CandidateResult], None] | None = None,
) -> list[CandidateResult]:
    """Fit and judge each recipe on each fold.

    Args:
        prepared: For features, labels and times.
        folds: Inside the training period.
        recipes: What to compare.
        rule: For the alert budget.
        seed: The same seed gives the same figures.
        progress: Told before each candidate.
        done: Called with each result as it comes.

    Returns:
        The results, the highest mean average precision first.
    """
    payers = pd.factorize(prepared.transactions[prepared.schema.payer])[0]
    results = []
    for number, recipe in enumerate(recipes):
        if progress is not None:
            progress(Progress("comparing candidates", number, len(recipes), recipe.name))
        started = time.process_time()
        figures = tuple(_fold(prepared, fold, recipe, rule, seed, payers) for fold in folds)
        results.append(CandidateResult(recipe, figures, time.process_time() - started))
        if done is not None:
            done(results[-1])
    if progress is not None:
        progress(Progress("comparing candidates", len(recipes), len(recipes)))
    return sorted(results, key=lambda result: -result.metrics["average_precision"])


def comparison_table(results: Sequence[CandidateResult]) -> list[str]:
    """Markdown lines of the comparison, the winner first."""
    folds = len(results[0].folds)
    winner = results[0]
    lines = [
        f"{len(results)} candidates were compared on {folds} {'fold' if folds == 1 else 'folds'} inside the training "
        f"period, without a look at the validation days. The winner is {winner.recipe.name} with a mean average "
        f"precision of {winner.metrics['average_precision']:.3f}"
        + (
            f", before {results[1].recipe.name} with {results[1].metrics['average_precision']:.3f}."
            if len(results) > 1
            else "."
        ),
        "",
        "| candidate | average precision | worst to best fold | ROC AUC | card precision at 100 | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        found = result.metrics
        ends = f"{found['average_precision_worst_fold']:.3f} to {found['average_precision_best_fold']:.3f}"
        others = " | ".join(f"{found.get(name, float('nan')):.3f}" for name in ("roc_auc", "card_precision_at_100"))
        lines.append(
            f"| {result.recipe.name} | {found['average_precision']:.3f} | {ends} | {others} | {found['seconds']:.0f} |"
        )
    return lines


def fold_figures(
    labels: Array, scores: Array, times: Array, payers: Array, amounts: Array, days: float, rule: ThresholdRule
) -> dict[str, float]:
    """Figures of one fold by the metric names of a training run.

    Args:
        labels: 1 fraud, 0 legitimate, shape (rows,).
        scores: Shape (rows,); only their order counts.
        times: Seconds since 1970, UTC, shape (rows,).
        payers: Payer codes, integers from 0, shape (rows,).
        amounts: In currency units, shape (rows,).
        days: Days that the rows span.
        rule: For the alert budget.
    """
    threshold = by_budget(labels, scores, round(rule.alerts_per_day * days))
    row = threshold_row("budget", labels, scores, amounts, days, threshold, Costs())
    daily = daily_figures(labels, scores, times, payers, max(1, round(rule.alerts_per_day)))
    return defined(
        {
            "average_precision": average_precision(labels, scores),
            "base_rate": float(labels.mean()),
            "roc_auc": roc_auc(labels, scores),
            "precision_at_budget": row.precision,
            "recall_at_budget": row.recall,
            "f1_at_budget": row.f1,
            "value_caught_share_at_budget": row.value_caught_share,
            **{name: float(values.mean()) for name, values in daily.items() if values.size},
        }
    )


def _fold(
    prepared: Prepared, fold: Fold, recipe: Recipe, rule: ThresholdRule, seed: int, payers: Array
) -> dict[str, float]:
    features, labels, times = prepared.features, prepared.labels, prepared.times
    train, test = fold.train, fold.test
    learner = fit_recipe(features.iloc[train], labels[train], prepared.payees[train], prepared.schema, seed, recipe)
    tested = features.iloc[test]
    scores = learner.raw_scores(tested.to_numpy(np.float32))
    amounts = tested["amount"].to_numpy(np.float64)
    return fold_figures(labels[test], scores, times[test], payers[test], amounts, fold.days, rule)
