"""Measuring the desk's own assistant: what is asked of tools, the second configuration, the commands."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.answer_compare import parse_grid
from app.answer_quality import measured_answer
from app.second_arm import NAME, served_answers, set_second_arm
from app.settings import Settings, SettingsError
from app.store import Store
from eval.questions import parse_question
from eval.trials import ask

_SPEC = importlib.util.spec_from_file_location(
    "judge_server", Path(__file__).resolve().parents[1] / "eval" / "judge_server.py"
)
assert _SPEC is not None and _SPEC.loader is not None
judge_server = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(judge_server)


@pytest.fixture(scope="module")
def measured_home(built_home, tmp_path_factory):
    home = tmp_path_factory.mktemp("measured") / "home"
    shutil.copytree(built_home, home)
    return home


def frauddesk(home, *arguments):
    environment = {**os.environ, "FRAUDDESK_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments], env=environment, capture_output=True, text=True, cwd=home
    )
    return done


def test_the_command_measures_with_a_judge_that_fails_one_call_in_five(measured_home):
    server = judge_server.JudgeServer()
    asked = ("eval", "rag", "--most", "14", "--json", "--judge", "ollama:judge", "--judge-url", server.url)
    try:
        server.script.fail_every = 5
        once = ("--judge-retries", "0", "--judge-calls", "1", "--fail-under", "judged_share=0.99")
        done = frauddesk(measured_home, *asked, *once)
        assert done.returncode == 1, done.stderr
        assert "gate failed: judged_share" in done.stderr
        result = json.loads(done.stdout)
        metrics = result["metrics"]
        assert metrics["judge_failures"] == server.script.failed > 0
        assert metrics["faithfulness"] == 0.75
        failed = sum(value for name, value in metrics.items() if name.startswith("judge_failures_"))
        assert failed == metrics["judge_failures"]
        server.script.fail_every = 0
        again = frauddesk(measured_home, *asked, "--against", "last")
        assert again.returncode == 0, again.stderr
        second = json.loads(again.stdout)
        assert second["against"]["run_id"] == result["run_id"]
        assert second["metrics"]["judge_failures"] == 0
        assert second["metrics"]["faithfulness"] == second["metrics"]["factual_correctness"] == 0.75
        assert second["metrics"]["tool_figure_recall"] == 1.0
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["eval", "rag", "--judge", "gpt"], "is not `ollama:MODEL`"),
        (
            ["eval", "rag", "--judge", "ollama:m", "--judge-url", "http://127.0.0.1:9"],
            "the judge at http://127.0.0.1:9",
        ),
        (["eval", "compare", "--set", "fusion=1"], "no setting 'fusion' to compare"),
        (["eval", "compare", "--set", "llm=extractive,ollama:m"], "no answer at http://127.0.0.1:11434"),
        (["eval", "compare", "--set", "llm=gpt"], "write extractive, or ollama:MODEL"),
        (["eval", "questions", "accept", "C-99"], "no candidate C-99"),
    ],
)
def test_wrong_use_is_one_line(measured_home, arguments, words):
    done = frauddesk(measured_home, *arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("text", ["passages", "passages=", "=4", "passages=many"])
def test_a_grid_that_is_none_is_refused(text):
    with pytest.raises(SettingsError, match="--set"):
        parse_grid([text])


def test_a_grid_is_read_with_numbers_as_numbers():
    assert parse_grid(["passages=4, 8", "dense_weight=0.5", "llm=extractive,ollama:llama3"]) == {
        "passages": [4, 8],
        "dense_weight": [0.5],
        "llm": ["extractive", "ollama:llama3"],
    }


def reply(text="", sentences=(), figures="", results=(), status="answered"):
    answer = SimpleNamespace(answer=text, sentences=sentences, hits=(), answerer="extractive", trace_id="tr-1")
    return SimpleNamespace(answer=answer, figures_text=figures, results=results, status=status)


def tool_question(*facts):
    return parse_question(
        {"id": "own", "question": "What is its score?", "reference_answer": "", "kind": "tool", "facts": list(facts)}
    )


@pytest.mark.parametrize(
    ("facts", "shown", "score"),
    [
        (["0.028854"], "has a fraud probability of 0.029", 1.0),
        (["0.028854"], "has a fraud probability of 2.9%", 1.0),
        (["0.028854"], "has a fraud probability of 0.03", 0.0),
        (["0.028854"], "has a fraud probability of 0.031", 0.0),
        (["1420.00", "0.5"], "EUR 1,420.00 at 0.50", 1.0),
        (["1420.00", "0.7"], "EUR 1,420.00 at 0.50", 0.5),
        (["watch"], "the last check says Watch", 1.0),
        (["act"], "the last check says watch", 0.0),
        (["0.9"], "", 0.0),
    ],
)
def test_figures_asked_of_tools_count_as_named_where_they_stand_rounded(facts, shown, score):
    from eval.metrics import ToolFigureRecall

    found = measured_answer(reply(figures=shown))
    answerer = SimpleNamespace(ask=lambda question, as_of=None: found)
    trial = ask(answerer, tool_question(*facts), lambda name: None)
    assert ToolFigureRecall().judge(trial).value == score
    assert trial.trace_id == "tr-1" and trial.prompt_tokens == 0


class Desk:
    def __init__(self, **settings):
        self.settings, self.chosen = Settings(**settings), None
        self.arms = SimpleNamespace(set=self.set)

    def set(self, name, make, share):
        self.chosen = name, share


def test_the_second_configuration_is_set_by_the_settings():
    desk = Desk()
    set_second_arm(desk)
    assert desk.chosen is None
    desk = Desk(ab_share=20, ab_passages=4)
    set_second_arm(desk)
    assert desk.chosen == (NAME, 0.2)
    for wrong in ({"ab_share": 101}, {"ab_passages": -1}, {"ab_llm": "gpt"}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            Settings(**wrong)


def test_answers_given_in_service_are_read_with_their_feedback(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/desk.db")
    talks = store.conversations
    key = talks.start("ann", "Holds")
    talks.add(key, "user", "When is a hold lifted?")
    citation = {"document_id": "policies/holds", "start": 0, "end": 5, "quote": "A hol"}
    payload = {
        "status": "answered",
        "answer": "After 48 hours.",
        "sentences": [{"text": "After 48 hours.", "supported": True, "citations": [citation]}],
        "passages": {"policies/holds#0": {"text": "A hold is lifted after 48 hours."}},
        "elapsed_ms": 120.0,
        "arm": "second",
        "state": "done",
    }
    number = talks.add(key, "assistant", "After 48 hours.", payload)
    talks.add(key, "user", "And then?")
    talks.add(key, "assistant", "…", {"state": "writing"})
    talks.add_feedback(True, "ann", message_id=number)
    talks.add_feedback(False, "ann", message_id=number, correction="After 24 hours.")
    (found,) = served_answers(store.engine, 0)
    assert (found.arm, found.question, found.helpful, found.corrected) == (
        "second",
        "When is a hold lifted?",
        False,
        True,
    )
    assert found.answer["contexts"] == [["policies/holds", "A hold is lifted after 48 hours."]]
    assert found.answer["seconds"] == 0.12
    assert served_answers(store.engine, 2**40) == []
    store.close()
