"""The command line: results, exit codes, and one clear line for everything that can be wrong with the input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from app import cli


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


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


@pytest.fixture
def in_built_home(built_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAUDDESK_HOME", str(built_home))
    return built_home


@pytest.fixture
def payments(built_home: Path, tmp_path: Path) -> Path:
    """The first 500 working payments, as a CSV."""
    file = tmp_path / "payments.csv"
    pd.read_parquet(built_home / "data" / "transactions.parquet").head(500).to_csv(file, index=False)
    return file


def assert_one_clear_line(said: Said, code: int, *parts: str) -> None:
    lines = [line for line in said.err.splitlines() if line.startswith("frauddesk: ")]
    assert said.code == code, said
    assert len(lines) == 1, said.err
    assert "Traceback" not in said.err and said.out == ""
    for part in parts:
        assert part in lines[0]


def test_simulate_validate_features(run: Run, tmp_path: Path) -> None:
    file, table = tmp_path / "made.parquet", tmp_path / "features.csv"
    made = json.loads(run("simulate", "--rows", 3000, "--days", 20, "--seed", 3, "--out", file, "--json").out)
    assert made["rows"] == 3000 and len(pd.read_parquet(file)) == 3000
    checked = run("validate", file, "--schema", "paysim", "--json")
    assert checked.code == 0 and json.loads(checked.out)["row_count"] == 3000
    assert run("features", file, "--schema", "paysim", "--out", table).code == 0
    features = pd.read_csv(table)
    assert len(features) == 3000 and features["transaction_id"].iloc[0] == "T00000001"


def test_score_writes_every_row_in_input_order(run: Run, in_built_home: Path, payments: Path, tmp_path: Path) -> None:
    out = tmp_path / "scored.parquet"
    said = run("score", payments, "--out", out, "--reasons", 2, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["rows"] == 500
    scored = pd.read_parquet(out)
    assert scored["transaction_id"].tolist() == [f"T{row:08d}" for row in range(1, 501)]
    assert scored["fraud_probability"].between(0, 1).all()
    assert set(scored.columns) >= {"alert", "model_version", "reason_1", "reason_1_effect", "reason_2"}


def test_ask_quotes_the_source_exactly(run: Run, in_built_home: Path) -> None:
    said = run("ask", "Who must approve the release of a held payment over 10,000 EUR?", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["status"] in ("answered", "partial") and answer["sentences"]
    cited = [citation for sentence in answer["sentences"] for citation in sentence["citations"]]
    assert cited
    for citation in cited:
        text = Path(citation["source"]).read_text(encoding="utf-8")
        assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_ask_says_when_the_documents_do_not_tell(run: Run, in_built_home: Path) -> None:
    answer = json.loads(run("ask", "Which spices belong in a good goulash?", "--json").out)
    assert answer["status"] == "not_in_documents" and not answer["sentences"]


def test_ask_brings_figures_from_tools(run: Run, in_built_home: Path) -> None:
    said = run("ask", "Is the model drifting?", "--json")
    answer = json.loads(said.out)
    assert answer["status"] in ("answered", "partial")
    assert [result["tool"] for result in answer["tool_results"]] == ["drift_state"]
    told = run("ask", "Is the model drifting?").out
    assert answer["tool_results"][0]["sentences"][0] in told and "figures: " in told


def test_ask_without_an_index_says_what_to_run(run: Run) -> None:
    said = run("ask", "What is a mule chain?")
    assert said.code == 2 and "frauddesk index sync" in said.err


def test_index_status_and_search(run: Run, in_built_home: Path) -> None:
    status = json.loads(run("index", "status", "--json").out)
    assert status["documents"] > 40
    hits = json.loads(run("index", "search", "payments just under the limit", "--k", 5, "--json").out)["hits"]
    assert len(hits) == 5
    assert set(hits[0]) >= {"document_id", "passage_id", "source", "title", "text", "start", "end", "score"}


def test_models_list_and_history(run: Run, in_built_home: Path) -> None:
    versions = json.loads(run("models", "list", "--json").out)["versions"]
    assert [version["version"] for version in versions if "champion" in version["aliases"]] == ["1"]
    history = json.loads(run("models", "history", "--json").out)["history"]
    assert [(entry["action"], entry["version"]) for entry in history] == [("promoted", "1")]


def broken_files(folder: Path) -> dict[str, Path]:
    """Files that cannot be scored, by what is wrong with them."""
    good = pd.DataFrame(
        {"step": [1, 2], "type": "PAYMENT", "amount": [5.0, 6.0], "nameOrig": "C1", "nameDest": "M1", "isFraud": 0}
    )
    files = {name: folder / f"{name}.csv" for name in ("text", "empty", "header", "binary", "column")}
    good.astype({"amount": object}).assign(amount=[5.0, "six"]).to_csv(files["text"], index=False)
    files["empty"].touch()
    good.head(0).to_csv(files["header"], index=False)
    files["binary"].write_bytes(np.random.default_rng(1).integers(0, 256, 5_000, dtype=np.uint8).tobytes())
    good.drop(columns="nameDest").to_csv(files["column"], index=False)
    files["parquet"] = folder / "not.parquet"
    files["parquet"].write_text("step,amount\n1,2\n")
    files["absent"] = folder / "absent.csv"
    return files


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("text", ["text.csv", "amount", "row 2", "six"]),
        ("empty", ["empty.csv", "empty"]),
        ("header", ["header.csv", "no"]),
        ("binary", ["binary.csv"]),
        ("column", ["column.csv", "nameDest"]),
        ("parquet", ["not.parquet", "Parquet"]),
        ("absent", ["absent.csv"]),
    ],
)
def test_a_broken_file_is_named_and_nothing_is_written(
    run: Run, in_built_home: Path, tmp_path: Path, kind: str, parts: list[str]
) -> None:
    out = tmp_path / "out.parquet"
    file = broken_files(tmp_path)[kind]
    before = set(tmp_path.iterdir())
    assert_one_clear_line(run("score", file, "--out", out), 2, *parts)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["validate", "nowhere.csv", "--schema", "paysim"], ["nowhere.csv"]),
        (["validate", "nowhere.csv", "--schema", "paysin"], ["paysin", "paysim", ".toml"]),
        (["validate", "nowhere.csv", "--schema", "nowhere.toml"], ["nowhere.toml"]),
        (["simulate", "--rows", "3000", "--days", "0", "--out", "o.parquet"], ["days"]),
        (["simulate", "--rows", "3000", "--days", "9", "--out", "o.xlsx"], [".parquet"]),
        (["up", "--data", "nowhere.csv", "--schema", "paysim", "--no-serve"], ["nowhere.csv"]),
        (["up", "--data", "nowhere.csv", "--no-serve"], ["--schema"]),
        (["up", "--schema", "paysim", "--no-serve"], ["--data"]),
    ],
)
def test_wrong_arguments_are_named(run: Run, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    placed = [str(tmp_path / item) if item.startswith(("nowhere", "o.")) else item for item in arguments]
    assert_one_clear_line(run(*placed), 2, *parts)


def test_without_a_champion_score_says_what_to_run(run: Run, payments: Path, tmp_path: Path) -> None:
    assert_one_clear_line(run("score", payments, "--out", tmp_path / "o.parquet"), 1, "champion")


def test_an_unknown_setting_stops_the_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUDDESK_ALERT_BUGDET", "5")
    assert_one_clear_line(run("doctor"), 2, "alert_bugdet", "alert_budget")


def test_a_port_in_use_is_said_before_any_work(run: Run, tmp_path: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_one_clear_line(run("up", "--port", port), 1, f"127.0.0.1:{port}", "--port")
    assert not (tmp_path / "home").exists()


def test_a_second_writer_is_refused(run: Run, built_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.serve import hold_home
    from app.settings import Settings

    monkeypatch.setenv("FRAUDDESK_HOME", str(built_home))
    with hold_home(Settings(home=built_home), "frauddesk serve"):
        assert_one_clear_line(run("index", "sync"), 1, "frauddesk serve", str(built_home))


def test_help_is_quick() -> None:
    import time

    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "app.cli", "--help"], check=True, capture_output=True)
    # Half a second is the promise; a busy test machine gets some slack, a heavy import at the top does not.
    assert time.monotonic() - started < 1.5
