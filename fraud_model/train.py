"""Train a model on labelled transactions and register it in MLflow as the candidate.

    features -> time-ordered split -> LightGBM pipeline -> calibration -> threshold at the alert budget -> MLflow

The figures are those of the registered trees on the validation days, which come one label delay after training.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

from fraud_model import metrics as figures_of
from fraud_model.calibration import Calibrator, fit_calibrator
from fraud_model.candidates import DEFAULTS, fit_trees
from fraud_model.definitions import FEATURE_VERSION, feature_fingerprint, feature_names
from fraud_model.errors import DataError, InputError, ModelError
from fraud_model.features import categories_in, compute_features
from fraud_model.gates import Gates
from fraud_model.intervals import Comparison, compare, intervals
from fraud_model.leakage import ONE_COLUMN_LIMIT, find_future, find_leaks, refuse_leaks
from fraud_model.metrics import Array, BudgetRow
from fraud_model.model_file import ModelDescription
from fraud_model.progress import Progress, ProgressCallback
from fraud_model.run_report import ReportInput, SliceRow, run_report
from fraud_model.schema import DAY_SECONDS, TransactionSchema, load_schema
from fraud_model.splits import Split, time_split

_LOG = logging.getLogger(__name__)
_STEPS = 5
_REFERENCE_ROWS = 10_000
_FEW_FRAUDS = 50
_BUDGETS = (10, 25, 50, 100, 200, 500)


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
    """

    run_id: str
    version: str
    metrics: dict[str, float]
    threshold: float
    warnings: tuple[str, ...]
    report_markdown: str


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
) -> TrainResult:
    """Train, validate, log and register a model.

    Args:
        transactions: Labelled transactions, in any order.
        schema: A schema, its built-in name, or the path of its TOML file; it must have a label.
        tracking_uri: MLflow store for run and registry.
        experiment: MLflow experiment of the run.
        train_days: Days to train on; all that there are by default.
        until: Use nothing from this time on; UTC where it has no zone.
        alert_budget_per_day: Alerts that the team works a day; sets the threshold.
        label_delay_days: Replaces the schema's label delay.
        seed: The same seed on the same data gives the same model.
        progress: Told after each step.
        dataset_name: What to call the data in run and report.
        gates: What the model must reach to become the candidate; the defaults of `Gates` when left out.
        one_column_limit: Average precision in [0, 1] that no single feature may reach.

    Raises:
        DataError: the transactions do not fit the schema, hold too little fraud to train on, or give the label away.
        InputError: a setting is out of range.
        ModelError: the tracking store cannot be used.
    """
    schema = load_schema(schema)
    if label_delay_days is not None:
        schema = replace(schema, label_delay_days=float(label_delay_days))
    _check_settings(schema, train_days, alert_budget_per_day)
    tell = _Tell(progress)
    tell(0, "features")
    transactions = _before(transactions, schema, until)
    times, labels = schema.times(transactions), schema.labels(transactions)
    split = time_split(times, labels, schema.label_delay_seconds, train_days)
    categories = categories_in(transactions[split.train], schema)
    features = compute_features(transactions, schema, categories=categories)
    rows = features[split.train]
    leaks = find_leaks(rows, labels[split.train], schema, one_column_limit)
    leaks += find_future(transactions, schema, lambda some: compute_features(some, schema, categories=categories))
    refuse_leaks(leaks)
    tell(1, "fitting")
    booster, trees = fit_trees(rows, labels[split.train], times[split.train], schema, seed)
    tell(2, "validating")
    validated = _validate(booster, transactions, features, labels, times, split, schema, alert_budget_per_day)
    missed = (gates or Gates()).failures(validated.metrics)
    against = _against_champion(tracking_uri, features, validated, split, schema, categories)
    if against is not None:
        validated.metrics.update(
            champion_average_precision=against.comparison.champion,
            gain_over_champion=against.comparison.challenger - against.comparison.champion,
            gain_over_champion_low=against.comparison.low,
            gain_over_champion_high=against.comparison.high,
        )
    warnings = (
        *split.warnings,
        *_warnings(labels, split, validated, alert_budget_per_day),
        *(f"gate missed: {miss}" for miss in missed),
    )
    description = ModelDescription(
        schema=schema,
        categories=categories,
        calibrator=validated.calibrator,
        threshold=validated.threshold,
        alert_budget_per_day=float(alert_budget_per_day),
        metrics=validated.metrics,
        trained_from=_iso(split.train_start),
        trained_until=_iso(split.train_end),
        validated_from=_iso(split.validation_start),
        validated_until=_iso(split.validation_end),
        details={"seed": seed, "trees": trees, "parameters": DEFAULTS, "dataset_digest": dataset_digest(transactions)},
    )
    importance = _importance(booster, feature_names(schema))
    tell(3, "logging to MLflow")
    from fraud_model.logging_run import RunInput, log_run

    logged = log_run(
        RunInput(
            booster=booster,
            description=description,
            reference=_reference(features, validated, split, seed),
            dataset_name=dataset_name,
            rows=len(transactions),
            labels=validated.labels,
            probabilities=validated.probabilities,
            budgets=validated.budgets,
            importance=importance,
            gates=missed,
            params={
                "train_days": (split.train_end - split.train_start) / DAY_SECONDS,
                "alert_budget_per_day": alert_budget_per_day,
                "label_delay_days": schema.label_delay_days,
                "seed": seed,
                "trees": trees,
                "features": len(feature_names(schema)),
                "feature_version": FEATURE_VERSION,
                "feature_fingerprint": feature_fingerprint(schema),
                "schema": schema.name,
                "track": schema.track,
                **DEFAULTS,
            },
        ),
        lambda run_id, version: run_report(
            ReportInput(
                run_id=run_id,
                version=version,
                dataset_name=dataset_name,
                dataset_digest=description.details["dataset_digest"],
                rows=len(transactions),
                schema=schema,
                split=split,
                metrics=validated.metrics,
                budget_per_day=alert_budget_per_day,
                budgets=validated.budgets,
                slices=validated.slices,
                importance=sorted(importance.items(), key=lambda item: -item[1])[:15],
                warnings=warnings,
                gates=missed,
                against=against.to_text() if against is not None else "",
            )
        ),
        tracking_uri=tracking_uri,
        experiment=experiment,
    )
    tell(_STEPS, f"version {logged.version}")
    return TrainResult(
        logged.run_id, logged.version, validated.metrics, validated.threshold, warnings, logged.report_markdown
    )


