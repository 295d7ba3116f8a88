"""The desk on its bigger sisters: an MLflow server, a Chroma server and PostgreSQL, each the real thing."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: list[str], health: str, log: Path) -> Iterator[None]:
    """A server for the length of a test; ready when `health` answers."""
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with log.open("w") as written:
        # A session of its own: MLflow starts workers, which must end with it.
        running = subprocess.Popen(
            command, env=os.environ | quiet, stdout=written, stderr=written, start_new_session=True
        )
        try:
            until = time.monotonic() + START_SECONDS
            while True:
                try:
                    urllib.request.urlopen(health, timeout=2).close()
                    break
                except OSError:
                    assert running.poll() is None and time.monotonic() < until, log.read_text()[-2000:]
                    time.sleep(0.2)
            yield
        finally:
            os.killpg(running.pid, 15)
            running.wait(timeout=30)


@contextmanager
def postgres(folder: Path) -> Iterator[str | None]:
    """A PostgreSQL server with a database `desk`; None where PostgreSQL is not installed here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [
        Path(path) for path in [shutil.which("pg_ctl")] if path
    ]
    if not found:
        yield None
        return
    tools, port, data = found[-1].parent, free_port(), folder / "data"
    folder.mkdir()
    # PostgreSQL refuses to run as root; Debian's package makes a user for it.
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
        for above in [folder, *folder.parents][:-2]:
            above.chmod(above.stat().st_mode | 0o011)

    def run(*command: object) -> None:
        subprocess.run([*as_user, *map(str, command)], check=True, capture_output=True, timeout=START_SECONDS)

    run(tools / "initdb", "-D", data, "-A", "trust", "-U", "desk")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    run(tools / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    try:
        run(tools / "createdb", "-h", "127.0.0.1", "-p", port, "-U", "desk", "desk")
        yield f"postgresql://desk@127.0.0.1:{port}/desk"
    finally:
        run(tools / "pg_ctl", "-D", data, "-m", "fast", "stop")


def test_up_on_servers(tmp_path: Path) -> None:
    tracking, chroma = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    mlflow_server = [
        *[str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", tracking.rpartition(":")[2]],
        *["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "1"],
        *["--artifacts-destination", (tmp_path / "artifacts").as_uri()],
    ]
    chroma_port = chroma.rpartition(":")[2]
    chroma_server = [str(BIN / "chroma"), "run", "--path", str(tmp_path / "chroma"), "--port", chroma_port]
    with ExitStack() as running:
        running.enter_context(server(mlflow_server, f"{tracking}/health", tmp_path / "mlflow.log"))
        running.enter_context(server(chroma_server, f"{chroma}/api/v2/heartbeat", tmp_path / "chroma.log"))
        database = running.enter_context(postgres(tmp_path / "postgres"))
        environment = os.environ | {
            "FRAUDDESK_HOME": str(tmp_path / "home"),
            "FRAUDDESK_TRACKING_URI": tracking,
            "FRAUDDESK_CHROMA_URL": chroma,
            "FRAUDDESK_SIMULATED_ROWS": "10000",
            "FRAUDDESK_SIMULATED_DAYS": "40",
        }
        if database is not None:
            environment["FRAUDDESK_DATABASE_URL"] = database

        def frauddesk(*arguments: str) -> dict[str, object]:
            command = [sys.executable, "-m", "app.cli", *arguments, "--json"]
            done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        made = frauddesk("up", "--no-serve")
        assert made["model_version"] == "1" and made["alerts"] and made["documents"]
        parts = {part["part"]: part for part in frauddesk("doctor")["parts"]}  # type: ignore[attr-defined]
        assert {part["state"] for part in parts.values()} == {"ok"}
        assert tracking in parts["tracking"]["detail"] and chroma in parts["index"]["detail"]
        assert database is None or "postgresql://" in parts["database"]["detail"]
        assert frauddesk("ask", "Who must approve the release of a held payment over 10,000 EUR?")["sentences"]
        assert not (tmp_path / "home" / "mlflow").exists()
        assert database is None or not (tmp_path / "home" / "desk.db").exists()


@pytest.mark.parametrize(
    ("setting", "part"),
    [("TRACKING_URI", "tracking"), ("CHROMA_URL", "index"), ("DATABASE_URL", "database")],
)
def test_doctor_names_the_server_that_is_down(tmp_path: Path, setting: str, part: str) -> None:
    scheme = "postgresql://desk@" if part == "database" else "http://"
    environment = os.environ | {
        "FRAUDDESK_HOME": str(tmp_path),
        f"FRAUDDESK_{setting}": f"{scheme}127.0.0.1:9" + ("/desk" if part == "database" else ""),
    }
    command = [sys.executable, "-m", "app.cli", "doctor", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    finding = next(item for item in json.loads(done.stdout)["parts"] if item["part"] == part)
    assert done.returncode == 1 and finding["state"] == "failed"
    assert "127.0.0.1:9" in finding["detail"] and f"FRAUDDESK_{setting}" in finding["fix"]
