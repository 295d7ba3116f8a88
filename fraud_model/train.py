"""Train a model on labelled transactions and register it in MLflow as the candidate.

    prepare -> (search, compare) -> fit -> evaluate -> beside the champion -> MLflow, registry, report

The figures are those of the registered model on the validation days, which come one label delay after training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fraud_model.candidates import DEFAULTS
from fraud_model.definitions import FEATURE_VERSION, feature_fingerprint, feature_names
from fraud_model.errors import LeakageFound
from fraud_model.evaluation import Evaluation, evaluate
from fraud_model.gates import Gates
from fraud_model.leakage import ONE_COLUMN_LIMIT
from fraud_model.learners import Learner, Recipe, Trees, fit_recipe
from fraud_model.model_file import ModelDescription
from fraud_model.preparation import Prepared, dataset_digest, iso, length_in_days, prepare
from fraud_model.progress import Progress, ProgressCallback
from fraud_model.schema import TransactionSchema
from fraud_model.thresholds import ThresholdRule, rule_params

if TYPE_CHECKING:
    from fraud_model.selection import Selection, SelectionPlan

_STEPS = 6
_REFERENCE_ROWS = 10_000
_FEW_FRAUDS = 50


@dataclass(frozen=True)
class TrainResult:
    """What training made.

    Attributes:
        run_id: MLflow run.
        version: Registered version; the candidate, unless it missed the gates while there is a champion.
        metrics: Figures on validation, by their stable names.
        threshold: Least probability of an alert, in [0, 1].
        warnings: What was shortened or is rough, in plain words.
        report_markdown: The run report as Markdown text.
        missed: Gates missed; empty where all passed.
        is_candidate: Whether the version became the candidate.
        recipe: What was fitted.
    """

    run_id: str
    version: str
    metrics: dict[str, float]
    threshold: float
    warnings: tuple[str, ...]
    report_markdown: str
    missed: tuple[str, ...] = ()
    is_candidate: bool = True
    recipe: Recipe = field(default_factory=Recipe)


def train(
    transactions: pd.DataFrame,
    schema: str | Path | TransactionSchema,
    *,
    tracking_uri: str,
    experiment: str = "fraud-desk",
    train_days: int | None = None,
    until: datetime | None = None,
    alert_budget_per_day: float = 100,
    label_delay_days: float | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    dataset_name: str = "",
    gates: Gates | None = None,
    one_column_limit: float = ONE_COLUMN_LIMIT,
    rule: ThresholdRule | None = None,
    recipe: Recipe | None = None,
    selection: "SelectionPlan | None" = None,
) -> TrainResult:
    """Train, validate, log and register a model.

    Args:
        transactions: Labelled transactions, in any order.
        schema: A schema, its built-in name, or the path of its TOML file; it must have a label.
        tracking_uri: MLflow store for run and registry.
        experiment: MLflow experiment of the run.
        train_days: Days to train on; all that there are by default.
        until: Use nothing from this time on; UTC where it has no zone.
        alert_budget_per_day: Alerts that the team works a day; sets the threshold where no rule is given.
        label_delay_days: Replaces the schema's label delay.
        seed: The same seed on the same data gives the same model.
        progress: Told after each step.
        dataset_name: What to call the data in run and report.
        gates: What the model must reach to become the candidate; the defaults of `Gates` when left out.
        one_column_limit: Average precision in [0, 1] that no single feature may reach.
        rule: How the threshold is chosen; by the alert budget when left out.
        recipe: What to fit; LightGBM when left out.
        selection: Candidates to compare and settings to search on folds inside the training period; the winner is
            fitted in place of `recipe`. Nothing when left out.

    Raises:
        DataError: the transactions do not fit the schema, or hold too little fraud to train on.
        LeakageFound: features give the label away; carries the report, which is also in a failed MLflow run.
        InputError: a setting is out of range.
        ModelError: the tracking store cannot be used.
    """
    rule = rule or ThresholdRule(alerts_per_day=alert_budget_per_day)
    tell = _Tell(progress)
    tell(0, "features")
    try:
        prepared = prepare(
            transactions,
            schema,
            train_days=train_days,
            until=until,
            label_delay_days=label_delay_days,
            one_column_limit=one_column_limit,
        )
    except LeakageFound as found:
        from fraud_model.logging_run import log_leakage

        log_leakage(found.report_markdown, dataset_name, tracking_uri=tracking_uri, experiment=experiment)
        raise
    digest = dataset_digest(prepared.transactions)
    tell(1, "choosing the candidate" if selection is not None else "fitting")
    selected = None
    if selection is not None:
        from fraud_model.selection import select

        selected = select(
            prepared,
            selection,
            rule,
            seed=seed,
            dataset_digest=digest,
            tracking_uri=tracking_uri,
            experiment=experiment,
            progress=progress,
        )
    recipe = selected.recipe if selected is not None else recipe or Recipe()
    train_rows = prepared.split.train
    tell(2, "fitting")
    learner = fit_recipe(
        prepared.features[train_rows],
        prepared.labels[train_rows],
        prepared.payees[train_rows],
        prepared.schema,
        seed,
        recipe,
    )
    tell(3, "validating")
    evaluated = evaluate(learner.raw_scores(prepared.validation_matrix()), prepared, rule)
    missed = (gates or Gates()).failures(evaluated.metrics)
    return _register(
        prepared,
        learner,
        recipe,
        evaluated,
        missed,
        selected,
        digest,
        seed,
        tell,
        tracking_uri,
        experiment,
        dataset_name,
    )


def _register(
    prepared: Prepared,
    learner: Learner,
    recipe: Recipe,
    found: Evaluation,
    missed: tuple[str, ...],
    selected: "Selection | None",
    digest: str,
    seed: int,
    tell: "_Tell",
    tracking_uri: str,
    experiment: str,
    dataset_name: str,
) -> TrainResult:
    """The comparison with the champion, the run, the version, the report."""
    from fraud_model.against import against_champion
    from fraud_model.logging_run import RunInput, log_run
    from fraud_model.registry import Registry
    from fraud_model.run_report import ReportInput, run_report

    tell(4, "comparing with the champion")
    split, schema, rule = prepared.split, prepared.schema, found.rule
    check = against_champion(Registry(tracking_uri), prepared, found)
    metrics = found.metrics | (check.against.metrics() if check.against is not None else {})
    warnings = (
        *split.warnings,
        *_warnings(prepared, found),
        *(selected.warnings if selected is not None else ()),
        *(f"gate missed: {miss}" for miss in missed),
    )
    settings = _settings(prepared, learner, recipe, rule, seed)
    description = ModelDescription(
        schema=schema,
        categories={name: tuple(known) for name, known in prepared.categories.items()},
        calibrator=found.calibrator,
        threshold=found.threshold,
        alert_budget_per_day=float(rule.alerts_per_day),
        metrics=metrics,
        trained_from=iso(split.train_start),
        trained_until=iso(split.train_end),
        validated_from=iso(split.validation_start),
        validated_until=iso(split.validation_end),
        details={"settings": {name: str(value) for name, value in settings.items()}, "dataset_digest": digest},
    )
    shares = zip(feature_names(schema), learner.importance().tolist(), strict=True)
    importance = sorted(shares, key=lambda item: -item[1])
    tell(5, "logging to MLflow")
    logged = log_run(
        RunInput(
            learner=learner,
            description=description,
            reference=_reference(prepared, found, seed),
            dataset_name=dataset_name,
            rows=len(prepared.transactions),
            found=found,
            importance=dict(importance),
            params=settings,
            gates=missed,
            compared=check.against.compared if check.against is not None else None,
            selection_run_id=selected.run_id if selected is not None else "",
            leakage_markdown=prepared.leakage.to_markdown(),
        ),
        lambda run_id, version: run_report(
            ReportInput(
                run_id=run_id,
                version=version,
                dataset_name=dataset_name,
                dataset_digest=digest,
                candidate=recipe.name,
                prepared=prepared,
                found=found,
                check=check,
                settings=settings,
                importance=importance[:15],
                warnings=warnings,
                missed=missed,
                selection=selected.lines if selected is not None else (),
            )
        ),
        tracking_uri=tracking_uri,
        experiment=experiment,
    )
    tell(_STEPS, f"version {logged.version}")
    return TrainResult(
        run_id=logged.run_id,
        version=logged.version,
        metrics=metrics,
        threshold=found.threshold,
        warnings=warnings,
        report_markdown=logged.report_markdown,
        missed=missed,
        is_candidate=logged.is_candidate,
        recipe=recipe,
    )


def _settings(
    prepared: Prepared, learner: Learner, recipe: Recipe, rule: ThresholdRule, seed: int
) -> Mapping[str, Any]:
    """Parameters of the run, by their stable names."""
    split, schema = prepared.split, prepared.schema
    defaults = DEFAULTS if recipe.kind == "lightgbm" else {}
    return {
        "candidate": recipe.kind,
        "imbalance": recipe.imbalance,
        **({"trees": learner.trees, "unreported_fraud": learner.unreported} if isinstance(learner, Trees) else {}),
        "train_days": length_in_days(split.train_start, split.train_end),
        "label_delay_days": schema.label_delay_days,
        "seed": seed,
        "features": len(feature_names(schema)),
        "feature_version": FEATURE_VERSION,
        "feature_fingerprint": feature_fingerprint(schema),
        "schema": schema.name,
        "track": schema.track,
        **rule_params(rule),
        **defaults,
        **recipe.params,
    }


def _warnings(prepared: Prepared, found: Evaluation) -> Sequence[str]:
    told = []
    frauds, split = int(prepared.labels[prepared.split.train].sum()), prepared.split
    if frauds < _FEW_FRAUDS:
        told.append(f"only {frauds} frauds to train on: expect little of this model until there are more")
    if found.labels.sum() < _FEW_FRAUDS:
        told.append(f"only {int(found.labels.sum())} frauds to validate on: the figures are rough")
    budget = found.rule.alerts_per_day
    if found.rule.by == "budget" and round(budget * split.validation_days) >= found.labels.size:
        told.append(f"{budget:g} alerts a day would cover every payment: the threshold is the one with the best F1")
    return told


def _reference(prepared: Prepared, found: Evaluation, seed: int) -> pd.DataFrame:
    """A sample of the validation rows, in the order of the input, with their probabilities."""
    reference = prepared.features[prepared.split.validation].assign(fraud_probability=found.probabilities)
    if len(reference) > _REFERENCE_ROWS:
        chosen = np.random.default_rng(seed).choice(len(reference), _REFERENCE_ROWS, replace=False)
        reference = reference.iloc[np.sort(chosen)]
    return reference.reset_index(drop=True)


@dataclass(frozen=True)
class _Tell:
    progress: ProgressCallback | None

    def __call__(self, done: int, message: str) -> None:
        if self.progress is not None:
            self.progress(Progress("training", done, _STEPS, message))
