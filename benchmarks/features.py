"""Features, measured beside a plain pandas computation and one sort of the rows.

    python -m benchmarks.features FILE [--schema cards] [--sample-payers 300]

The pandas side computes count, mean and maximum over 1, 7 and 30 days per payer on a sample of payers, and is scaled by
rows and by the number of window features.
"""

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fraud_model.data import read_transactions
from fraud_model.definitions import WINDOW_FEATURES
from fraud_model.features import compute_features
from fraud_model.schema import TransactionSchema, load_schema

PANDAS_WINDOWS = ("1D", "7D", "30D")
PANDAS_FEATURES = 3 * len(PANDAS_WINDOWS)


def machine() -> str:
    """One line about this machine and what else it is doing."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"


def best_of(runs: int, action: Callable[[], object]) -> float:
    """The least seconds of some runs."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return min(taken)


def pandas_features(frame: pd.DataFrame, schema: TransactionSchema) -> pd.DataFrame:
    """Count, mean and maximum per payer over the windows, strictly before each payment."""
    ordered = frame.sort_values([schema.payer, schema.time]).set_index(schema.time)
    amounts = ordered.groupby(schema.payer)[schema.amount]
    found = {}
    for window in PANDAS_WINDOWS:
        rolling = amounts.rolling(window, closed="left")
        for kind in ("count", "mean", "max"):
            found[f"{kind}_{window}"] = getattr(rolling, kind)()
    return pd.DataFrame(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="cards")
    parser.add_argument("--sample-payers", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    schema = load_schema(arguments.schema)
    frame = read_transactions(arguments.file, schema)
    started = time.perf_counter()
    compute_features(frame.head(1_000), schema)
    first = time.perf_counter() - started
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours = best_of(arguments.runs, lambda: compute_features(frame, schema))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    payers, times = pd.factorize(frame[schema.payer])[0], schema.times(frame)
    sort = best_of(arguments.runs, lambda: np.lexsort((times, payers)))
    chosen = pd.unique(frame[schema.payer])[: arguments.sample_payers]
    sample = frame[frame[schema.payer].isin(chosen)]
    plain = best_of(1, lambda: pandas_features(sample, schema))
    scaled = plain * len(frame) / len(sample) * len(WINDOW_FEATURES) / PANDAS_FEATURES
    size = frame.memory_usage(deep=True).sum()
    print(machine())
    print(f"{len(frame):,} rows, {len(WINDOW_FEATURES)} window features, input frame {size / 1e6:.0f} MB\n")
    print(f"{'what':<58}{'seconds':>9}{'ratio':>9}")
    for name, seconds, ratio in (
        ("first call (compiled code from the cache or made)", first, ""),
        ("compute_features, whole call", ours, "1"),
        ("one numpy.lexsort by (payer, time)", sort, f"{ours / sort:.1f}"),
        (f"pandas groupby().rolling(), scaled from {len(sample):,} rows", scaled, f"{scaled / ours:.0f}"),
    ):
        print(f"{name:<58}{seconds:>9.2f}{ratio:>9}")
    print("\nratio: times the sort that ours takes; times ours that pandas takes")
    print(f"memory added at the peak: {grown / 1e6:.0f} MB; with the input {(grown + size) / size:.1f} times the input")


if __name__ == "__main__":
    main()
