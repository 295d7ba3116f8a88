"""Scoring, measured beside LightGBM's bare predict on a ready matrix, and beside one request to `mlflow models serve`.

    python -m benchmarks.scoring FILE --schema cards [--train-days 14] [--runs 2]
    python -m benchmarks.scoring FILE --schema cards --store sqlite:///var/mlflow/mlflow.db --model champion

Scores the file from Parquet to Parquet, features included, and single payments with the history of their payer and
payee. Without `--store` a model is trained first, in a store of its own. MLflow's server gets ready features, one row a
request over one connection that stays open; it is the same model with the same calibration.
"""

import argparse
import http.client
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.machine import Timing, best_of, machine, print_table, timed_result
from benchmarks.servers import mlflow_server
from fraud_model.data import read_transactions, write_table
from fraud_model.schema import TransactionSchema, load_schema
from fraud_model.scorer import Scorer

PAYMENTS = 200


@contextmanager
def model_of(arguments: argparse.Namespace, frame: pd.DataFrame, schema: TransactionSchema) -> Iterator[tuple]:
    """A scorer and its store's address: the named one, or a model trained for the occasion."""
    if arguments.store is not None:
        yield Scorer.load(arguments.model, schema=schema, tracking_uri=arguments.store), arguments.store
        return
    from fraud_model.registry import initialise
    from fraud_model.train import train

    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/mlflow.db"
        initialise(store, Path(folder) / "artifacts")
        trained = train(frame, schema, tracking_uri=store, train_days=arguments.train_days)
        yield Scorer.load(trained.version, tracking_uri=store), store


def batch(scorer: Scorer, frame: pd.DataFrame, runs: int) -> None:
    """Parquet to scored Parquet beside the bare predict."""
    booster = scorer._model.booster
    matrix = scorer.features(frame).to_numpy(np.float32)
    print(f"{len(frame):,} rows, {matrix.shape[1]} features, {booster.num_trees()} trees")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        write_table(frame.head(1_000), source)
        scorer.score_file(source, out)  # loads and compiles what is needed
        write_table(frame, source)
        whole = best_of(runs, lambda: scorer.score_file(source, out))
        scored = pd.read_parquet(out)["fraud_probability"].to_numpy()
    raw, bare = timed_result(lambda: booster.predict(matrix, raw_score=True))
    bare = min([bare, *(best_of(1, lambda: booster.predict(matrix, raw_score=True)) for _ in range(runs - 1))],
               key=lambda timing: timing.seconds)  # fmt: skip
    own = best_of(runs, lambda: scorer.predict(pd.DataFrame(matrix, columns=list(scorer.feature_names))))
    same = np.array_equal(scorer._model.description.calibrator.probabilities(raw), scored)
    print_table(
        "batch",
        [
            ("booster.predict on a ready matrix", bare, "1"),
            ("our predict on a ready matrix", own, own.against(bare)),
            ("Parquet to scored Parquet, features included", whole, whole.against(bare)),
        ],
    )
    print(f"{len(frame) / whole.seconds:,.0f} rows a second; same probabilities as LightGBM: {'yes' if same else 'NO'}")


def single(scorer: Scorer, frame: pd.DataFrame, store: str) -> None:
    """One payment with its history beside one request with ready features."""
    schema = scorer.schema
    chosen = np.random.default_rng(0).choice(np.arange(len(frame) // 2, len(frame)), PAYMENTS, replace=False)
    payments, histories = [], []
    for row in chosen:
        now = frame.iloc[[row]]
        past = frame.iloc[:row]
        near = (past[schema.payer] == now[schema.payer].iloc[0]) | (past[schema.payee] == now[schema.payee].iloc[0])
        payments.append(now)
        histories.append(past[near])
    scorer.score(payments[0], history=histories[0])
    ours = [timed_result(scorer.score, now, past) for now, past in zip(payments, histories, strict=True)]
    columns = list(scorer.feature_names)
    bodies = []
    for now, past in zip(payments, histories, strict=True):
        values = [None if value != value else float(value) for value in scorer.features(now, past).to_numpy()[0]]
        bodies.append(json.dumps({"dataframe_split": {"columns": columns, "data": [values]}}))
    with mlflow_server(store, f"models:/fraud-classifier/{scorer.model_version}") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def request(body: str) -> float:
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text[:500]
            return float(json.loads(text)["predictions"][0]["fraud_probability"])

        for body in bodies[:20]:
            request(body)
        theirs = [timed_result(request, body) for body in bodies]
        again = [timed_result(scorer.score, now, past) for now, past in zip(payments, histories, strict=True)]
        connection.close()
    ours = min(ours, again, key=lambda turn: median(turn))
    same = all(
        abs(float(a["fraud_probability"].iloc[0]) - b) < 1e-9 for (a, _), (b, _) in zip(ours, theirs, strict=True)
    )
    print(f"\none payment with its history ({np.mean([len(past) for past in histories]):.0f} payments on average)")
    print(f"{'milliseconds':<46}{'median':>9}{'95th':>9}")
    for name, turn in (("our score: history to probability", ours), ("one request to mlflow models serve", theirs)):
        milliseconds = [timing.seconds * 1000 for _, timing in turn]
        print(f"{name:<46}{np.median(milliseconds):>9.2f}{np.percentile(milliseconds, 95):>9.2f}")
    share = median(ours) / median(theirs)
    print(f"ours takes {share:.2f} times the request; same probabilities: {'yes' if same else 'NO'}")


def median(turn: list[tuple[object, Timing]]) -> float:
    """Middle of the seconds on the clock."""
    return float(np.median([timing.seconds for _, timing in turn]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--schema", default="cards")
    parser.add_argument("--train-days", type=int, default=14)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--store", help="MLflow store with a model; by default one is trained")
    parser.add_argument("--model", default="champion", help="alias or version in that store")
    arguments = parser.parse_args()
    schema = load_schema(arguments.schema)
    frame = read_transactions(arguments.file, schema)
    print(machine())
    with model_of(arguments, frame, schema) as (scorer, store):
        batch(scorer, frame, arguments.runs)
        single(scorer, frame, store)
    print(f"\nafterwards: {machine()}")


if __name__ == "__main__":
    main()
