"""`frauddesk up`: what a first start makes, what a second one reuses, what another source changes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from app.settings import Settings
from app.up import bring_up


def silent(step: Any) -> None:
    """Takes lines and progress; a test has nobody to show them to."""


@pytest.fixture(scope="module")
def first(built_home: Path) -> dict[str, Any]:
    return json.loads((built_home / "summary.json").read_text())


def test_a_first_start_ends_with_every_part(first: dict[str, Any]) -> None:
    assert first["transactions"] == 40_000 and 150 < first["frauds"] < 250
    assert first["model_version"] == "1"
    assert first["metrics"]["average_precision"] > 5 * first["metrics"]["base_rate"]
    assert first["alerts"] > 0 and first["documents"] > 40
    assert first["answers"]["questions"] >= 20
    assert first["drift"] in ("stable", "watch", "act", "insufficient")
    assert first["reused"] == []


def test_alerts_carry_their_decision_record(built_home: Path) -> None:
    from app.records import AlertFilter
    from app.store import Store

    store = Store(Settings(home=built_home).desk_database)
    page = store.alerts(AlertFilter(), limit=500)
    alert = store.alert(page.items[0].id)
    store.close()
    assert alert.model_version == "1" and alert.probability >= alert.threshold
    assert alert.features and alert.reasons and alert.reasons[0].text
    losses = [item.expected_loss for item in page.items]
    assert losses == sorted(losses, reverse=True)


def test_alerts_are_on_days_that_training_did_not_see(built_home: Path) -> None:
    from fraud_model.registry import Registry

    champion = Registry(Settings(home=built_home).mlflow_uri).champion()
    assert champion is not None
    from app.records import AlertFilter
    from app.store import Store

    store = Store(Settings(home=built_home).desk_database)
    earliest = min(item.event_time for item in store.alerts(AlertFilter(), limit=1000).items)
    store.close()
    assert pd.Timestamp(champion.tags["trained_until"]) <= pd.Timestamp(earliest)


def test_a_second_start_reuses_everything(built_home: Path, first: dict[str, Any]) -> None:
    settings = Settings(home=built_home, simulated_rows=40_000, simulated_days=45)
    # Another test may have checked the drift, whose report is a new document; after this start nothing is new.
    bring_up(settings, None, None, say=silent, progress=silent)
    again = bring_up(settings, None, None, say=silent, progress=silent)
    assert set(again.reused) == {"transactions", "champion", "alerts", "measurements"}
    assert again.model_version == first["model_version"] and again.alerts == first["alerts"]


def test_the_users_own_data(tmp_path: Path, built_home: Path) -> None:
    """Another table, described by a schema file: a champion, alerts, guides and policies, no foreign case notes."""
    source = pd.read_parquet(built_home / "data" / "transactions.parquet").head(25_000)
    start = pd.Timestamp("2026-06-01", tz="UTC")
    table = pd.DataFrame(
        {
            "id": [f"P{number}" for number in range(len(source))],
            "booked": (start + pd.to_timedelta(source["step"] - 1, unit="h")).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "from": source["nameOrig"],
            "to": source["nameDest"],
            "value": source["amount"],
            "channel": source["type"],
            "fraud": source["isFraud"],
        }
    )
    file, schema = tmp_path / "mine.csv", tmp_path / "mine.toml"
    table.to_csv(file, index=False)
    schema.write_text(
        'name = "mine"\ntransaction_id = "id"\ntime = "booked"\npayer = "from"\npayee = "to"\namount = "value"\n'
        'categorical = ["channel"]\nlabel = "fraud"\ncurrency = "GBP"\n'
    )
    environment = {"FRAUDDESK_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "app.cli", "up", "--data", str(file), "--schema", str(schema), "--no-serve"]
    done = subprocess.run([*command, "--json"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["schema"] == "mine" and summary["alerts"] > 0 and summary["model_version"] == "1"
    from app.corpus import open_index

    ids = open_index(Settings(home=tmp_path / "home"), read_only=True).document_ids()
    assert any(name.startswith("policies/") for name in ids)
    assert not any(name.startswith("case_notes/") for name in ids)
