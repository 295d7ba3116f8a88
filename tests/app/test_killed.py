"""The service is killed in the middle of an answer, a batch and a decision; after its next start nothing is lost."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

spec = importlib.util.spec_from_file_location("tool_server", Path(__file__).with_name("tool_server.py"))
tool_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool_server)
PATIENCE_SECONDS = 120


class Service:
    """A served desk, and how to ask it."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.process = process

    def ask(self, method: str, path: str, body=None, kind="application/json"):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.loads(answer.read())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


@contextmanager
def served(home: Path, **settings: str) -> Iterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAUDDESK_")}
    environment |= {"FRAUDDESK_HOME": str(home), "FRAUDDESK_PORT": str(port)} | settings
    log = home / "served.log"
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "app.cli", "serve"], env=environment, stdout=out, stderr=out)
    service = Service(port, process)
    try:
        eventually(lambda: process.poll() is not None or reached(service), log.read_text)
        assert process.poll() is None, log.read_text()
        yield service
    finally:
        process.kill()
        process.wait(20)


def reached(service: Service) -> bool:
    try:
        return bool(service.ask("GET", "/ready")["ready"])
    except OSError:
        return False


def eventually(holds, told=lambda: ""):
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < end, told()
        time.sleep(0.05)
    return found


@pytest.fixture
def home(built_home, tmp_path):
    return Path(shutil.copytree(built_home, tmp_path / "served"))


def upload(name: str, table: pd.DataFrame) -> tuple[bytes, str]:
    head = f'--mark\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + table.to_csv(
        index=False
    ).encode() + b"\r\n--mark--\r\n", "multipart/form-data; boundary=mark"


def test_killed_in_the_middle_of_an_answer_a_batch_and_a_decision(home):
    model = tool_server.ToolServer()
    model.manner.tools, model.manner.seconds = False, 60.0
    own = {"FRAUDDESK_LLM": "ollama:llama3.2", "FRAUDDESK_OLLAMA_URL": model.url}
    table = pd.read_parquet(home / "data" / "transactions.parquet").drop(columns="isFraud")
    table = pd.concat([table] * 2, ignore_index=True)
    question = {"question": "How long is a payment over 10,000 EUR held?", "conversation_id": "new"}
    decision = {"decision": "confirmed_fraud", "reason_code": "F02", "note": "The otter was paid for twice"}
    ends: dict[str, object] = {}

    def send(service, path, body):
        try:
            ends[path] = service.ask("POST", path, body)
        except OSError as error:
            ends[path] = error

    try:
        with served(home, **own) as service:
            service.ask("POST", "/api/alerts/1/disposition", decision)
            asking = threading.Thread(target=send, args=(service, "/api/ask", question))
            asking.start()
            job = service.ask("POST", "/api/jobs/score", *upload("night.csv", table))
            eventually(lambda: model.manner.requests)
            eventually(lambda: service.ask("GET", f"/api/jobs/{job['id']}")["state"] == "running")
            deciding = threading.Thread(target=send, args=(service, "/api/alerts/2/disposition", decision))
            deciding.start()
            service.kill()
            asking.join(20)
            deciding.join(20)
            assert isinstance(ends["/api/ask"], OSError)
        model.manner.seconds = 0.0
        with served(home, **own) as service:
            # The decision that was answered stands, with its note; the one on its way stands whole or not at all.
            first, second = (service.ask("GET", f"/api/alerts/{number}") for number in (1, 2))
            assert first["state"] == "confirmed_fraud"
            assert second["state"] == "confirmed_fraud" or isinstance(ends["/api/alerts/2/disposition"], OSError)
            assert [len(alert["dispositions"]) for alert in (first, second)] == [1, int(second["state"] != "open")]
            eventually(lambda: "otter" in json.dumps(service.ask("GET", "/api/documents/search?q=otter+paid+twice")))
            # The question is kept; its answer is known to be unfinished, and can be asked for again.
            talk = service.ask("GET", "/api/conversations")["items"][0]
            asked, answer = service.ask("GET", f"/api/conversations/{talk['id']}")["messages"]
            assert (asked["content"], answer["state"]) == (question["question"], "interrupted")
            again = service.ask("POST", "/api/ask", question | {"conversation_id": talk["id"]})
            assert again["status"] in ("answered", "partial", "not_in_documents")
            # The batch goes on by itself.
            done = eventually(lambda: finished(service, job["id"]))
            assert (done["state"], done["result"]["rows"]) == ("done", len(table))
            scores = urllib.request.urlopen(f"{service.address}/api/jobs/{job['id']}/result").read().decode()
            assert scores.count("\n") == len(table) + 1
        verified = subprocess.run(
            [sys.executable, "-m", "app.cli", "records", "verify"],
            env=os.environ | {"FRAUDDESK_HOME": str(home)}, capture_output=True, text=True,
        )  # fmt: skip
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        model.stop()


def finished(service, job_id):
    job = service.ask("GET", f"/api/jobs/{job_id}")
    return job if job["state"] in ("done", "failed") else None
