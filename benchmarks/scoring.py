"""Scoring, measured beside the bare booster's predict on a ready matrix.

    python -m benchmarks.scoring FILE --schema cards

Trains a model on the file in a store of its own, then scores the same file from Parquet to Parquet, features included,
and one payment with the history of its payer and payee.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.features import best_of, machine
from fraud_model.data import read_transactions, write_table
from fraud_model.schema import load_schema
from fraud_model.scorer import Scorer
from fraud_model.train import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="cards")
    parser.add_argument("--train-days", type=int, default=14)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    schema = load_schema(arguments.schema)
    frame = read_transactions(arguments.file, schema)
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        trained = train(frame, schema, tracking_uri=uri, train_days=arguments.train_days)
        scorer = Scorer.load(trained.version, tracking_uri=uri)
        source, out = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        write_table(frame, source)
        matrix = scorer.features(frame).to_numpy(np.float32)
        booster = scorer._model.booster
        bare = best_of(arguments.runs, lambda: booster.predict(matrix, raw_score=True))
        whole = best_of(arguments.runs, lambda: scorer.score_file(source, out))
        last = frame.iloc[[-1]]
        near = (frame[schema.payer] == last[schema.payer].iloc[0]) | (frame[schema.payee] == last[schema.payee].iloc[0])
        history = frame[near].iloc[:-1]
        scorer.score(last, history=history)
        taken = []
        for _ in range(200):
            started = time.perf_counter()
            scorer.score(last, history=history)
            taken.append(time.perf_counter() - started)
    print(machine())
    print(f"{len(frame):,} rows, {matrix.shape[1]} features, {booster.num_trees()} trees\n")
    print(f"{'what':<58}{'seconds':>9}{'ratio':>9}")
    print(f"{'bare predict on a ready matrix':<58}{bare:>9.2f}{'1':>9}")
    print(f"{'Parquet to scored Parquet, features included':<58}{whole:>9.2f}{whole / bare:>9.2f}")
    middle, high = np.percentile(taken, [50, 95]) * 1_000
    print(f"{f'one payment with {len(history)} payments of history':<58}{middle / 1_000:>9.4f}")
    print(f"\none payment: median {middle:.1f} ms, 95th percentile {high:.1f} ms")


if __name__ == "__main__":
    main()
