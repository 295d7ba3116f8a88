"""Candidate, champion, previous: who may become what, and the history that remembers it."""

import shutil
from pathlib import Path

import pytest

from fraud_model.errors import InputError, ModelError, PromotionRefused
from fraud_model.gates import Gates
from fraud_model.registry import COMPARED_TAG, Registry
from fraud_model.scorer import Scorer
from fraud_model.standing import Compared, standing_of
from fraud_model.tracking import client, initialise


def compared(champion: str, low: float) -> Compared:
    figures = {"average_precision": {"champion": 0.4, "challenger": 0.5, "low": low, "high": 0.2}}
    return Compared(champion, figures, payments=900, frauds=40)


BETTER = compared("1", 0.05)


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
    beaten = {"gates": "passed", COMPARED_TAG: BETTER.to_json()}
    assert own.register(copied.as_uri(), first.run_id, None, {**first.tags, **beaten}) == "2"
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


def test_the_first_champion_needs_no_gates(registry: Registry) -> None:
    assert registry.standing("1", Gates(recall=2, average_precision=2)).may_be_promoted
    registry.promote("1", by="ada", reason="first", gates=Gates(recall=2, average_precision=2))
    (entry,) = registry.history()
    assert (entry.action, entry.despite) == ("promoted", "")


def test_a_version_that_missed_its_gates_is_refused_in_one_line(registry: Registry) -> None:
    registry.promote("1", by="ada", reason="first")
    strict = Gates(recall=0.99, f1=0.99, average_precision=0.99)
    with pytest.raises(PromotionRefused, match=r"version 2 is not promoted: gate missed: .*below 0\.990") as refused:
        registry.promote("2", by="ada", reason="better", gates=strict)
    assert "\n" not in str(refused.value) and "--despite" in str(refused.value)
    assert registry.champion().version == "1" and len(registry.history()) == 1


@pytest.mark.parametrize(
    ("noted", "words"),
    [
        (
            compared("1", -0.01),
            r"does not beat champion version 1 beyond chance \(average precision 0.500 against 0.400",
        ),
        (compared("1", float("nan")), "does not beat"),
        (compared("7", 0.1), r"was not compared with champion version 1 .*only with version 7"),
        (None, "was not compared with champion version 1"),
    ],
)
def test_a_version_that_did_not_beat_the_champion_is_refused(
    registry: Registry, noted: Compared | None, words: str
) -> None:
    registry.promote("1", by="ada", reason="first")
    if noted is None:
        client(registry.tracking_uri).delete_model_version_tag("fraud-classifier", "2", COMPARED_TAG)
    else:
        registry.note_comparison("2", noted)
    assert not registry.standing("2").may_be_promoted
    with pytest.raises(PromotionRefused, match=words):
        registry.promote("2", by="ada", reason="better")
    assert registry.champion().version == "1"


def test_an_overruled_refusal_names_itself_in_the_history(registry: Registry) -> None:
    registry.promote("1", by="ada", reason="first")
    registry.note_comparison("2", compared("1", -0.01))
    registry.promote("2", by="bo", reason="new terminals", despite="the head of fraud decided so")
    entry = registry.history()[-1]
    assert (entry.action, entry.version, entry.by) == ("promoted despite refusal", "2", "bo")
    assert entry.despite == "the head of fraud decided so"
    assert "does not beat champion version 1" in entry.overruled


def test_an_override_without_a_refusal_leaves_no_trace(registry: Registry) -> None:
    registry.promote("1", by="ada", reason="first")
    registry.promote("2", by="ada", reason="better", despite="just in case")
    entry = registry.history()[-1]
    assert (entry.action, entry.despite, entry.overruled) == ("promoted", "", "")


def test_the_history_keeps_the_figures_compared(registry: Registry) -> None:
    registry.promote("1", by="ada", reason="first")
    registry.promote("2", by="ada", reason="better")
    entry = registry.history()[-1]
    assert entry.compared == BETTER
    assert entry.metrics["average_precision"] == entry.replaced_metrics["average_precision"] > 0
    assert not any("/" in name for name in entry.metrics)


def test_a_champion_that_cannot_serve_need_not_be_beaten() -> None:
    assert standing_of("2", (), "1", champion_serves=False, compared=None).may_be_promoted
    assert not standing_of("2", ("recall",), "1", champion_serves=False, compared=None).may_be_promoted


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
