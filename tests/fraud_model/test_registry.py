"""Candidate, champion, previous: who may become what, and the history that remembers it."""

import shutil
from pathlib import Path

import pytest

from fraud_model.errors import InputError, ModelError
from fraud_model.registry import Registry
from fraud_model.scorer import Scorer
from fraud_model.tracking import client, initialise


@pytest.fixture
def registry(trained, tracking_uri: str, tmp_path: Path) -> Registry:
    """A registry of its own with two versions of the trained model."""
    home = Path(tracking_uri.removeprefix("sqlite:///")).parent
    shutil.copy(home / "mlflow.db", tmp_path / "mlflow.db")
    own = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}")
    store = client(own.tracking_uri)
    first = store.get_model_version("fraud-classifier", "1")
    copied = tmp_path / "second"
    shutil.copytree(Path(first.source.removeprefix("file://")), copied)
    assert own.register(copied.as_uri(), first.run_id, None, first.tags) == "2"
    return own


def test_training_makes_a_candidate(trained, tracking_uri: str) -> None:
    (info,) = Registry(tracking_uri).versions()
    assert (info.version, info.aliases, info.status) == ("1", ("candidate",), "candidate")
    assert info.metrics["average_precision"] == trained.metrics["average_precision"]
    assert {"digest", "trained_until", "feature_fingerprint"} <= set(info.tags)
    assert info.created.tzinfo is not None


def test_promote_then_roll_back(registry: Registry) -> None:
    assert registry.champion() is None
    registry.promote("1", by="ada", reason="first")
    registry.promote("candidate", by="ada", reason="better")
    assert registry.champion().version == "2"
    assert registry.version("previous").version == "1"
    registry.rollback(by="bo", reason="too many false alerts")
    assert registry.champion().version == "1"
    decided = [(entry.action, entry.version, entry.by, entry.replaced) for entry in registry.history()]
    assert decided == [
        ("promoted", "1", "ada", ""), ("promoted", "2", "ada", "1"), ("rolled back to", "1", "bo", "2")
    ]  # fmt: skip
    assert registry.history()[0].metrics["average_precision"] > 0


def test_a_rejected_version_stays_out(registry: Registry) -> None:
    registry.reject("2", by="ada", reason="leaks")
    assert registry.version("2").status == "rejected"
    with pytest.raises(ModelError, match="rejected"):
        registry.promote("2", by="bo", reason="but I like it")


@pytest.mark.parametrize(
    ("action", "error", "words"),
    [
        (lambda r: r.promote("9", by="a", reason="b"), InputError, "no model version '9'; there are: 2, 1"),
        (lambda r: r.promote("1", by=" ", reason="b"), InputError, "who"),
        (lambda r: r.promote("1", by="a", reason=""), InputError, "why"),
        (lambda r: r.rollback(by="a", reason="b"), ModelError, "no champion before"),
        (lambda r: r.version("champion"), ModelError, "no champion"),
    ],
)
def test_what_is_refused(registry: Registry, action, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        action(registry)
    assert registry.history() == []


def test_changed_files_are_refused_and_the_old_champion_stays(registry: Registry, tmp_path: Path) -> None:
    registry.promote("1", by="ada", reason="first")
    booster = tmp_path / "second" / "artifacts" / "booster.txt"
    booster.write_text(booster.read_text().replace("leaf_value=", "leaf_value=0.5 ", 1))
    with pytest.raises(ModelError, match=r"version 2: .*booster.txt was changed"):
        registry.promote("2", by="ada", reason="better")
    assert registry.champion().version == "1"
    assert Scorer.load(tracking_uri=registry.tracking_uri).model_version == "1"


def test_other_feature_definitions_are_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fraud_model.definitions.FEATURE_VERSION", 99)
    with pytest.raises(ModelError, match="other feature definitions"):
        registry.open("1")


def test_an_unusable_store_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database, but long enough to look like a file" * 100)
    with pytest.raises(ModelError, match="tracking store"):
        initialise(f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_initialise_twice_keeps_the_artifact_root(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'm' / 'mlflow.db'}"
    for _ in range(2):
        initialise(uri, tmp_path / "art")
    from fraud_model.tracking import experiment_id

    experiment = client(uri).get_experiment(experiment_id(uri, "some"))
    assert experiment.artifact_location == (tmp_path / "art").as_uri() + "/some"
