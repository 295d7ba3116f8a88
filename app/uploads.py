"""Uploaded files on their way to scoring: a size limit, a name of our own, and no trace afterwards."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.errors import RefusedError

SUFFIXES = (".csv", ".parquet")
_CHUNK = 1 << 20


def suffix_of(name: str | None) -> str:
    """The kind of file, by the end of its name, which is all of the name that is ever used.

    Raises:
        RefusedError: the desk reads no such files.
    """
    suffix = Path(name or "").suffix.lower()
    if suffix not in SUFFIXES:
        raise RefusedError(f"send a {' or '.join(SUFFIXES)} file", 415, "unsupported_file")
    return suffix


@contextmanager
def work_folder(home: Path) -> Iterator[Path]:
    """A folder of its own under the desk's home, removed afterwards whatever happens."""
    parent = home / "tmp"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)


def save(incoming: BinaryIO, target: Path, limit_mb: int) -> None:
    """Writes an upload to `target`.

    Raises:
        RefusedError: it is empty or larger than the limit.
    """
    left = limit_mb * (1 << 20)
    written = 0
    with target.open("wb") as out:
        while chunk := incoming.read(_CHUNK):
            left -= len(chunk)
            written += len(chunk)
            if left < 0:
                raise RefusedError(f"the file is larger than {limit_mb} MB (setting max_upload_mb)", 413, "too_large")
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if not written:
        raise RefusedError("the file is empty", 422, "empty_file")
