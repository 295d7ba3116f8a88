"""What a measurement under way has finished: kept in a file, so that a killed one goes on where it ended.

The file holds one JSON object a line: first the run in MLflow, then each answer and each verdict of a judge as it
comes. A line that was cut off by the end of its process is passed over. The file goes when the run is whole.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from filelock import FileLock, Timeout

from eval.tracking import LoggedRun, continue_run, mark_ended
from eval.trials import Trial, to_plain

logger = logging.getLogger(__name__)

# An unfinished measurement of settings that nobody has asked for again since then is given up.
_KEPT_SECONDS = 2 * 86_400.0


def measurement_key(values: Mapping[str, Any]) -> str:
    """Sixteen hex digits that change with anything that changes an answer or a score."""
    plain = json.dumps(dict(values), sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


class Checkpoint:
    """The finished part of one measurement; use as a context manager.

    Where another process is at the same measurement, or the folder cannot be written, nothing is kept and `run` is
    None: the measurement still works, it only could not go on.

    Attributes:
        run: The run in MLflow to go on with; None for a new one.
        answers: Answers so far by question id, as `eval.trials.to_plain` gives them.
        verdicts: A judge's scores so far by (question id, metric).
    """

    def __init__(self, folder: Path, key: str, tracking_uri: str) -> None:
        """Prepare; nothing is read yet.

        Args:
            folder: Of unfinished measurements, made where absent.
            key: Of the measurement; see `measurement_key`.
            tracking_uri: MLflow's address.
        """
        self._folder, self._path, self._tracking_uri = folder, folder / f"{key}.jsonl", tracking_uri
        self._lock = FileLock(str(folder / f"{key}.lock"), thread_local=False)
        self._file: IO[str] | None = None
        self.run: LoggedRun | None = None
        self.answers: dict[str, dict[str, Any]] = {}
        self.verdicts: dict[tuple[str, str], float] = {}

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._forget_old_ones()
            self._read()
            self._file = self._path.open("a", encoding="utf-8")
        except Timeout:
            logger.warning("another process is at the same measurement; this one could not go on if it were killed")
        except OSError as error:
            logger.warning("finished answers cannot be kept in %s: %s", self._folder, error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._lock.release()

    def begin(self, run_id: str) -> None:
        """Note the run that a new measurement belongs to."""
        self._write({"run_id": run_id})

    def answered(self, trial: Trial) -> None:
        """Keep an answer."""
        self._write({"question": trial.question.id, "answer": to_plain(trial)})

    def judged(self, question_id: str, metric: str, score: float) -> None:
        """Keep a verdict."""
        self._write({"question": question_id, "metric": metric, "score": score})

    def done(self) -> None:
        """The run is whole: nothing is to go on with."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)

    def _read(self) -> None:
        if not self._path.exists():
            return
        entries = [entry for line in self._path.read_text(encoding="utf-8").split("\n") if (entry := _parsed(line))]
        run_id = next((entry["run_id"] for entry in entries if "run_id" in entry), None)
        self.run = None if run_id is None else continue_run(run_id, self._tracking_uri)
        if self.run is None:
            self._path.unlink()
            return
        for entry in entries:
            if "answer" in entry:
                self.answers[entry["question"]] = entry["answer"]
            elif "score" in entry:
                self.verdicts[entry["question"], entry["metric"]] = float(entry["score"])
        text = self._path.read_text(encoding="utf-8")
        if not text.endswith("\n"):
            # A cut line must not swallow the next one.
            self._path.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            logger.warning("finished answers cannot be kept any more: %s", error)
            self._file = None

    def _forget_old_ones(self) -> None:
        for path in self._folder.glob("*.jsonl"):
            if path == self._path or time.time() - path.stat().st_mtime < _KEPT_SECONDS:
                continue
            try:
                with FileLock(str(path.with_suffix(".lock")), timeout=0):
                    first = _parsed(path.read_text(encoding="utf-8").split("\n", 1)[0])
                    if first and "run_id" in first and continue_run(first["run_id"], self._tracking_uri):
                        mark_ended(first["run_id"], self._tracking_uri, "KILLED")
                    path.unlink(missing_ok=True)
            except (Timeout, OSError):
                continue


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) else None
