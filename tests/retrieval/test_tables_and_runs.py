from pathlib import Path
from typing import Any

import mlflow
import pytest

from retrieval import Answerer, Document, Index, ReadFailure, read_documents
from retrieval.errors import InputError, RetrievalError
from retrieval.runs import read_runs

ROWS = """Case Ref;Headline;Narrative;Closing note;Closed At;Sum;Payments;Analyst code
CN-2026-0501;Drained account;A caller posed as us.;Recall failed.;2026-07-04T16:30:00Z;1,234.50;T00012345 T00012346;7
CN-2026-0502;Rent;A new landlord was paid.;;soon;99;;78
CN-2026-0503;Empty;;;2026-07-05;1;;79
"""

MAPPING = {
    "id": "Case Ref",
    "title": "Headline",
    "text": ["Narrative", "Closing note"],
    "collection": "case_notes",
    "fields": {"case_id": "Case Ref", "closed": "Closed At", "amount": "Sum", "transactions": "Payments"},
}

TOML = """
id = "Case Ref"
title = "Headline"
text = ["Narrative", "Closing note"]
collection = "case_notes"
[fields]
case_id = "Case Ref"
closed = "Closed At"
amount = "Sum"
transactions = "Payments"
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cases.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


@pytest.mark.parametrize("how", ["dictionary", "file", "beside"])
def test_columns_are_mapped_and_bad_rows_reported(table: Path, how: str) -> None:
    columns: Any = MAPPING
    if how != "dictionary":
        columns = table.with_name("cases.columns.toml" if how == "beside" else "other.toml")
        columns.write_text(TOML, encoding="utf-8")
    first, second, third = read_documents(table, None if how == "beside" else columns)
    assert isinstance(first, Document) and first.title == "Drained account"
    assert first.text == "A caller posed as us.\n\nRecall failed."
    assert first.metadata == {
        "source": f"{table}#CN-2026-0501",
        "collection": "case_notes",
        "case_id": "CN-2026-0501",
        "closed": "2026-07-04T16:30:00Z",
        "amount": 1234.5,
        "transactions": ["T00012345", "T00012346"],
    }
    assert isinstance(second, ReadFailure) and "row 2, column 'Closed At': 'soon' is no time" in second.reason
    assert isinstance(third, ReadFailure) and "holds no text" in third.reason


def test_json_lines_are_mapped_too(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text('{"ref": "A1", "body_text": "A hold was placed.", "team": "north"}\nnonsense\n', encoding="utf-8")
    first, second = read_documents(path, {"id": "ref", "text": "body_text", "rest": True})
    assert isinstance(first, Document) and first.metadata["team"] == "north" and first.id == "cases/A1"
    assert isinstance(second, ReadFailure)


def test_a_missing_column_is_named_with_a_guess(table: Path) -> None:
    failures = list(read_documents(table, {"text": "Narative"}))
    assert all(isinstance(entry, ReadFailure) for entry in failures)
    assert "row 1 has no column 'Narative'; did you mean 'Narrative'?" in str(failures[0])


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"id": "x"}, "text must name"),
        ({"text": "x", "titel": "y"}, "unknown name titel; did you mean title"),
        ({"text": "x", "fields": ["a"]}, "fields must be"),
        ({"text": "x", "rest": "yes"}, "rest is true or false"),
        ("missing.toml", "No such file"),
    ],
)
def test_a_wrong_mapping_is_refused(table: Path, mapping: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(read_documents(table, mapping))


def test_runs_of_mlflow_answer_questions(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri, registry_uri=uri)
    experiment = client.create_experiment("fraud-desk", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment, run_name="v8 nightly")
    client.log_metric(run.info.run_id, "average_precision", 0.6125)
    client.log_param(run.info.run_id, "learning_rate", "0.05")
    client.set_tag(run.info.run_id, "trained_by", "ana@example.com")
    client.set_terminated(run.info.run_id)
    client.create_run(experiment, run_name="unfinished")
    index = Index.open(tmp_path / "index")
    report = index.sync(read_runs(uri, "fraud-desk"))
    assert (report.added, report.failed) == (1, ())
    assert index.sync(read_runs(uri, "fraud-desk")).unchanged == 1
    answer = Answerer(index).ask(f"What is the average precision of run {run.info.run_id}?")
    assert "0.6125" in answer.answer and "example.com" not in index.document_text(f"runs/{run.info.run_id}")
    assert index.search("average precision", as_of="2020-01-01") == []
    with pytest.raises(RetrievalError, match="no experiment 'other'"):
        list(read_runs(uri, "other"))
