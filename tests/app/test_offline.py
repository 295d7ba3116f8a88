"""No name outside the machine is looked up, and no address outside it is reached, by any command or page.

Python's own audit events tell of every look-up and connection of the process, whichever library asks for it.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

QUESTIONS = Path(__file__).resolve().parents[2] / "eval" / "questions" / "questions.jsonl"
HERE = {"127.0.0.1", "::1", "localhost", "None"}


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
def test_commands_look_up_no_name_outside(
    built_home: Path, tmp_path: Path, arguments: list[str], watched_environment: Callable[[Path, Path], dict[str, str]]
) -> None:
    few = QUESTIONS.read_text(encoding="utf-8").splitlines()[:5]
    (tmp_path / "few.jsonl").write_text("\n".join(few), encoding="utf-8")
    watched = tmp_path / "watched.jsonl"
    command = [sys.executable, "-m", "app.cli", *arguments]
    environment = watched_environment(built_home, watched)
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert outside(watched) == []


def test_a_first_start_looks_up_no_name_outside(built_home: Path) -> None:
    watched = built_home / "watched.jsonl"
    if not watched.exists():
        pytest.skip("this home was made without the watch")
    assert outside(watched) == []


def test_the_watch_sees_a_connection(
    tmp_path: Path, watched_environment: Callable[[Path, Path], dict[str, str]]
) -> None:
    watched = tmp_path / "watched.jsonl"
    program = "import socket; s = socket.socket(); s.settimeout(0.01); s.connect_ex(('192.0.2.1', 9))"
    subprocess.run([sys.executable, "-c", program], env=watched_environment(tmp_path, watched), check=True)
    assert outside(watched) == [["socket.connect", "192.0.2.1"]]


def outside(watched: Path) -> list[list[str]]:
    """Look-ups and connections beyond this machine."""
    assert watched.exists(), "the watch was not installed"
    events = [json.loads(line) for line in watched.read_text().splitlines()]
    return [event for event in events if event[1] not in HERE]
