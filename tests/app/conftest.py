"""A store with a few alerts, served copies of the home that `frauddesk up` built, and the browser."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.audit import AuditTrail
from app.desk import Desk
from app.records import ReasonRecord, Scored
from app.settings import Settings
from app.store import Store
from app.users import Users

PASSWORD = "correct horse battery"
_BROWSER_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/desk.db")
    yield opened
    opened.close()


@pytest.fixture
def scored() -> Callable[..., Scored]:
    """Makes scored payments, each an hour after the one before."""

    def make(number: int = 1, **changes: object) -> Scored:
        values = {
            "transaction_id": f"T{number:08d}",
            "event_time": datetime(2026, 8, 1, tzinfo=UTC) + timedelta(hours=number),
            "payer": f"C{number}",
            "payee": f"M{number % 3}",
            "amount": 100.0 * number,
            "currency": "EUR",
            "probability": 0.5,
            "threshold": 0.4,
            "model_version": "1",
            "transaction": {"amount": 100.0 * number, "type": "TRANSFER"},
            "features": {"amount": 100.0 * number, "payee_mean_7d": float("nan")},
            "reasons": (ReasonRecord("pair_first", 1.0, 1.2, "first payment to this payee"),),
        }
        return Scored(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def desk_settings(built_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings over a copy of the built home, which tests may write to."""
    home = tmp_path_factory.mktemp("desk") / "home"
    shutil.copytree(built_home, home)
    return Settings(home=home)


@dataclass(frozen=True)
class Guarded:
    """A served desk with users named ann (analyst), lea (lead), eng (engineer), aud (auditor)."""

    address: str
    desk: Desk

    @property
    def users(self) -> Users:
        return self.desk.store.users

    @property
    def trail(self) -> AuditTrail:
        return self.desk.store.trail


@pytest.fixture(scope="session")
def guarded(built_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The desk with users, served from this process over a copy of the built home."""
    import uvicorn
    from argon2 import PasswordHasher

    from app.api import create_app

    home = tmp_path_factory.mktemp("guarded") / "home"
    shutil.copytree(built_home, home)
    desk = Desk(Settings(home=home))
    # Hashes that take no time; the real parameters are tried elsewhere.
    desk.store.users = Users(desk.store.engine, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for name, role in {"ann": "analyst", "lea": "lead", "eng": "engineer", "aud": "auditor"}.items():
        desk.store.users.add(name, role, PASSWORD, "test")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(desk.settings, desk), port=port, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.1)
    desk.ready()
    yield Guarded(f"http://127.0.0.1:{port}", desk)
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium, for all browser tests of a worker."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=_BROWSER_FLAGS)
        yield opened
        opened.close()
