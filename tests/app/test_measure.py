"""What the desk gives to its own measurements."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from app.measure import earlier_windows
from app.settings import Settings
from fraud_model.schema import load_schema
from fraud_model.simulate import simulate

FIRST = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 70


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    found = Settings(home=tmp_path_factory.mktemp("home"), alert_days=7)
    found.transactions_path.parent.mkdir(parents=True)
    simulate(7_000, DAYS, 3).to_parquet(found.transactions_path)
    return found


@pytest.mark.parametrize(
    ("trained", "windows"),
    [(DAYS, 5), (60, 4), (44, 2), (36, 0), (None, 0)],  # after thirty days the longest features are full
)
def test_earlier_windows_lie_in_training_with_a_month_behind_them(settings, trained, windows):
    scorer = SimpleNamespace(schema=load_schema("paysim"))
    until = None if trained is None else FIRST + timedelta(days=trained)
    found = earlier_windows(settings, scorer, until)
    assert len(found) == windows
    assert all(len(window) > 100 and "payer_largest_multiple_14d" in window for window in found)
    rows = [set(window.index) for window in found]
    assert sum(map(len, rows)) == len(set().union(*rows))