def dataset_digest(transactions: pd.DataFrame) -> str:
    """SHA-256 over column names and values, whatever file they came from."""
    digest = sha256("\n".join(map(str, transactions.columns)).encode())
    digest.update(pd.util.hash_pandas_object(transactions, index=False).to_numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Against:
    """The new model beside the champion on the same validation rows."""

    version: str
    saw_rows: bool
    comparison: Comparison

    def to_text(self) -> str:
        """What was found, for the report."""
        found = self.comparison
        text = (
            f"On these validation days the champion, version {self.version}, reaches an average precision of "
            f"{found.champion:.3f} and this version {found.challenger:.3f}: a difference of "
            f"{found.challenger - found.champion:+.3f}, 95% interval {found.low:+.3f} to {found.high:+.3f}. "
            f"This version is {found.verdict}, {'within' if found.verdict == 'level' else 'beyond'} chance."
        )
        if self.saw_rows:
            text += " The champion was trained on some of these days, so the comparison favours it."
        return text


def _against_champion(
    tracking_uri: str,
    features: pd.DataFrame,
    validated: "_Validated",
    split: Split,
    schema: TransactionSchema,
    categories: Mapping[str, Sequence[str]],
) -> _Against | None:
    """The champion's scores of the validation rows beside the new ones; None where they cannot be compared."""
    from fraud_model.registry import Registry

    registry = Registry(tracking_uri)
    info = registry.champion()
    if info is None:
        return None
    try:
        _, stored = registry.open(info.version)
    except ModelError as error:
        _LOG.warning("the champion cannot be compared with: %s", error)
        return None
    known = stored.description
    # Other definitions or codes of categories would feed the champion what it does not understand.
    same = feature_fingerprint(known.schema) == feature_fingerprint(schema)
    if not same or {k: tuple(v) for k, v in categories.items()} != known.categories:
        return None
    raw = np.asarray(stored.booster.predict(features[split.validation].to_numpy(np.float32), raw_score=True))
    saw_rows = datetime.fromisoformat(known.trained_until).timestamp() > split.validation_start
    return _Against(info.version, saw_rows, compare(validated.labels, raw, validated.probabilities))


@dataclass(frozen=True)
class _Validated:
    """The validation rows with labels known, and all that was found on them."""

    labels: Array
    probabilities: Array
    calibrator: Calibrator
    threshold: float
    metrics: dict[str, float]
    budgets: list[BudgetRow]
    slices: dict[str, list[SliceRow]]


def _validate(
    booster: lgb.Booster,
    transactions: pd.DataFrame,
    features: pd.DataFrame,
    labels: Array,
    times: Array,
    split: Split,
    schema: TransactionSchema,
    budget: float,
) -> _Validated:
    held = split.validation
    known, when = labels[held], times[held]
    raw = np.asarray(booster.predict(features[held].to_numpy(np.float32), raw_score=True))
    calibrator = fit_calibrator(raw, known)
    probabilities = calibrator.probabilities(raw)
    amounts = features["amount"].to_numpy(np.float64)[held]
    days = split.validation_days
    threshold = figures_of.threshold_for_alerts(probabilities, round(budget * days))
    if round(budget * days) >= held.sum():  # the budget covers every payment: alert on what is worth it
        threshold = figures_of.best_f1_threshold(known, probabilities)
    at = figures_of.budget_row(known, probabilities, amounts, days, threshold, figures_of.FALSE_ALERT_COST)
    payers = pd.factorize(transactions.loc[held, schema.payer])[0]
    per_day = max(1, round(budget))
    measured = {
        "average_precision": figures_of.average_precision(known, probabilities),
        "base_rate": float(known.mean()),
        "roc_auc": figures_of.roc_auc(known, probabilities),
        "precision_at_budget": at.precision,
        "recall_at_budget": at.recall,
        "f1_at_budget": 2 * at.precision * at.recall / max(at.precision + at.recall, 1e-12),
        "alerts_per_day": at.alerts_per_day,
        "value_caught": at.value_caught,
        "value_caught_share": at.value_share,
        "cost_saved": at.cost_saved,
        "precision_per_day_at_budget": figures_of.precision_at_k_per_day(known, probabilities, when, per_day),
        "card_precision_at_100": figures_of.card_precision_at_k(known, probabilities, when, payers, 100),
        "calibration_error": _cross_fitted_error(raw, known, when),
        "threshold": threshold,
        "train_rows": float(split.train.sum()),
        "train_frauds": float(labels[split.train].sum()),
        "validation_rows": float(held.sum()),
        "validation_frauds": float(known.sum()),
    }
    for name, (low, high) in intervals(known, probabilities, threshold).items():
        measured |= {f"{name}_low": low, f"{name}_high": high}
    budgets = [b for b in sorted({*_BUDGETS, budget}) if round(b * days) < held.sum()]
    return _Validated(
        labels=known,
        probabilities=probabilities,
        calibrator=calibrator,
        threshold=threshold,
        metrics={name: float(value) for name, value in measured.items() if np.isfinite(value)},
        budgets=figures_of.budget_table(known, probabilities, amounts, days, budgets) or [at],
        slices=_slices(transactions[held], known, probabilities, amounts, threshold, schema),
    )


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


def _slices(
    rows: pd.DataFrame, labels: Array, probabilities: Array, amounts: Array, threshold: float, schema: TransactionSchema
) -> dict[str, list[SliceRow]]:
    """Figures by category and by amount band."""
    found: dict[str, list[SliceRow]] = {}
    groups = {column: rows[column].astype(str).to_numpy(object) for column in schema.categorical}
    edges = np.unique(np.nanquantile(amounts, [0, 0.5, 0.9, 0.99, 1]))
    if edges.size > 1:
        band = np.clip(np.searchsorted(edges, amounts, side="right") - 1, 0, edges.size - 2)
        names = [f"{low:,.0f} to {high:,.0f} {schema.currency}" for low, high in pairwise(edges)]
        groups["amount band"] = np.array(names, dtype=object)[band]
    for name, values in groups.items():
        order = pd.unique(values) if name != "amount band" else [n for n in names if n in set(values)]
        found[name] = [_slice(str(value), values == value, labels, probabilities, threshold) for value in order[:30]]
    return found


def _slice(name: str, mask: Array, labels: Array, probabilities: Array, threshold: float) -> SliceRow:
    fraud, alert = labels[mask] == 1, probabilities[mask] >= threshold
    caught = float((fraud & alert).sum())
    return SliceRow(
        name=name,
        payments=int(mask.sum()),
        frauds=int(fraud.sum()),
        precision=caught / alert.sum() if alert.any() else float("nan"),
        recall=caught / fraud.sum() if fraud.any() else float("nan"),
        average_precision=figures_of.average_precision(labels[mask], probabilities[mask]),
    )


def _warnings(labels: Array, split: Split, validated: _Validated, budget: float) -> Sequence[str]:
    found = []
    frauds = int(labels[split.train].sum())
    if frauds < _FEW_FRAUDS:
        found.append(f"only {frauds} frauds to train on: expect little of this model until there are more")
    if validated.labels.sum() < _FEW_FRAUDS:
        found.append(f"only {int(validated.labels.sum())} frauds to validate on: the figures are rough")
    if round(budget * split.validation_days) >= validated.labels.size:
        found.append(f"{budget:g} alerts a day would cover every payment: the threshold is the one with the best F1")
    return found


def _reference(features: pd.DataFrame, validated: _Validated, split: Split, seed: int) -> pd.DataFrame:
    """A sample of the validation rows, in time order of the input, with their probabilities."""
    reference = features[split.validation].assign(fraud_probability=validated.probabilities)
    if len(reference) > _REFERENCE_ROWS:
        chosen = np.random.default_rng(seed).choice(len(reference), _REFERENCE_ROWS, replace=False)
        reference = reference.iloc[np.sort(chosen)]
    return reference.reset_index(drop=True)


def _importance(booster: lgb.Booster, names: Sequence[str]) -> dict[str, float]:
    gain = booster.feature_importance("gain")
    total = max(float(gain.sum()), 1e-12)
    return {name: float(value) / total for name, value in zip(names, gain, strict=True)}


def _before(transactions: pd.DataFrame, schema: TransactionSchema, until: datetime | None) -> pd.DataFrame:
    if until is None:
        return transactions
    moment = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    kept = transactions[schema.times(transactions) < moment.timestamp()]
    if kept.empty:
        raise DataError(f"no transactions before {moment:%Y-%m-%d %H:%M} UTC; choose a later time to train until")
    return kept


def _check_settings(schema: TransactionSchema, train_days: int | None, budget: float) -> None:
    if schema.label is None:
        raise InputError(f"schema {schema.name} names no label column; training needs one")
    if train_days is not None and train_days < 1:
        raise InputError(f"training days must be at least 1, not {train_days}")
    if not budget > 0:
        raise InputError(f"the alert budget must be above 0 alerts a day, not {budget:g}")


@dataclass(frozen=True)
class _Tell:
    progress: ProgressCallback | None

    def __call__(self, done: int, message: str) -> None:
        if self.progress is not None:
            self.progress(Progress("training", done, _STEPS, message))


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
