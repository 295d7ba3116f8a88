"""Time and memory of a drift check, and how often it is right.

    python benchmarks/drift.py                    # the default desk: reference 8,000 rows, window 15,000, 50 columns
    python benchmarks/drift.py --rows 1000000     # a window of a million rows
    python benchmarks/drift.py --simulated        # the same on simulated payments: quiet weeks, shifted behaviour
    python benchmarks/drift.py --rates            # detection and false alarms over 20 seeds each, as a table

Runs on made-up features in a temporary MLflow store; nothing outside it is touched.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

TYPES = ["CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER"]
SEEDS = 20


def features(rows: int, seed: int, columns: int = 50) -> pd.DataFrame:
    """Features shaped as those of payments: amounts, counts, flags, gaps with missing values, a type, a score."""
    rng = np.random.default_rng(seed)
    made: dict[str, object] = {}
    for number in range(columns - 2):
        kind = number % 4
        if kind == 0:
            made[f"amount_{number}"] = rng.lognormal(4, 1, rows).astype(np.float32)
        elif kind == 1:
            made[f"count_{number}"] = rng.poisson(0.2 + number / 20, rows).astype(np.float32)
        elif kind == 2:
            made[f"flag_{number}"] = (rng.random(rows) < 0.02 + number / 200).astype(np.float32)
        else:
            gaps = rng.exponential(5 + number, rows).astype(np.float32)
            made[f"gap_{number}"] = np.where(rng.random(rows) < 0.1, np.float32("nan"), gaps)
    made["type"] = rng.choice(TYPES, rows, p=[0.22, 0.35, 0.01, 0.34, 0.08])
    made["fraud_probability"] = np.clip(rng.beta(1, 80, rows) + (rng.random(rows) < 0.004) * 0.6, 0, 1)
    return pd.DataFrame(made)


def _unchanged(frame: pd.DataFrame) -> None:
    """The same world."""


def _units(frame: pd.DataFrame) -> None:
    frame["amount_0"] *= 100


def _shift(frame: pd.DataFrame) -> None:
    frame["amount_0"] *= 1.8


def _slight_shift(frame: pd.DataFrame) -> None:
    frame["amount_0"] *= 1.1


def _new_category(frame: pd.DataFrame) -> None:
    frame.loc[np.random.default_rng(0).random(len(frame)) < 0.02, "type"] = "INSTANT"


def _missing(frame: pd.DataFrame) -> None:
    frame.loc[np.random.default_rng(0).random(len(frame)) < 0.2, "amount_0"] = np.nan


def _scores(frame: pd.DataFrame) -> None:
    frame["fraud_probability"] = np.clip(frame["fraud_probability"] * 2, 0, 1)


CHANGES: dict[str, tuple[Callable[[pd.DataFrame], None], str]] = {
    "nothing changed": (_unchanged, ""),
    "units x 100": (_units, "amount_0"),
    "amounts x 1.8": (_shift, "amount_0"),
    "amounts x 1.1": (_slight_shift, "amount_0"),
    "a new category, 2%": (_new_category, "type"),
    "20% missing": (_missing, "amount_0"),
    "scores doubled": (_scores, "fraud_probability"),
}


def rates() -> None:
    """Print, by change and window, in how many of the seeds the column was named and another column accused."""
    from eval.drift_checks import compare_columns
    from eval.psi import STABLE

    print(f"{'change':22} {'rows':>8} {'named':>8} {'another accused':>16}   ({SEEDS} seeds)")
    for rows in (1_000, 5_000, 20_000):
        for name, (change, column) in CHANGES.items():
            named = accused = 0
            for seed in range(SEEDS):
                reference, current = features(8_000, 2 * seed), features(rows, 2 * seed + 1)
                change(current)
                found = compare_columns(reference, current, list(reference.columns), minimum_rows=1_000)
                alarms = {drift.column for drift in found.columns if drift.verdict != STABLE}
                named += column in alarms
                accused += bool(alarms - {column})
            print(f"{name:22} {rows:>8,} {f'{named}/{SEEDS}' if column else '-':>8} {f'{accused}/{SEEDS}':>16}")


def simulated_rates() -> None:
    """Print how often simulated payments alarm: quiet weeks, and weeks from which on behaviour has shifted."""
    from eval.drift_checks import compare_columns
    from eval.psi import ACT, STABLE
    from fraud_model.features import compute_features
    from fraud_model.schema import load_schema
    from fraud_model.simulate import simulate

    schema = load_schema("paysim")
    print(f"{'simulated payments':44} {'act':>8} {'any mark':>9} {'columns marked':>15}   ({SEEDS} seeds)")
    for name, shift in (("a quiet week after a quiet fortnight", None), ("behaviour shifts with the week", 76)):
        acted = marked = 0
        counts: list[int] = []
        for seed in range(SEEDS):
            payments = simulate(120_000, 90, 100 + seed, shift_from=shift)
            table = compute_features(payments, schema)
            day = ((payments["step"] - 1) // 24).to_numpy()
            rows = np.flatnonzero((day >= 62) & (day < 76))
            sample = np.sort(np.random.default_rng(seed).choice(rows, 8_000, replace=False))
            window = table[(day >= 76) & (day < 83)]
            # Four weeks before the reference, from which on a month of history is known.
            earlier = [table[(day >= first) & (day < first + 7)] for first in range(34, 62, 7)]
            found = compare_columns(
                table.iloc[sample], window, list(table.columns), minimum_rows=1_000, earlier=earlier
            )
            verdicts = [drift.verdict for drift in found.columns]
            acted += ACT in verdicts
            counts.append(sum(verdict != STABLE for verdict in verdicts))
            marked += counts[-1] > 0
        spread = f"{min(counts)} to {max(counts)}"
        print(f"{name:44} {f'{acted}/{SEEDS}':>8} {f'{marked}/{SEEDS}':>9} {spread:>15}")
    print("act in one window is only watched; the verdict says act when two windows in a row agree on a column")


def timing(rows: int, reference_rows: int, columns: int) -> None:
    """Print the time of two checks (the first makes the MLflow database) and the peak memory."""
    started = time.perf_counter()
    from eval.drift import run_drift

    print(f"imports {time.perf_counter() - started:.1f} s")
    with tempfile.TemporaryDirectory() as home:
        reference = features(reference_rows, 0, columns)
        for turn in ("first, with a new MLflow database", "second"):
            current = features(rows, 1 if turn == "second" else 2, columns)
            started = time.perf_counter()
            result = run_drift(
                reference,
                current,
                tracking_uri=f"sqlite:///{home}/ml.db",
                artifact_root=f"{home}/artifacts",
                threshold=0.5,
            )
            size = result.html_path.stat().st_size / 1e6 if result.html_path else 0.0
            took = time.perf_counter() - started
            print(f"{turn}: {rows:,} rows x {columns} columns, {took:.1f} s, {result.verdict}, HTML {size:.1f} MB")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=15_000, help="rows of the current window")
    parser.add_argument("--reference-rows", type=int, default=8_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--rates", action="store_true", help="detection and false alarms instead of time")
    parser.add_argument("--simulated", action="store_true", help="the same on simulated payments")
    given = parser.parse_args()
    if given.rates:
        rates()
    elif given.simulated:
        simulated_rates()
    else:
        timing(given.rows, given.reference_rows, given.columns)


if __name__ == "__main__":
    main()
