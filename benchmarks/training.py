"""Detection quality beside a simple LightGBM, on the same prequential folds.

    python -m benchmarks.training FILE --schema cards --first-test-day 2018-05-30 [--train-days 7 60]

The baseline is LightGBM as it comes (100 trees, one seed) on the twelve classical window features, strictly before the
payment: count and mean of the payer over 1, 7 and 30 days, count and delayed share of fraud of the payee over the same,
with the amount, the hour and the weekday.
"""

import argparse
import time
from datetime import datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

import fraud_model.backtest as prequential
from benchmarks.machine import machine
from fraud_model.candidates import cores
from fraud_model.data import read_transactions
from fraud_model.definitions import BLOCK
from fraud_model.entities import read_keys
from fraud_model.features import FeatureTable
from fraud_model.metrics import Array
from fraud_model.schema import TransactionSchema, load_schema

WINDOWS = ("1d", "7d", "30d")


def classical_features(frame: pd.DataFrame, schema: TransactionSchema) -> pd.DataFrame:
    """The baseline's features, shape (rows, 15), float32."""
    wanted = {"payer": ("count", "mean"), "payee": ("count", "fraud_share")}
    places = {
        role: tuple(BLOCK.index((kind, window)) for kind in kinds for window in WINDOWS)
        for role, kinds in wanted.items()
    }
    table = FeatureTable(read_keys([frame], schema), schema, places["payer"], places["payee"])
    return pd.DataFrame(table.rows(0, len(table)))


def plain_trees(
    features: pd.DataFrame, labels: Array, times: Array, schema: TransactionSchema, seed: int
) -> tuple[lgb.Booster, int]:
    """LightGBM as it comes."""
    model = lgb.LGBMClassifier(random_state=seed, verbosity=-1, n_jobs=cores())
    return model.fit(features.to_numpy(), labels.astype(np.int8)).booster_, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="cards")
    parser.add_argument("--first-test-day", type=datetime.fromisoformat, required=True)
    parser.add_argument("--train-days", type=int, nargs="+", default=[7, 60])
    parser.add_argument("--only", choices=("baseline", "ours"))
    arguments = parser.parse_args()
    schema = load_schema(arguments.schema)
    frame = read_transactions(arguments.file, schema)
    print(machine())
    print(f"{'training days':<15}{'model':<12}{'AP':>7}{'card P@100':>12}{'ROC AUC':>9}{'seconds':>9}", flush=True)
    ours = (prequential.compute_features, prequential.fit_trees)
    for days in arguments.train_days:
        for name, (compute, fit) in {"baseline": (classical_features, plain_trees), "ours": ours}.items():
            if arguments.only not in (None, name):
                continue
            # The same folds for both: only what is computed and fitted is another.
            prequential.compute_features, prequential.fit_trees = compute, fit  # type: ignore[assignment]
            started = time.perf_counter()
            mean = prequential.backtest(frame, schema, first_test_day=arguments.first_test_day, train_days=days).mean
            print(
                f"{days:<15}{name:<12}{mean['average_precision']:>7.3f}{mean['card_precision_at_100']:>12.3f}"
                f"{mean['roc_auc']:>9.3f}{time.perf_counter() - started:>9.0f}",
                flush=True,
            )
    prequential.compute_features, prequential.fit_trees = ours


if __name__ == "__main__":
    main()
