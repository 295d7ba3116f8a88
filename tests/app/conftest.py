"""A store with a few alerts, and a served copy of the home that `frauddesk up` built."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.records import ReasonRecord, Scored
from app.settings import Settings
from app.store import Store


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
