"""Finished parts of a long scoring job, kept beside its result, so that a killed job goes on where it ended.

    scores.parquet           appears when all is done
    .scores.parquet.parts/   job.json says of which job; 000000.parquet, ... are finished chunks

A part appears whole or not at all. Parts of another job (other files, model or settings) are thrown away.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from fraud_model.errors import DataError
from fraud_model.output import TableWriter, write_table
from fraud_model.sources import open_source


class Parts:
    """The parts of one job, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, number: int) -> pd.DataFrame | None:
        """A finished part; None where it is still to be done."""
        path = self._path(number)
        if not path.exists():
            return None
        frame = pd.read_parquet(path)
        for name in frame.columns:
            # As strings, so that a part without alerts has the same column types as one with them.
            if name.startswith("reason_") and not name.endswith("_effect"):
                frame[name] = frame[name].astype("string")
        return frame

    def write(self, number: int, scores: pd.DataFrame) -> None:
        """Keep a finished part."""
        write_table(scores, self._path(number))

    def join(self, count: int, out: Path) -> None:
        """Write parts 0 to `count - 1` as the result."""
        with TableWriter(out) as writer:
            for number in range(count):
                part = self.read(number)
                assert part is not None, "every part was written or found"
                writer.write(part)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"


@contextmanager
def parts_of(out: Path, job: Mapping[str, Any]) -> Iterator[Parts]:
    """The parts of a job; removed when it is done or fails, kept when it is killed or interrupted.

    Args:
        out: The job's result.
        job: What tells this job from another, ready for JSON.

    Raises:
        DataError: another process writes the same result, or the parts cannot be written.
    """
    folder = out.with_name(f".{out.name}.parts")
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(f"{out}: another process is writing it; wait for it, or choose another name") from error
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}; choose another place") from error
    try:
        try:
            _prepare(folder, out, job)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror or error}; free some space") from error
        yield Parts(folder)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def identity_of(source: Path) -> list[list[Any]]:
    """Name, size and time of change of each file of a source.

    Raises:
        DataError: there is nothing to read.
    """
    found: list[list[Any]] = []
    for file in open_source(source):
        facts = file.path.stat()
        found.append([str(file.path.resolve()), facts.st_size, facts.st_mtime_ns])
    return found


def _prepare(folder: Path, out: Path, job: Mapping[str, Any]) -> None:
    for left in out.parent.glob(f".{out.name}.*.tmp"):  # of a process killed while it put the result together
        left.unlink(missing_ok=True)
    text = json.dumps(job, sort_keys=True)
    named = folder / "job.json"
    if not named.exists() or named.read_text(encoding="utf-8") != text:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        named.write_text(text, encoding="utf-8")
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)
