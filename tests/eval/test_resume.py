"""A measurement that is killed goes on where it ended: same run in MLflow, nothing asked or judged twice."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from eval.checkpoint import Checkpoint, measurement_key
from eval.judge import Judge
from eval.questions import to_json
from eval.rag import run_rag
from eval.tracking import begin_run
from eval.trials import ask

_SPEC = importlib.util.spec_from_file_location("judge_server", Path(__file__).with_name("judge_server.py"))
assert _SPEC is not None and _SPEC.loader is not None
judge_server = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(judge_server)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def measure(tracking, questions, tmp_path):
    def run(answerer, **more):
        more = {"embed": lambda texts: np.ones((len(texts), 2)), "params": {"index_version": "1"}, **more}
        return run_rag(
            answerer, questions, experiment="resume-tests", checkpoints=tmp_path / "unfinished", **tracking, **more
        )

    return run


class Dies(BaseException):
    """Stands for the end of the process: nothing catches it."""


def dying(answerer, after):
    """The assistant until its process ends."""
    whole = answerer.ask

    def ask_or_die(question, as_of=None, where=None):
        if len(answerer.asked) == after:
            raise Dies
        return whole(question, as_of, where)

    answerer.ask = ask_or_die
    return answerer


def test_what_was_answered_is_not_asked_again(measure, good, tmp_path, tracking):
    with pytest.raises(Dies):
        measure(dying(good, 3))
    (file,) = (tmp_path / "unfinished").glob("*.jsonl")
    begun = json.loads(file.read_text().split("\n")[0])["run_id"]
    client = MlflowClient(tracking["tracking_uri"])
    assert client.get_run(begun).info.status == "RUNNING"
    assert client.get_run(begun).data.params["index_version"] == "1"
    good.asked.clear()
    del good.ask
    result = measure(good)
    assert result.run_id == begun
    assert result.continued == 3
    assert len(good.asked) == len(result.per_question) - 3
    assert result.metrics["citation_recall"] == 1.0
    assert client.get_run(begun).info.status == "FINISHED"
    assert not file.exists()
    # A further measurement is a new run.
    assert measure(good).run_id != begun


def test_another_index_is_another_measurement(measure, good):
    with pytest.raises(Dies):
        measure(dying(good, 3))
    good.asked.clear()
    del good.ask
    result = measure(good, params={"index_version": "2"})
    assert result.continued == 0
    assert len(good.asked) == 8


def test_verdicts_are_kept_and_failed_ones_asked_for_again(measure, good, monkeypatch):
    server = judge_server.JudgeServer()
    try:
        judge = Judge("judge", server.url, retries=0, concurrency=1)
        server.script.fail_every = 5

        def die(*_, **__):
            raise Dies

        with monkeypatch.context() as patch:
            # The process ends when all is judged and nothing is written.
            patch.setattr("eval.rag.finish_run", die)
            with pytest.raises(Dies):
                measure(good, judge=judge)
        failed = server.script.failed
        assert failed
        server.script.fail_every = 0
        server.script.requests.clear()
        result = measure(good, judge=judge)
        assert result.continued == 8
        assert result.metrics["judge_failures"] == 0
        # Seven points had failed, of which two have two calls, two four and three one.
        assert result.metrics["judge_calls"] == len(server.script.requests) == 2 * 2 + 2 * 4 + 3
        assert result.metrics["faithfulness"] == 0.75
    finally:
        server.stop()


def test_a_line_cut_off_by_the_end_of_the_process_is_passed_over(good, questions, tracking, tmp_path):
    uri = str(tracking["tracking_uri"])
    run = begin_run("cut", experiment="resume-tests", **tracking)
    trial = ask(good, questions[0], good.index.document_text)
    with Checkpoint(tmp_path, "k", uri) as kept:
        kept.begin(run.run_id)
        kept.answered(trial)
    file = tmp_path / "k.jsonl"
    file.write_text(file.read_text() + '{"question": "mule", "answ')
    with Checkpoint(tmp_path, "k", uri) as kept:
        assert list(kept.answers) == ["holds"]
        kept.judged("holds", "faithfulness", 0.5)
    with Checkpoint(tmp_path, "k", uri) as kept:
        assert kept.verdicts == {("holds", "faithfulness"): 0.5}
        assert kept.run is not None
        # Somebody else at the same measurement does not disturb it.
        with Checkpoint(tmp_path, "k", uri) as other:
            assert other.run is None
            other.answered(trial)
            other.done()
    assert file.exists()


def test_what_nobody_asks_for_again_is_given_up(tracking, tmp_path):
    uri = str(tracking["tracking_uri"])
    run = begin_run("old", experiment="resume-tests", **tracking)
    with Checkpoint(tmp_path, "old", uri) as kept:
        kept.begin(run.run_id)
    long_ago = time.time() - 3 * 86_400
    os.utime(tmp_path / "old.jsonl", (long_ago, long_ago))
    with Checkpoint(tmp_path, "new", uri):
        pass
    assert not (tmp_path / "old.jsonl").exists()
    assert MlflowClient(uri).get_run(run.run_id).info.status == "KILLED"


def test_the_key_changes_with_what_changes_an_answer():
    assert measurement_key({"a": 1, "b": 2}) == measurement_key({"b": 2, "a": 1})
    assert measurement_key({"a": 1}) != measurement_key({"a": 2})


SLOW = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from eval.questions import load_questions
from eval.rag import run_rag

class Slow:
    index = SimpleNamespace(document_text=lambda document_id: None)
    def ask(self, question, as_of=None, where=None):
        time.sleep({seconds})
        with open({asked!r}, "a") as file:
            file.write(question + chr(10))
        return SimpleNamespace(answer="It is not in the documents.", status="not_in_documents", sentences=(), hits=(),
                               answerer="extractive")

result = run_rag(Slow(), load_questions({questions!r}), tracking_uri={uri!r}, experiment="killed",
                 artifact_root=Path({artifacts!r}), checkpoints=Path({folder!r}),
                 embed=lambda texts: np.ones((len(texts), 2)))
print(result.run_id, result.continued)
"""


def test_killed_by_the_system_it_goes_on_in_the_same_run(questions, tracking, tmp_path):
    file, asked, folder = tmp_path / "q.jsonl", tmp_path / "asked", tmp_path / "unfinished"
    file.write_text("\n".join(to_json(question) for question in questions))
    values = {
        "root": str(ROOT),
        "asked": str(asked),
        "questions": str(file),
        "uri": tracking["tracking_uri"],
        "artifacts": str(tracking["artifact_root"]),
        "folder": str(folder),
    }

    def start(seconds: float) -> "subprocess.Popen[str]":
        code = SLOW.format(**values, seconds=seconds)
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    first = start(0.3)
    deadline = time.monotonic() + 120
    while not asked.exists() or len(asked.read_text().split("\n")) < 4:
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = len(asked.read_text().split("\n")) - 1
    assert done < len(questions)
    (kept,) = folder.glob("*.jsonl")
    begun = json.loads(kept.read_text().split("\n")[0])["run_id"]
    said, _ = start(0.0).communicate(timeout=120)
    run_id, continued = said.split()
    assert run_id == begun
    # The answer that was on its way to the file may be asked for once more.
    assert done - 1 <= int(continued) <= done
    assert len(asked.read_text().split("\n")) - 1 == len(questions) + done - int(continued)
    run = MlflowClient(str(tracking["tracking_uri"])).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["completed_share"] == 1.0
