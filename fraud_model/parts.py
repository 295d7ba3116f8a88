"""Finished parts of a long scoring job, kept beside its result, so that a killed job goes on where it ended.

    scores.parquet           appears when all is done
    .scores.parquet.parts/   job.json says of which job; 000000.parquet, ... are finished chunks

A part appears whole or not at all. Parts of another job (other files, model or settings) are thrown away.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from fraud_model.errors import DataError
from fraud_model.output import write_table, writer_of
from fraud_model.sources import open_source
from fraud_model.tables import is_table, source_name


class Parts:
    """The parts of one job, in order."""

    def __init__(self, folder: Path, out: Path | str) -> None:
        self.folder = folder
        self.out = out

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

    def join(self, count: int) -> None:
        """Write parts 0 to `count - 1` as the result."""
        with writer_of(self.out) as writer:
            for number in range(count):
                part = self.read(number)
                assert part is not None, "every part was written or found"
                writer.write(part)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"


@contextmanager
def parts_of(target: Path | str, job: Mapping[str, Any]) -> Iterator[Parts]:
    """The parts of a job; removed when it is done or fails, kept when it is killed or interrupted.

    Args:
        target: The job's result: a file, or URL#table, whose parts lie in the folder for temporary files.
        job: What tells this job from another, ready for JSON.

    Raises:
        DataError: another process writes the same result, or the parts cannot be written.
    """
    out = _place(target)
    folder = out.with_name(f".{out.name}.parts")
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(
            f"{source_name(target)}: another process is writing it; wait for it, or choose another name"
        ) from error
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}; choose another place") from error
    try:
        try:
            _prepare(folder, out, job)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror or error}; free some space") from error
        yield Parts(folder, target)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def identity_of(source: Path | str, path: Path) -> list[list[Any]]:
    """Name, size and time of change of each file of a source; of a table, its name and the digest of its copy.

    Args:
        source: What was asked for.
        path: Where it can be read.

    Raises:
        DataError: there is nothing to read.
    """
    if is_table(source):
        with path.open("rb") as copy:
            return [[source_name(source), file_digest(copy, "sha256").hexdigest()]]
    found: list[list[Any]] = []
    for file in open_source(path):
        facts = file.path.stat()
        found.append([str(file.path.resolve()), facts.st_size, facts.st_mtime_ns])
    return found


def _place(target: Path | str) -> Path:
    """Beside which file the parts lie."""
    if not is_table(target):
        return Path(target)
    return Path(tempfile.gettempdir()) / f"frauddesk-{sha256(source_name(target).encode()).hexdigest()[:16]}"


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
