"""Prequential validation: train, wait one label delay, test; then move on by the length of the test.

The protocol is that of the Fraud Detection Handbook (Le Borgne et al., chapter 5): payers known to be compromised by a
test day's label horizon are taken out of that day, since their cards would have been blocked. Known means a fraud in
the week before the wait, or after it but a label delay before the day; so the tested rows do not depend on how long
the training period is.
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fraud_model.candidates import fit_trees
from fraud_model.errors import DataError, InputError
from fraud_model.features import compute_features
from fraud_model.metrics import Array, average_precision, card_precision_at_k, roc_auc
from fraud_model.progress import Progress, ProgressCallback
from fraud_model.schema import DAY_SECONDS, TransactionSchema, load_schema

COMPROMISED_DAYS = 7
FIGURES = ("roc_auc", "average_precision", "card_precision_at_100")


@dataclass(frozen=True)
class FoldResult:
    """One fold: its periods (ISO 8601, UTC, ends exclusive), its size, its figures."""

    fold: int
    train_from: str
    train_until: str
    test_from: str
    test_until: str
    train_rows: int
    train_frauds: int
    test_rows: int
    test_frauds: int
    roc_auc: float
    average_precision: float
    card_precision_at_100: float


@dataclass(frozen=True)
class BacktestResult:
    """All folds.

    Attributes:
        folds: In time order.
        mean: Mean over the folds of each figure.
        predictions: transaction_id, fold (from 1), fraud_probability of every tested row.
        warnings: What was shorter than asked for.
    """

    folds: tuple[FoldResult, ...]
    mean: dict[str, float]
    predictions: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Folds, mean and warnings as plain values, ready for JSON; the predictions are left out."""
        return {"folds": [asdict(fold) for fold in self.folds], "mean": self.mean, "warnings": list(self.warnings)}

    def to_text(self) -> str:
        """A table for people."""
        lines = ["fold  test from    rows     frauds  AP     card P@100  ROC AUC"]
        lines += [
            f"{fold.fold:<5} {fold.test_from[:10]}  {fold.test_rows:>8,} {fold.test_frauds:>7,}  "
            f"{fold.average_precision:.3f}  {fold.card_precision_at_100:.3f}       {fold.roc_auc:.3f}"
            for fold in self.folds
        ]
        mean = self.mean
        lines.append(
            f"mean{'':33}{mean['average_precision']:.3f}  {mean['card_precision_at_100']:.3f}       "
            f"{mean['roc_auc']:.3f}"
        )
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def backtest(
    transactions: pd.DataFrame,
    schema: str | Path | TransactionSchema,
    *,
    first_test_day: datetime,
    train_days: int = 7,
    delay_days: int = 7,
    test_days: int = 7,
    folds: int = 4,
    seed: int = 0,
    compromised_days: int = COMPROMISED_DAYS,
    progress: ProgressCallback | None = None,
) -> BacktestResult:
    """Run the folds.

    Args:
        transactions: Labelled transactions, in any order; all of them are history for the features.
        schema: A schema, its built-in name, or the path of its TOML file.
        first_test_day: Start of the first test, UTC.
        train_days: Days to train on.
        delay_days: Days between training and test; also the label delay of the features.
        test_days: Days of one test, and the step from fold to fold.
        folds: Tests.
        seed: The same seed gives the same predictions.
        compromised_days: How many days before the wait make a payer known to be compromised.
        progress: Told after each fold.

    Raises:
        InputError: a number of days or folds is below what makes sense.
        DataError: a fold has no rows, or no fraud, to train or test on; names it.
    """
    if min(train_days, test_days, folds) < 1 or delay_days < 0:
        raise InputError("train days, test days and folds must be at least 1, delay days at least 0")
    schema = replace(load_schema(schema), label_delay_days=float(delay_days))
    if schema.label is None:
        raise InputError(f"schema {schema.name} names no label column; a backtest needs one")
    if progress is not None:
        progress(Progress("backtest", 0, folds, "features"))
    times, labels = schema.times(transactions), schema.labels(transactions)
    payers, payees = (pd.factorize(transactions[role])[0] for role in (schema.payer, schema.payee))
    ids = schema.transaction_ids(transactions)
    features = compute_features(transactions, schema)
    moment = first_test_day if first_test_day.tzinfo is not None else first_test_day.replace(tzinfo=UTC)
    first = int(moment.timestamp())
    results, predictions, warnings = [], [], []
    for fold in range(folds):
        start = first + fold * test_days * DAY_SECONDS
        train_end = start - delay_days * DAY_SECONDS
        train_start = train_end - train_days * DAY_SECONDS
        if train_start < times.min():
            had = max(0, train_end - int(times.min())) / DAY_SECONDS
            warnings.append(f"fold {fold + 1}: {train_days} training days asked for, there are {had:.0f}")
        trained = ~np.isnan(labels) & (times >= train_start) & (times < train_end)
        tested = _tested(times, labels, payers, start, delay_days, test_days, compromised_days)
        _check_fold(fold + 1, start, labels, trained, tested)
        fitted = fit_trees(features[trained], labels[trained], payees[trained], schema, seed)
        scores = fitted.probabilities(features[tested].to_numpy(np.float32))
        at = (labels[tested], scores)
        results.append(
            FoldResult(
                fold=fold + 1,
                train_from=_iso(max(train_start, int(times.min()))),
                train_until=_iso(train_end),
                test_from=_iso(start),
                test_until=_iso(start + test_days * DAY_SECONDS),
                train_rows=int(trained.sum()),
                train_frauds=int(labels[trained].sum()),
                test_rows=int(tested.sum()),
                test_frauds=int(labels[tested].sum()),
                roc_auc=roc_auc(*at),
                average_precision=average_precision(*at),
                card_precision_at_100=card_precision_at_k(*at, times[tested], payers[tested], 100),
            )
        )
        predictions.append(pd.DataFrame({"transaction_id": ids[tested], "fold": fold + 1, "fraud_probability": scores}))
        if progress is not None:
            progress(Progress("backtest", fold + 1, folds))
    mean = {name: float(np.mean([getattr(result, name) for result in results])) for name in FIGURES}
    return BacktestResult(tuple(results), mean, pd.concat(predictions, ignore_index=True), tuple(warnings))


def _tested(
    times: Array, labels: Array, payers: Array, start: int, delay_days: int, test_days: int, compromised_days: int
) -> Array:
    """Mask of the test rows of one fold, the payers known to be compromised taken out day by day."""
    tested = ~np.isnan(labels) & (times >= start) & (times < start + test_days * DAY_SECONDS)
    known_from = start - (delay_days + compromised_days) * DAY_SECONDS
    fraud = labels == 1
    known = np.zeros(int(payers.max()) + 1, bool)
    for day in range(test_days):
        day_start = start + day * DAY_SECONDS
        known[:] = False
        known[payers[fraud & (times >= known_from) & (times < day_start - delay_days * DAY_SECONDS)]] = True
        of_day = (times >= day_start) & (times < day_start + DAY_SECONDS)
        tested &= ~(of_day & known[payers])
    return tested


def _check_fold(fold: int, start: int, labels: Array, trained: Array, tested: Array) -> None:
    for name, rows in (("train", trained), ("test", tested)):
        if not rows.any():
            raise DataError(f"fold {fold}, test from {_iso(start)[:10]}: no transactions to {name} on; check the dates")
        if not 0 < labels[rows].sum() < rows.sum():
            raise DataError(f"fold {fold}, test from {_iso(start)[:10]}: no fraud to {name} on; choose longer periods")


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
