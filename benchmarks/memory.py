"""Ten million payments scored in bounded memory.

    python -m benchmarks.memory FILE --store sqlite:///var/mlflow/mlflow.db --model champion [--rows 10000000]

The payments of the file are repeated, each time as those of other payers at the same payees and later in time, until
there are so many rows. They are scored from Parquet to Parquet by a process of its own, whose peak memory is told.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.machine import machine
from fraud_model.data import TableWriter, read_transactions
from fraud_model.schema import TransactionSchema, load_schema

SCORE = """
import sys
from benchmarks.machine import peak_rss
from fraud_model.scorer import Scorer
scorer = Scorer.load(sys.argv[2], tracking_uri=sys.argv[1])
before = peak_rss()
summary = scorer.score_file(sys.argv[3], sys.argv[4])
print(summary.rows, summary.alerts, before, peak_rss())
"""


def write_repeated(frame: pd.DataFrame, schema: TransactionSchema, rows: int, path: Path) -> None:
    """So many rows out of a table's: every turn other payers, and later."""
    span = frame[schema.time].max() - frame[schema.time].min()
    step = pd.Timedelta(hours=1) if schema.step_seconds is None else 1
    payers = frame[schema.payer]
    numbers = pd.api.types.is_integer_dtype(payers)
    written = turn = 0
    with TableWriter(path) as writer:
        while written < rows:
            part = frame.head(rows - written).copy()
            part[schema.time] = part[schema.time] + turn * (span + step)
            if schema.transaction_id is not None:
                part[schema.transaction_id] = range(written, written + len(part))
            moved = payers.head(len(part))
            part[schema.payer] = moved + turn * (int(payers.max()) + 1) if numbers else moved + f"/{turn}"
            writer.write(part)
            written, turn = written + len(part), turn + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="cards")
    parser.add_argument("--store", required=True, help="MLflow store with a model")
    parser.add_argument("--model", default="champion", help="alias or version in that store")
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    schema = load_schema(arguments.schema)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        write_repeated(read_transactions(arguments.file, schema), schema, arguments.rows, source)
        started = time.perf_counter()
        command = [sys.executable, "-c", SCORE, arguments.store, arguments.model, str(source), str(out)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        taken = time.perf_counter() - started
        rows, alerts, before, peak = map(int, done.stdout.split())
        sizes = f"{source.stat().st_size / 1e6:,.0f} MB in, {out.stat().st_size / 1e6:,.0f} MB out"
    print(f"{rows:,} rows scored in {taken:,.0f} s ({rows / taken:,.0f} a second), {alerts:,} alerts, {sizes}")
    print(f"peak memory {peak / 1e9:.2f} GB, of which {before / 1e9:.2f} GB before the first row")


if __name__ == "__main__":
    main()
