"""Fixtures shared by all tests: a home of its own for each, no environment of the user's, and the browser."""

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

_SPEC = importlib.util.spec_from_file_location("find_browser", Path(__file__).with_name("find_browser.py"))
assert _SPEC is not None and _SPEC.loader is not None
find_browser = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(find_browser)

TELEMETRY = ("DO_NOT_TRACK", "TELEMETRY", "ANALYTICS", "RAGAS", "HF_HUB_OFFLINE", "FRAUDDESK_", "MLFLOW_")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses tests of the same id: of those, the workers would run one and count all as run."""
    twice = [name for name, times in Counter(item.nodeid for item in items).items() if times > 1]
    if twice:
        raise pytest.UsageError(f"tests share an id: {', '.join(twice)}")


@pytest.fixture(autouse=True)
def isolated_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the user's reaches a test, and nothing a test writes reaches the user's home."""
    for name in list(os.environ):
        if name.startswith("FRAUDDESK_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FRAUDDESK_HOME", str(tmp_path / "home"))


@pytest.fixture
def shared_data() -> Path:
    """Folder of real transactions for development; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the development data are not beside the project")
    return SHARED_DATA


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Chromium; without one the test is left out, or fails where CI=true."""
    path = find_browser.find()
    if path is None:
        message = "no Chromium: browser tests left out (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def watched_environment() -> Callable[[Path, Path], dict[str, str]]:
    """Makes the environment of a command whose look-ups and connections are written down in a file.

    The user's own switches against telemetry are left out of it.
    """

    def make(home: Path, watched: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not any(part in name for part in TELEMETRY)}
        folder = str(Path(__file__).with_name("watch"))
        return kept | {"FRAUDDESK_HOME": str(home), "PYTHONPATH": folder, "WATCH_FILE": str(watched)}

    return make


@pytest.fixture(scope="session")
def built_home(
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
    watched_environment: Callable[[Path, Path], dict[str, str]],
) -> Path:
    """A home that `frauddesk up --no-serve` has made on 40,000 payments; read it, copy it, never change it.

    Made once for all test workers. In it lie its printed summary, `summary.json`, and `watched.jsonl`: every name
    that was looked up and every place that was reached meanwhile.
    """
    if os.environ.get("DESK_TEST_HOME"):  # made before by the same command: quicker while working on the page
        return Path(os.environ["DESK_TEST_HOME"])
    base = tmp_path_factory.getbasetemp()
    home = (base if worker_id == "master" else base.parent) / "built_home"
    with FileLock(f"{home}.lock"):
        if not (home / "summary.json").exists():
            home.mkdir(exist_ok=True)
            environment = watched_environment(home, home / "watched.jsonl")
            environment |= {"FRAUDDESK_SIMULATED_ROWS": "40000", "FRAUDDESK_SIMULATED_DAYS": "45"}
            command = [sys.executable, "-m", "app.cli", "up", "--no-serve", "--json"]
            done = subprocess.run(command, cwd=home.parent, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            summary = json.loads(done.stdout)
            (home / "summary.json").write_text(json.dumps(summary))
    return home
