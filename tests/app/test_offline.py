"""No name outside the machine is looked up, and no address outside it is reached, by any command or page.

Python's own audit events tell of every look-up and connection of the process, whichever library asks for it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import json, os, sys
_said = open(os.environ["WATCH_FILE"], "a", buffering=1)
def _hook(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        _said.write(json.dumps([event, str(args[0])]) + chr(10))
    elif event == "socket.connect" and isinstance(args[1], tuple):
        _said.write(json.dumps([event, str(args[1][0])]) + chr(10))
sys.addaudithook(_hook)
"""
QUESTIONS = Path(__file__).resolve().parents[2] / "eval" / "questions" / "questions.jsonl"
HERE = {"127.0.0.1", "::1", "localhost", "None"}
TELEMETRY = ("DO_NOT_TRACK", "TELEMETRY", "ANALYTICS", "RAGAS", "HF_HUB_OFFLINE", "FRAUDDESK_", "MLFLOW_")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "What is a mule chain?"],
        ["eval", "rag", "--questions", "few.jsonl"],
        ["eval", "drift"],
        ["index", "search", "structuring"],
        ["models", "list"],
    ],
    ids=" ".join,
)
def test_commands_look_up_no_name_outside(built_home: Path, tmp_path: Path, arguments: list[str]) -> None:
    few = QUESTIONS.read_text(encoding="utf-8").splitlines()[:5]
    (tmp_path / "few.jsonl").write_text("\n".join(few), encoding="utf-8")
    assert outside(built_home, tmp_path, arguments) == []


def test_a_first_start_looks_up_no_name_outside(tmp_path: Path) -> None:
    rows = {"FRAUDDESK_SIMULATED_ROWS": "10000", "FRAUDDESK_SIMULATED_DAYS": "40"}
    assert outside(tmp_path / "home", tmp_path, ["up", "--no-serve"], rows) == []


def outside(home: Path, folder: Path, arguments: list[str], settings: dict[str, str] | None = None) -> list[list[str]]:
    """Look-ups and connections beyond this machine that one command made, with the user's switches left unset."""
    (folder / "sitecustomize.py").write_text(WATCH)
    watched = folder / "watched.jsonl"
    environment = {name: value for name, value in os.environ.items() if not any(part in name for part in TELEMETRY)}
    environment |= {"FRAUDDESK_HOME": str(home), "PYTHONPATH": str(folder), "WATCH_FILE": str(watched)}
    command = [sys.executable, "-m", "app.cli", *arguments]
    done = subprocess.run(command, env=environment | (settings or {}), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert watched.exists(), "the watch was not installed"
    events = [json.loads(line) for line in watched.read_text().splitlines()]
    return [event for event in events if event[1] not in HERE]
