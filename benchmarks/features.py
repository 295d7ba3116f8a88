"""Features, measured beside one sort of the rows, pandas, and where installed Polars and DuckDB.

    python -m benchmarks.features FILE [--schema cards] [--sample 0.05] [--runs 5]

`compute_features` is measured as called for a model. For the comparison, all sides compute the same windows, strictly
before each payment, over the payments of its payer and of its payee: count, sum, mean, deviation and maximum of the
amounts, and the number of different counterparties, over 1, 7 and 30 days. pandas, Polars and DuckDB do it for all
payments of a sample of payers (payees), and are scaled by rows. What they compute is compared with ours.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.machine import Timing, best_of, machine, peak_bytes, print_table, timed_result
from fraud_model.data import read_transactions
from fraud_model.definitions import BLOCK, PAYEE_PLACES, PAYER_PLACES, ROW_FEATURES, feature_names
from fraud_model.entities import read_keys
from fraud_model.features import FeatureTable, compute_features
from fraud_model.schema import TransactionSchema, load_schema

DAYS = (1, 7, 30)
PLAIN = ("count", "sum", "mean", "std", "max")
KINDS = (*PLAIN, "others")
PLACES = tuple(BLOCK.index((kind, f"{days}d")) for days in DAYS for kind in KINDS)
NAMES = [f"{kind}_{days}d" for days in DAYS for kind in KINDS]

COLD = """
import sys, time
started = time.perf_counter(), time.process_time()
import pandas as pd
from fraud_model.features import compute_features
from fraud_model.schema import load_schema
imported = time.perf_counter(), time.process_time()
compute_features(pd.read_pickle(sys.argv[1]), load_schema(sys.argv[2]))
print(imported[0] - started[0], time.perf_counter() - imported[0], time.process_time() - imported[1])
"""


def ours(frame: pd.DataFrame, schema: TransactionSchema) -> np.ndarray:
    """The compared windows, payers' first, then payees', shape (rows, 36)."""
    table = FeatureTable(read_keys([frame], schema), schema, PLACES, PLACES)
    return table.rows(0, len(table))[:, len(ROW_FEATURES) :]


def in_pandas(frame: pd.DataFrame, schema: TransactionSchema, side: str, kinds: tuple[str, ...]) -> pd.DataFrame:
    """The windows of one side by groupby().rolling(), in input order."""
    key, other = (schema.payer, schema.payee) if side == "payer" else (schema.payee, schema.payer)
    timed = frame.assign(other=pd.factorize(frame[other])[0].astype(float), row=np.arange(len(frame)))
    timed = timed.sort_values([key, schema.time], kind="stable").set_index(schema.time)
    groups = timed.groupby(key)
    found = {}
    for days in DAYS:
        amounts = groups[schema.amount].rolling(f"{days}D", closed="left")
        others = groups["other"].rolling(f"{days}D", closed="left")
        for kind in kinds:
            if kind == "others":
                column = others.apply(lambda values: np.unique(values).size, raw=True)
            else:
                column = getattr(amounts, kind)()
            found[f"{kind}_{days}d"] = column.to_numpy()
    return pd.DataFrame(found, index=timed["row"].to_numpy()).sort_index()


def in_polars(frame: pd.DataFrame, schema: TransactionSchema, side: str) -> pd.DataFrame:
    """The plain windows of one side by rolling_*_by, in input order."""
    import polars as pl

    key = schema.payer if side == "payer" else schema.payee
    table = pl.DataFrame(
        {"t": schema.times(frame), "key": frame[key].to_numpy(), "amount": frame[schema.amount].to_numpy()}
    )
    table = table.with_columns(one=pl.lit(1, pl.Int64)).with_row_index("row").sort("t", maintain_order=True)
    columns = []
    for days in DAYS:
        window = {"window_size": f"{days * 86_400}i", "closed": "left"}
        amount = pl.col("amount")
        for kind, column in (
            ("count", pl.col("one").rolling_sum_by("t", min_samples=0, **window)),
            ("sum", amount.rolling_sum_by("t", min_samples=0, **window)),
            ("mean", amount.rolling_mean_by("t", **window)),
            ("std", amount.rolling_std_by("t", min_samples=2, **window)),
            ("max", amount.rolling_max_by("t", **window)),
        ):
            columns.append(column.over("key").alias(f"{kind}_{days}d"))
    return table.select("row", *columns).sort("row").drop("row").to_pandas()


def in_duckdb(frame: pd.DataFrame, schema: TransactionSchema, side: str) -> pd.DataFrame:
    """The plain windows of one side by SQL window functions, in input order."""
    import duckdb

    key = schema.payer if side == "payer" else schema.payee
    table = pd.DataFrame(
        {
            "line": np.arange(len(frame)),
            "t": schema.times(frame),
            "key": frame[key].to_numpy(),
            "amount": frame[schema.amount].to_numpy(),
        }
    )
    functions = {"count": "count(*)", "sum": "sum", "mean": "avg", "std": "stddev_samp", "max": "max"}
    columns, windows = [], []
    for days in DAYS:
        windows.append(
            f"w{days} AS (PARTITION BY key ORDER BY t RANGE BETWEEN {days * 86_400} PRECEDING AND 1 PRECEDING)"
        )
        for kind, function in functions.items():
            call = function if "(" in function else f"{function}(amount)"
            columns.append(f"{call} OVER w{days} AS {kind}_{days}d")
    query = f"SELECT {', '.join(columns)} FROM payments WINDOW {', '.join(windows)} ORDER BY line"
    with duckdb.connect() as connection:
        connection.register("payments", table)
        return connection.sql(query).df()


def scaled(
    frame: pd.DataFrame,
    samples: dict[str, np.ndarray],
    expected: np.ndarray,
    kinds: tuple[str, ...],
    compute: Callable[[pd.DataFrame, str], pd.DataFrame],
) -> tuple[Timing, str]:
    """The time for both sides over all rows, scaled from samples, and whether the results are ours."""
    timing, agree = Timing(0.0, 0.0), True
    for number, (side, rows) in enumerate(samples.items()):
        sample = frame.iloc[rows]
        found, taken = timed_result(compute, sample, side)
        timing += taken.scaled(len(frame) / len(sample))
        columns = [len(NAMES) * number + NAMES.index(f"{kind}_{days}d") for days in DAYS for kind in kinds]
        theirs = found[[f"{kind}_{days}d" for days in DAYS for kind in kinds]].to_numpy(np.float64)
        same = np.isclose(np.nan_to_num(theirs), np.nan_to_num(expected[rows][:, columns]), rtol=1e-4, atol=0.02)
        agree &= bool(same.mean() > 0.9999)
    return timing, "same results" if agree else "RESULTS DIFFER"


def cold_start(frame: pd.DataFrame, schema: str) -> tuple[float, Timing]:
    """Seconds of the imports, and what the first call ever takes: every loop is compiled, nothing cached."""
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample.pkl"
        frame.head(1_000).to_pickle(sample)
        made = subprocess.run(
            [sys.executable, "-c", COLD, str(sample), schema],
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
            check=True,
            capture_output=True,
            text=True,
        )
    imports, seconds, processor = map(float, made.stdout.split())
    return imports, Timing(seconds, processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="cards")
    parser.add_argument("--sample", type=float, default=0.05, help="share of payers and payees for the other libraries")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    schema = load_schema(arguments.schema)
    frame = read_transactions(arguments.file, schema)
    compute_features(frame.head(1_000), schema)
    size = int(frame.memory_usage(deep=True).sum())
    grown = min(peak_bytes(lambda: compute_features(frame, schema)) for _ in range(3))
    imports, cold = cold_start(frame, arguments.schema)

    payers, times = pd.factorize(frame[schema.payer])[0], schema.times(frame)
    sort = best_of(arguments.runs, lambda: np.lexsort((times, payers)))
    whole = best_of(arguments.runs, lambda: compute_features(frame, schema))
    compared = best_of(arguments.runs, lambda: ours(frame, schema))

    rng = np.random.default_rng(0)
    samples = {}
    for side, key in (("payer", schema.payer), ("payee", schema.payee)):
        known = pd.unique(frame[key])
        chosen = rng.choice(known, max(1, int(arguments.sample * len(known))), replace=False)
        samples[side] = np.flatnonzero(frame[key].isin(chosen))
    expected = ours(frame, schema)

    used = len(PAYER_PLACES) + len(PAYEE_PLACES)
    print(machine())
    print(f"{len(frame):,} rows; {used} window features for a model; {2 * len(NAMES)} windows compared")
    print_table(
        "features of a model",
        [
            ("one numpy.lexsort by (payer, time)", sort, "1"),
            (f"compute_features, {len(feature_names(schema))} columns, whole call", whole, whole.against(sort)),
            ("first call ever: all loops compiled", cold, f"after {imports:.1f} s of imports"),
        ],
    )
    lines: list[tuple[str, Timing, str]] = [(f"ours, {2 * len(NAMES)} windows, whole call", compared, "1")]
    for name, kinds, compute in (
        ("pandas groupby().rolling()", KINDS, lambda part, side: in_pandas(part, schema, side, KINDS)),
        ("pandas, without counterparties", PLAIN, lambda part, side: in_pandas(part, schema, side, PLAIN)),
        ("polars", PLAIN, lambda part, side: in_polars(part, schema, side)),
        ("duckdb", PLAIN, lambda part, side: in_duckdb(part, schema, side)),
    ):
        if importlib.util.find_spec(name.split()[0].rstrip(",")) is not None:
            timing, verdict = scaled(frame, samples, expected, kinds, compute)
            windows = 2 * len(kinds) * len(DAYS)
            lines.append((f"{name}, {windows} windows", timing, f"{timing.against(compared)}; {verdict}"))
    print_table(f"the same windows; others scaled from {arguments.sample:.0%} of the accounts", lines)
    print(f"\ninput frame {size / 1e6:.1f} MB; memory added by compute_features at its peak, result included:")
    print(f"{grown / 1e6:.1f} MB, {grown / size:.2f} times the input frame")


if __name__ == "__main__":
    main()
