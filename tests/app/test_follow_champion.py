"""A serving desk takes up a promoted model, and refuses one whose files are damaged or whose features differ."""

import logging
import os
import shutil
from pathlib import Path

import pytest

from app.desk import Desk
from app.settings import Settings
from fraud_model.errors import ModelError
from fraud_model.registry import Registry
from fraud_model.scorer import Scorer
from fraud_model.simulate import simulate
from fraud_model.train import train


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two versions of a small model, the first of them the champion."""
    settings = Settings(home=tmp_path_factory.mktemp("follow"))
    frame = simulate(rows=6_000, days=30, seed=5)
    for _ in range(2):
        train(frame, "paysim", tracking_uri=settings.mlflow_uri, alert_budget_per_day=20)
    Registry(settings.mlflow_uri).promote("1", by="ada", reason="first")
    return settings.home


@pytest.fixture
def desk(promoted: Path, tmp_path: Path) -> Desk:
    """A desk of its own on a copy, its champion in use."""
    # Artifacts stay where the original registry says they are: each test damages a copy and puts it back.
    shutil.copytree(promoted, tmp_path / "copy")
    desk = Desk(Settings(home=tmp_path / "copy"))
    assert desk.scorer.model_version == "1"
    return desk


def model_file(registry: Registry, version: str, name: str) -> Path:
    return registry.open(version)[1].folder / name


def promote_second(desk: Desk) -> None:
    desk.registry.promote("2", by="ada", reason="newer", despite="a test")


def test_a_promoted_model_is_taken_up(desk: Desk) -> None:
    promote_second(desk)
    desk.follow_champion()
    assert desk.model_version == "2"


@pytest.mark.parametrize("damage", ["changed", "missing", "other digest"])
def test_a_damaged_champion_is_refused_and_the_old_one_serves(
    desk: Desk, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    promote_second(desk)
    file = model_file(desk.registry, "2", "model.json" if damage == "other digest" else "booster.txt")
    whole = file.read_bytes()
    try:
        if damage == "missing":
            os.unlink(file)  # noqa: PTH108
        else:
            file.write_bytes(whole.replace(b"0.", b"1.", 1))
        with caplog.at_level(logging.WARNING):
            desk.follow_champion()
        assert "could not be looked up or loaded" in caplog.text
        assert desk.model_version == "1"
        assert len(desk.scorer.score(simulate(rows=1_000, days=5, seed=1))) == 1_000
        with pytest.raises(ModelError, match="version 2"):
            Scorer.load("champion", tracking_uri=desk.settings.mlflow_uri)
        with pytest.raises(ModelError, match="version 2"):
            desk.reload_model()
        assert desk.model_version == "1"
    finally:
        file.write_bytes(whole)
    desk.follow_champion()
    assert desk.model_version == "2"


def test_a_champion_of_other_feature_definitions_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    promote_second(desk)
    with monkeypatch.context() as patched:
        patched.setattr("fraud_model.definitions.FEATURE_VERSION", 99)
        desk.follow_champion()
        assert desk.model_version == "1"
        with pytest.raises(ModelError, match="other feature definitions"):
            desk.reload_model()
    desk.follow_champion()
    assert desk.model_version == "2"
