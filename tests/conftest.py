"""Fixtures shared by all tests: a home of its own for each, no environment of the user's, and the browser."""

import importlib.util
import os
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("find_browser", Path(__file__).with_name("find_browser.py"))
assert _SPEC is not None and _SPEC.loader is not None
find_browser = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(find_browser)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


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
