"""The desk's `POST /api/score` beside `mlflow models serve` with the same model, in one run.

    frauddesk up --no-serve
    python -m benchmarks.service [--home var] [--seconds 8] [--clients 1 8 32]

Both servers run here, one after the other asked by the same clients over connections that stay open. The desk gets a
payment, looks up the history of its payer and payee, computes the features, scores it and keeps the score for
auditors; MLflow gets the ready features.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from app.desk import Desk
from app.settings import Settings, silence_telemetry
from benchmarks.machine import machine
from benchmarks.servers import free_port, mlflow_server, server

_PAYMENTS = 300
_SETTLE_SECONDS = 12  # after a start, for both alike: what is measured is a service at work, not its start


@dataclass(frozen=True)
class Load:
    """What came of a load: milliseconds at the median and the 99th percentile, requests a second, answers not 200."""

    p50: float
    p99: float
    per_second: float
    failed: int


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path("var"))
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    arguments = parser.parse_args()
    silence_telemetry()
    settings = Settings(home=arguments.home)
    payments, features, address = _requests(settings)
    print(machine())
    with _desk(settings) as port:
        time.sleep(_SETTLE_SECONDS)
        ours = [_loaded(port, "/api/score?reasons=0", payments, n, arguments.seconds) for n in arguments.clients]
    with mlflow_server(settings.mlflow_uri, address) as port:
        time.sleep(_SETTLE_SECONDS)
        theirs = [_loaded(port, "/invocations", features, n, arguments.seconds) for n in arguments.clients]
    print(f"model {address}, {arguments.seconds:.0f} s each; milliseconds and requests a second\n")
    print(f"{'':>7}  {'desk p50':>9} {'p99':>8} {'req/s':>8}  {'mlflow p50':>10} {'p99':>8} {'req/s':>8}  {'times':>6}")
    for clients, first, second in zip(arguments.clients, ours, theirs, strict=True):
        print(
            f"{clients:>7}  {first.p50:>9.1f} {first.p99:>8.1f} {first.per_second:>8.0f}  {second.p50:>10.1f} "
            f"{second.p99:>8.1f} {second.per_second:>8.0f}  {first.per_second / max(second.per_second, 1e-9):>6.1f}"
        )
    failed = sum(load.failed for load in (*ours, *theirs))
    print(f"\nanswers other than 200: {failed}")
    if failed:
        sys.exit(1)


def _requests(settings: Settings) -> tuple[list[bytes], list[bytes], str]:
    """Bodies for the desk (payments), bodies for MLflow (their features), and the model's address."""
    desk = Desk(settings)
    scorer, history = desk.scorer, desk.history
    sample = history.frame.sample(min(_PAYMENTS, len(history.frame)), random_state=0)
    columns = [name for name in scorer.schema.required if name in sample.columns]
    payments = [json.dumps(row, default=str).encode() for row in json.loads(sample[columns].to_json(orient="records"))]
    table = scorer.features(sample, history.around(sample))
    features = [
        json.dumps({"dataframe_split": {"columns": list(table.columns), "data": [row]}}).encode()
        for row in json.loads(table.to_json(orient="values"))
    ]
    return payments, features, f"models:/fraud-classifier/{scorer.model_version}"


@contextmanager
def _desk(settings: Settings) -> Iterator[int]:
    port = free_port()
    environment = {
        "FRAUDDESK_HOME": str(settings.home.resolve()),
        "FRAUDDESK_PORT": str(port),
        # The limit a minute is for strangers; here the speed is what is asked.
        "FRAUDDESK_SCORE_PER_MINUTE": "0",
    }
    with server([sys.executable, "-m", "app.cli", "serve"], environment, f"http://127.0.0.1:{port}/ready"):
        yield port


def _loaded(port: int, path: str, bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Asks for a while with so many clients at once, after a short warming up."""
    asyncio.run(_ask(port, path, bodies, clients, min(2.0, seconds)))
    taken, failed, elapsed = asyncio.run(_ask(port, path, bodies, clients, seconds))
    ordered = sorted(taken)
    return Load(
        statistics.median(ordered) * 1000,
        ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)] * 1000,
        len(ordered) / elapsed,
        failed,
    )


async def _ask(
    port: int, path: str, bodies: Sequence[bytes], clients: int, seconds: float
) -> tuple[list[float], int, float]:
    taken: list[float] = []
    failed = 0
    started = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        own = cycle(bodies[number::clients] or bodies)
        while time.perf_counter() - started < seconds:
            body = next(own)
            head = (
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            sent = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            taken.append(time.perf_counter() - sent)
            failed += b" 200 " not in answer.split(b"\r\n", 1)[0]
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return taken, failed, time.perf_counter() - started


if __name__ == "__main__":
    main()
