"""A tracking store is made whole or not at all."""

import subprocess
import sys
import time
from pathlib import Path

from fraud_model.registry import initialise
from fraud_model.tracking import client


def test_a_creation_killed_in_the_middle_is_done_anew(tmp_path: Path) -> None:
    path = tmp_path / "mlflow" / "mlflow.db"
    uri = f"sqlite:///{path}"
    code = f"from fraud_model.registry import initialise; initialise({uri!r})"
    creating = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    fresh = path.with_name("mlflow.db.new")
    while creating.poll() is None and not fresh.exists():
        time.sleep(0.01)
    time.sleep(0.3)  # into the migrations
    creating.kill()
    creating.wait()
    assert not path.exists(), "the store stood in its place before it was whole"
    initialise(uri)
    assert client(uri).search_experiments(max_results=1)
    assert not fresh.exists()
