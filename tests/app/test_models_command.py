"""`frauddesk train` and `frauddesk models`: options, decisions, one clear line for each refusal."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from app import cli
from app.settings import Settings
from fraud_model.data import write_table
from fraud_model.registry import Registry
from fraud_model.simulate import simulate


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("frauddesk: ")]


Run = Callable[..., Said]


@pytest.fixture(scope="module")
def payments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("payments") / "payments.parquet"
    write_table(simulate(rows=14_000, days=60, seed=5), file)
    return file


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `frauddesk` with these arguments, in this process."""

    def run_command(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["frauddesk", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return run_command


def test_a_model_from_training_to_rollback(run: Run, payments: Path) -> None:
    home = Settings.load().home
    train = ("train", "--data", payments, "--schema", "paysim", "--json")
    first = json.loads(run(*train, "--until", "2026-07-20").out)
    assert first["version"] == "1" and first["candidate"] and first["threshold_by"] == "budget"
    assert "# Training run of fraud-classifier version 1" in Path(first["report"]).read_text(encoding="utf-8")
    assert Path(first["report"]).parent == home / "corpus" / "run_reports"

    promoted = json.loads(run("models", "promote", "1", "--by", "ada", "--reason", "first", "--json").out)
    assert (promoted["action"], promoted["by"], promoted["despite"]) == ("promoted", "ada", "")

    options = ("--threshold", "recall", "--wanted-recall", "0.6", "--candidate", "logistic_regression")
    said = run(*train, *options, "--false-positive-cost", "20", "--missed-fraud-cost", "500")
    assert said.code == 0, said.err
    second = json.loads(said.out)
    assert (second["version"], second["kind"], second["threshold_by"]) == ("2", "logistic_regression", "recall")
    assert second["metrics"]["recall_at_threshold"] >= 0.6

    refused = run("models", "promote", "2", "--by", "ada", "--reason", "newer")
    assert refused.code == 1 and refused.out == "" and len(refused.lines) == 1
    assert "version 2 is not promoted: " in refused.lines[0] and "--despite" in refused.lines[0]

    shown = json.loads(run("models", "show", "2", "--json").out)
    assert not shown["standing"]["may_be_promoted"] and shown["tags"]["kind"] == "logistic_regression"
    assert "against its promotion: " in run("models", "show", "2").out

    side = json.loads(run("models", "compare", "2", "1", "--json").out)["metrics"]["average_precision"]
    assert side["version"] == pytest.approx(second["metrics"]["average_precision"], abs=1e-5)
    assert side["other"] == pytest.approx(first["metrics"]["average_precision"], abs=1e-5)
    both = json.loads(run("models", "compare", "2", "--data", payments, "--json").out)["compared"]
    assert both["champion"] == "1" and {"average_precision", "recall_at_budget"} <= set(both["figures"])
    assert "95% interval of the difference" in run("models", "compare", "2", "--data", payments).out

    said = run("models", "promote", "2", "--by", "bo", "--reason", "newer", "--despite", "a trial week", "--json")
    assert json.loads(said.out)["action"] == "promoted despite refusal"
    assert run("models", "rollback", "--by", "bo", "--reason", "over").code == 0
    assert run("models", "reject", "2", "--by", "bo", "--reason", "too many false alerts").code == 0
    history = json.loads(run("models", "history", "--json").out)["history"]
    assert [entry["action"] for entry in history] == [
        "promoted", "promoted despite refusal", "rolled back to", "rejected"
    ]  # fmt: skip
    assert history[1]["despite"] == "a trial week" and history[1]["compared"]["champion"] == "1"
    assert history[1]["replaced_metrics"]["average_precision"] > 0 and history[1]["at"].endswith("Z")
    listed = run("models", "list").out
    assert "logistic regression" in listed and "rejected" in listed and "champion" in listed
    assert "a trial week" in run("models", "history").out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--threshold", "luck"), "budget, cost, recall"),
        (("--wanted-recall", "2"), "wanted recall"),
        (("--missed-fraud-cost", "much"), "cost of a missed fraud"),
        (("--candidate", "oracle"), "kind of a candidate is one of"),
        (("--imbalance", "smote"), "imbalance of a candidate is one of"),
        (("--search", "0"), "time to search must be above 0"),
    ],
)
def test_wrong_options_are_one_clear_line(run: Run, payments: Path, options: tuple[str, str], words: str) -> None:
    said = run("train", "--data", payments, "--schema", "paysim", *options)
    assert said.code == 2 and len(said.lines) == 1 and words in said.lines[0], said
    assert said.out == "" and "Traceback" not in said.err


def test_a_leak_stops_training_with_a_report(run: Run, payments: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(payments)
    frame = frame.assign(refund=frame["isFraud"] * frame["amount"])
    write_table(frame, tmp_path / "told.parquet")
    (tmp_path / "told.toml").write_text(
        'name = "told"\ntime = "step"\nstep_seconds = 3600\norigin = "2026-06-01T00:00:00Z"\nfirst_step = 1\n'
        'payer = "nameOrig"\npayee = "nameDest"\namount = "amount"\nlabel = "isFraud"\nnumeric = ["refund"]\n'
    )
    said = run("train", "--data", tmp_path / "told.parquet", "--schema", tmp_path / "told.toml", "--json")
    assert said.code == 1 and said.out == "" and len(said.lines) == 1
    assert "refund alone reaches an average precision of 1.00" in said.lines[0]
    report = Path(said.lines[0].split("report: ")[1])
    assert "# Leakage gate" in report.read_text(encoding="utf-8")
    assert Registry(Settings.load().mlflow_uri).versions() == []


def test_search_is_reported(run: Run, payments: Path) -> None:
    said = run("train", "--data", payments, "--schema", "paysim", "--search", "1", "--json")
    assert said.code == 0, said.err
    made = json.loads(said.out)
    assert "A search of " in Path(made["report"]).read_text(encoding="utf-8")
    assert (Settings.load().home / "mlflow" / "search.db").exists()
