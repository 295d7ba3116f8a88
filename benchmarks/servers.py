"""Servers that benchmarks start, ask and stop."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

_START_SECONDS = 240.0


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(tracking_uri: str, address: str) -> Iterator[int]:
    """`mlflow models serve` with a registered model, such as `models:/fraud-classifier/3`; gives its port."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "-m", address, "--env-manager", "local"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    with server(command, {"MLFLOW_TRACKING_URI": tracking_uri}, f"http://127.0.0.1:{port}/ping"):
        yield port


@contextmanager
def server(command: Sequence[str], environment: Mapping[str, str], ready: str) -> Iterator[None]:
    """A server for the length of a block; it is ready when the address answers."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            list(command),
            env={**os.environ, "PATH": path, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + _START_SECONDS
            while not _is_ready(ready):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    sys.exit(f"{' '.join(command)} did not start:\n{log.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.5)
            yield
        finally:
            os.killpg(process.pid, 15)
            process.wait()


def _is_ready(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
