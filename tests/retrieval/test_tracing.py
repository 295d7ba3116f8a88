import time
from pathlib import Path
from typing import Any

import mlflow
import pytest

from retrieval import Answerer, Document, Index
from retrieval.errors import InputError
from retrieval.prompts import Prompt, default_prompt
from retrieval.prompts.registry import ALIAS, NAME, load_prompt
from retrieval.tracing import EXPERIMENT

CARD = "4111 1111 1111 1111"
QUESTION = f"How long does a hold on card {CARD} last at most?"


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.MlflowClient(uri).create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
    return uri


@pytest.fixture(scope="module")
def unmasked(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index that holds private numbers, as one opened with masking off does."""
    index = Index.open(tmp_path_factory.mktemp("unmasked") / "index", masking=False)
    index.sync([Document("hold", "Holds", f"A hold on card {CARD} lasts 48 hours at most.")])
    return index


def traces_of(uri: str) -> list[Any]:
    client = mlflow.MlflowClient(uri)
    return list(client.search_traces([client.get_experiment_by_name(EXPERIMENT).experiment_id]))


def test_each_question_is_one_trace_without_private_numbers(unmasked: Index, tracking_uri: str) -> None:
    address = mlflow.get_tracking_uri()
    answerer = Answerer(unmasked, tracking_uri=tracking_uri)
    answer = answerer.ask(QUESTION)
    list(answerer.stream("How long does a hold last?"))
    assert answerer.tracer is not None and answerer.tracer.flush(60)
    traces = traces_of(tracking_uri)
    assert len(traces) == 2 and mlflow.get_tracking_uri() == address
    for trace in traces:
        root, *steps = sorted(trace.data.spans, key=lambda span: span.parent_id is not None)
        assert (root.name, {span.name for span in steps}) == ("question", {"search", "gate", "model", "check"})
        assert all(span.parent_id == root.span_id and span.start_time_ns <= span.end_time_ns for span in steps)
        assert CARD not in str(trace.to_dict()) and "4111" not in str(trace.to_dict())
    assert any(trace.data.spans and "48 hours" in str(trace.to_dict()) for trace in traces)
    assert answer.prompt_version.startswith(f"{NAME}/1@")


def test_a_failing_search_is_traced_and_still_fails(unmasked: Index, tracking_uri: str) -> None:
    answerer = Answerer(unmasked, tracking_uri=tracking_uri, prompt=default_prompt())
    with pytest.raises(InputError, match="unknown operator"):
        answerer.ask("How long does a hold last?", where={"collection": {"$like": "x"}})
    assert answerer.tracer is not None and answerer.tracer.flush(60)
    assert any(str(trace.info.state).endswith("ERROR") for trace in traces_of(tracking_uri))


def test_without_an_address_nothing_is_traced(index: Index) -> None:
    answerer = Answerer(index)
    assert answerer.tracer is None
    assert answerer.ask("How long does a hold last at most?").prompt_version.startswith("file@")


def test_an_answer_does_not_wait_for_mlflow_that_is_down(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    answerer = Answerer(index, tracking_uri="http://127.0.0.1:9", cache=0)
    answerer.ask("How long does a hold last at most?")  # waits for the prompt registry, at most three seconds
    begun = time.monotonic()
    answers = [answerer.ask("How long does a hold last at most?") for _ in range(5)]
    assert time.monotonic() - begun < 3
    assert all(answer.status == "answered" and answer.prompt_version.startswith("file@") for answer in answers)


def test_the_alias_decides_which_prompt_is_used(tmp_path: Path, tracking_uri: str) -> None:
    client = mlflow.MlflowClient(tracking_uri, registry_uri=tracking_uri)
    shipped = load_prompt(tracking_uri)
    assert (shipped.system, shipped.user) == (default_prompt().system, default_prompt().user)
    second = client.register_prompt(NAME, "Notes: {{evidence}}\nAsked: {{question}}")
    assert load_prompt(tracking_uri).version == shipped.version
    client.set_prompt_alias(NAME, ALIAS, int(second.version))
    assert load_prompt(tracking_uri).user == "Notes: {evidence}\nAsked: {question}"
    third = client.register_prompt(NAME, "Nothing to fill in")
    client.set_prompt_alias(NAME, ALIAS, int(third.version))
    with pytest.raises(InputError, match="needs the fields"):
        load_prompt(tracking_uri)
    index = Index.open(tmp_path / "index")
    index.sync([Document("hold", "Holds", "A hold lasts 48 hours at most.")])
    answer = Answerer(index, tracking_uri=tracking_uri, tracing=False).ask("How long does a hold last at most?")
    assert answer.prompt_version == default_prompt().version
    client.set_prompt_alias(NAME, ALIAS, int(shipped.origin.rpartition("/")[2]))


def test_a_prompt_that_cannot_be_filled_in_is_refused() -> None:
    with pytest.raises(InputError, match="system message is empty"):
        Prompt(" ", "{question} {evidence}")
    assert "NOT IN THE DOCUMENTS" in default_prompt().system
