"""One writer at a time: a lock file beside the index, and who holds it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from retrieval.errors import IndexLocked


class WriterLock:
    """The right to write one index folder; the operating system frees it when its holder ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(str(folder / "writer.lock"), thread_local=False)
        self._note = folder / "writer.json"
        self._folder = folder

    def acquire(self, task: str) -> None:
        """Take the lock; taking it again in the same object is counted.

        Raises:
            IndexLocked: If another process (or another open index) holds it; the message says which.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise IndexLocked(f"{self._folder}: {self._holder()}; wait for it, or use the running desk") from None
        if self._lock.lock_counter == 1:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            note = {"process": os.getpid(), "host": socket.gethostname(), "task": task, "since": now}
            self._note.write_text(json.dumps(note), encoding="utf-8")

    def release(self) -> None:
        """Give the lock back (once for each time it was taken)."""
        if self._lock.lock_counter == 1:
            self._note.unlink(missing_ok=True)
        self._lock.release()

    @contextmanager
    def held(self, task: str) -> Iterator[None]:
        """Hold the lock for a block."""
        self.acquire(task)
        try:
            yield
        finally:
            self.release()

    def _holder(self) -> str:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return (
                f"process {note['process']} on {note['host']} has been writing since {note['since']} ({note['task']})"
            )
        except (OSError, ValueError, KeyError):
            return "another process is writing"
