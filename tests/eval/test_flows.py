"""Measurements as processes: what they said, errors, time limits, and nothing left running."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.flows import MeasurementFailed, run_command


def test_the_result_of_a_command_is_kept() -> None:
    assert run_command([sys.executable, "-c", "print('verdict stable')"], 60) == "verdict stable"


def test_a_command_that_fails_tells_its_last_lines() -> None:
    program = "import sys; print('frauddesk: no champion', file=sys.stderr); sys.exit(1)"
    with pytest.raises(MeasurementFailed, match="exit code 1: frauddesk: no champion"):
        run_command([sys.executable, "-c", program], 60)


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(MeasurementFailed, match="/nowhere/at-all cannot be started"):
        run_command(["/nowhere/at-all"], 60)


def test_at_the_time_limit_everything_that_was_started_ends(tmp_path: Path) -> None:
    note = tmp_path / "child"
    program = (
        "import subprocess, sys, time; from pathlib import Path\n"
        f"child = subprocess.Popen(['sleep', '60']); Path({str(note)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    with pytest.raises(MeasurementFailed, match="time limit of 3 s"):
        run_command([sys.executable, "-c", program], 3)
    child = note.read_text()
    for _ in range(50):
        state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True).stdout.strip()
        if state in ("", "Z"):
            break
        time.sleep(0.1)
    assert state in ("", "Z")
