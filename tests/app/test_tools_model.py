"""Tools chosen by a chat model: real calls over HTTP, checked like anything from outside."""

import importlib.util
from pathlib import Path

import pytest

from app.tools import Context, ToolResult
from app.tools.check import backed_sentences, unbacked
from app.tools.choosing import ModelChooser, grounded
from app.tools.records import Figure
from app.tools.toolbox import TOOLS

T = "T00012345"
spec = importlib.util.spec_from_file_location("tool_server", Path(__file__).with_name("tool_server.py"))
tool_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool_server)


@pytest.fixture
def server():
    opened = tool_server.ToolServer()
    yield opened
    opened.stop()


@pytest.fixture
def chooser(server):
    return ModelChooser("ollama:llama3.2", server.url)


def names(calls):
    return [(call.tool, dict(call.arguments)) for call in calls]


def test_the_model_chooses_tools_by_real_calls(server, chooser):
    server.manner.calls = [("payment_score", {"transaction_id": T}), ("drift_state", {})]
    calls, notice = chooser.choose(f"Why was {T} flagged, and does the model drift?", Context())
    assert names(calls) == [("payment_score", {"transaction_id": T}), ("drift_state", {})]
    assert notice == ""
    sent = server.manner.requests[0]
    assert {tool["function"]["name"] for tool in sent["tools"]} == set(TOOLS)
    assert "transaction_id" in str(sent["tools"])


def test_the_model_sees_the_question_and_no_document(server, chooser):
    server.manner.calls = []
    chooser.choose("Have we seen this payee before? Card 4111 1111 1111 1111", Context(T))
    sent = str(server.manner.requests[0]["messages"])
    assert T in sent
    assert "4111" not in sent
    assert len(server.manner.requests[0]["messages"]) == 2


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("delete_everything", {}),
        ("payment_score", {}),
        ("payment_score", {"transaction_id": "T99999999"}),
        ("payment_score", {"transaction_id": T, "threshold": "0"}),
        ("payment_score", {"transaction_id": "'; drop table alerts"}),
        ("compare_models", {"first": "2", "second": "9"}),
        ("compare_models", {"first": "../../etc", "second": "3"}),
        ("run_figures", {"run_id": "61a7e0d80f9247f1bf4a4aaacc2586d0"}),
        ("account_history", {"account": "C999", "role": "payee"}),
        ("account_history", {"account": "", "role": "owner", "transaction_id": T}),
        ("", {}),
    ],
)
def test_a_call_that_is_unknown_malformed_or_names_what_nobody_named_is_refused(tool, arguments):
    question = f"why was {T} flagged, and what changed between v2 and v3?"
    assert grounded([{"name": tool, "args": arguments}], question, Context()) == []


def test_sound_calls_pass_and_are_counted_once():
    asked = [
        {"name": "compare_models", "args": {"first": "v2", "second": "3"}},
        {"name": "compare_models", "args": {"first": "v2", "second": "3"}},
        {"name": "account_history", "args": {"role": "payee"}},
    ]
    calls = grounded(asked, "what changed between v2 and v3, and have we seen this payee?", Context(T))
    assert names(calls) == [
        ("compare_models", {"first": "v2", "second": "3"}),
        ("account_history", {"role": "payee", "transaction_id": T}),
    ]


def test_a_model_without_tools_is_asked_once_and_the_rules_choose(server, chooser):
    server.manner.tools = False
    calls, notice = chooser.choose("is the model drifting?", Context())
    assert calls == []
    assert "cannot call tools" in notice
    assert chooser.choose("is the model drifting?", Context()) == ([], "")
    assert len(server.manner.requests) == 1


def test_without_a_server_the_rules_choose():
    calls, notice = ModelChooser("ollama:llama3.2", "http://127.0.0.1:9").choose("is it drifting?", Context())
    assert (calls, notice) == ([], "")
    assert not ModelChooser("extractive", "http://127.0.0.1:9").supported


def figures():
    return ToolResult(
        "payment_score",
        {"transaction_id": T},
        f"Score of {T}",
        (f"Payment {T} of EUR 8,830.00 has a probability of 0.459.",),
        (Figure("Threshold", 0.026, "0.026"),),
    )


def test_what_the_model_tells_of_the_figures_is_asked_without_tools(server, chooser):
    server.manner.told = f"{T} has a probability of 0.459."
    assert chooser.tell("why?", [figures()]) == f"{T} has a probability of 0.459."
    sent = server.manner.requests[0]
    assert not sent.get("tools")
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "tool"]


def test_a_sentence_with_a_figure_that_no_tool_gave_is_left_out():
    said = f"{T} has a probability of 0.459 and a threshold of 0.026. It lost EUR 9,999.00. It is like T00099999."
    kept, left_out = backed_sentences(said, [figures()])
    assert kept == [f"{T} has a probability of 0.459 and a threshold of 0.026."]
    assert left_out == 2


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("EUR 8830.00 at 0.459", []),
        ("8,830.00", []),
        ("0.46", ["0.46"]),
        ("45.9%", ["45.9%"]),
        ("nothing at all", []),
    ],
)
def test_figures_are_compared_as_they_are_written(text, wrong):
    assert unbacked(text, [figures().text]) == wrong
