"""Works off jobs one after the other, in the background of the serving desk."""

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from app import uploads
from app.errors import message_of
from app.jobs import CANCELLED, DONE, FAILED, RETRAIN, SCORE, Job, new_id
from fraud_model.progress import Progress

if TYPE_CHECKING:
    from app.desk import Desk

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
# Progress goes to the database at most this often; the end of a job is asked for there too.
_TELL_SECONDS = 0.5
# Files and results of jobs that ended this long ago are removed.
_KEEP_SECONDS = 7 * 86_400


class JobCancelled(Exception):
    """The end of the job at work was asked for."""


class JobRunner:
    """One thread that works off jobs. Those cut off by the end of the desk are taken up again.

    Args:
        desk: The parts to work with.
    """

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._worker: threading.Thread | None = None

    def start(self) -> None:
        """Begins; jobs that were running when the desk ended come first."""
        self._desk.store.jobs.requeue()
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """Ends; the job at work is taken up again at the next start."""
        self._stopped.set()
        self._wake.set()
        if self._worker is not None:
            self._worker.join(timeout=10)

    def submit_file(
        self, incoming: BinaryIO, name: str, owner: str, reasons: int = 0, result_format: str = "csv"
    ) -> Job:
        """Queues a file to be scored. The file is on disk, whole, before the job exists.

        Args:
            incoming: The file.
            name: Its name; only the end counts.
            owner: Who submits it.
            reasons: Contributions for each alert.
            result_format: `csv` or `parquet`.

        Raises:
            RefusedError: it is no CSV or Parquet, empty, or too large.
        """
        settings = self._desk.settings
        suffix = uploads.suffix_of(name)
        number = new_id()
        folder = self.folder(number)
        folder.mkdir(parents=True)
        try:
            uploads.save(incoming, folder / f"in{suffix}", settings.max_upload_mb)
            options = {"suffix": suffix, "reasons": reasons, "format": result_format}
            job = self._desk.store.jobs.submit(SCORE, owner, Path(name).name, options, number)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._wake.set()
        return job

    def submit_retraining(self, owner: str, reason: str) -> Job:
        """Queues the training of a new candidate on the working payments and the decisions known by then."""
        job = self._desk.store.jobs.submit(RETRAIN, owner, reason or "retraining", {"reason": reason})
        self._wake.set()
        return job

    def cancel(self, job_id: str, who: str) -> Job:
        """Asks for the end of a job."""
        job = self._desk.store.jobs.cancel(job_id, who)
        self._wake.set()
        return job

    def folder(self, job_id: str) -> Path:
        """Where a job's files are."""
        return self._desk.settings.home / "jobs" / job_id

    def result_path(self, job: Job) -> Path:
        """The table that a finished scoring job made."""
        return self.folder(job.id) / f"scores.{job.options['format']}"

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                self._remove_old()
                while not self._stopped.is_set() and (job := self._desk.store.jobs.take()) is not None:
                    self._run(job)
            except Exception:
                # The database may be away for a while; jobs wait in it.
                log.exception("the queue of jobs is not worked off now")
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()

    def _run(self, job: Job) -> None:
        jobs = self._desk.store.jobs
        work: dict[str, Callable[[Job, Callable[[Progress], None]], dict[str, Any]]] = {
            SCORE: self._score,
            RETRAIN: self._retrain,
        }
        try:
            result = work[job.kind](job, self._teller(job))
        except _StoppedForNow:
            return
        except JobCancelled:
            jobs.finish(job.id, CANCELLED)
        except Exception as error:
            jobs.finish(job.id, FAILED, error=message_of(error))
            log.warning("job %s failed: %s", job.id, error)
        else:
            jobs.finish(job.id, DONE, result)

    def _teller(self, job: Job) -> Callable[[Progress], None]:
        told = 0.0
        stage = ""

        def tell(step: Progress) -> None:
            nonlocal told, stage
            if self._stopped.is_set():
                raise _StoppedForNow
            now = time.monotonic()
            if step.stage == stage and now - told < _TELL_SECONDS:
                return
            told, stage = now, step.stage
            if self._desk.store.jobs.progress(job.id, step.stage, step.done, step.total):
                raise JobCancelled

        return tell

    def _score(self, job: Job, tell: Callable[[Progress], None]) -> dict[str, Any]:
        from app.batch import score_job_file

        source = self.folder(job.id) / f"in{job.options['suffix']}"
        return score_job_file(self._desk, job, source, self.result_path(job), tell)

    def _retrain(self, job: Job, tell: Callable[[Progress], None]) -> dict[str, Any]:
        from app.retraining import retrain

        result = retrain(self._desk.settings, job.options.get("reason", ""), tell)
        self._desk.documents_changed()
        return result

    def _remove_old(self) -> None:
        parent = self._desk.settings.home / "jobs"
        for folder in parent.iterdir() if parent.is_dir() else ():
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > _KEEP_SECONDS:
                    shutil.rmtree(folder)


class _StoppedForNow(BaseException):
    """The desk ends; the job is taken up again when it starts. An interruption, not an error: finished parts stay."""
