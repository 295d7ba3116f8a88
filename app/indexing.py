"""Keeps the index of a serving desk true to the folder the desk writes to, within seconds and without being asked.

One thread writes the notes of closed cases, removes those taken back, finishes the records of new alerts, and brings
every new, changed or removed file of the folder into the index. What fails is tried again; what was ordered before a
restart stands in the database and is done after it.
"""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from app.case_notes import FOLDER, note_text
from app.files import write_whole
from app.note_box import PENDING, NoteTask
from app.settings import Settings
from app.store import Store
from app.store_errors import NotFoundError

if TYPE_CHECKING:
    from retrieval import Index

log = logging.getLogger(__name__)

LOOK_SECONDS = 20.0
"""The folder is looked at this often even if nobody says that something changed."""

_LONGEST_PAUSE = 60.0
_RECORDS_AT_ONCE = 20
# After someone used the page, records wait until it is quiet, but not for ever: somebody always works there.
_QUIET_SECONDS = 2.0
_LONGEST_WAIT = 5.0

Seen = dict[Path, tuple[int, int]]


class IndexedDesk(Protocol):
    """What this module needs of the desk."""

    settings: Settings
    index_writing: Any

    @property
    def store(self) -> Store:
        """The desk's database."""

    @property
    def index(self) -> "Index":
        """The index of documents."""

    def complete_record(self, alert_id: int) -> Any:
        """Looks up an alert's precedents and typology and freezes them."""


class Indexer:
    """The thread; nothing runs before `start`.

    Args:
        desk: The desk whose folder and index these are.
    """

    def __init__(self, desk: IndexedDesk) -> None:
        self._desk = desk
        self._folder = desk.settings.corpus_written
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._one_pass = threading.Lock()
        self._thread: threading.Thread | None = None
        self._seen: Seen | None = None
        self._used = float("-inf")

    def start(self) -> None:
        """Starts the thread; a second call changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
            self._thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """Ends the thread after the pass at work; waits at most `patience` seconds for it."""
        self._stopped.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join(patience)

    def wake(self) -> None:
        """Says that something changed; costs nothing where the thread does not run."""
        self._changed.set()

    def page_used(self) -> None:
        """Says that someone waits for the page: records of new alerts, which nobody waits for, are finished later."""
        self._used = time.monotonic()

    def run_once(self) -> bool:
        """Everything that waits, now, on the caller's thread.

        Returns:
            Whether all of it is done; what failed stands in the log and is left for the next time.
        """
        done = self._documents()
        while self._records():
            done = self._documents()
        return done

    def _run(self) -> None:
        pause = 1.0
        while not self._stopped.is_set():
            self._changed.clear()
            more = False
            try:
                done = self._documents()
                more = self._records()
            except Exception as error:
                log.warning("documents could not be indexed; trying again in %.0f seconds: %s", pause, error)
                done = False
            if not done:
                self._changed.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = 1.0
            if not more:
                self._changed.wait(LOOK_SECONDS)

    def _documents(self) -> bool:
        with self._one_pass:
            return self._notes()

    def _notes(self) -> bool:
        """Files first, then the index, then the mark that it is done: each step can be done again."""
        tasks = self._desk.store.notes.open_tasks()
        filed = [task for task in tasks if self._file(task)]
        with self._desk.index_writing:
            self._sync()
        for task in filed:
            self._desk.store.notes.done(task)
        return len(filed) == len(tasks)

    def _file(self, task: NoteTask) -> bool:
        """Writes or removes the file of one note; what does not work stands with the task."""
        store = self._desk.store
        try:
            if task.state == PENDING:
                alert = store.alert(task.alert_id)
                if alert.precedents is None:
                    self._desk.complete_record(task.alert_id)
                    alert = store.alert(task.alert_id)
                made = next(item for item in alert.dispositions if item.id == task.disposition_id)
                case_id = store.notes.give_case_id(task, self._known_names())
                write_whole(self._path(case_id), note_text(alert, made, case_id))
            elif task.case_id is not None:
                self._path(task.case_id).unlink(missing_ok=True)
        except (OSError, NotFoundError, StopIteration) as error:
            log.warning("the note of alert %s waits: %s", task.alert_id, error)
            store.notes.failed(task, str(error))
            return False
        return True

    def _known_names(self) -> list[str]:
        """Where case ids may stand already: indexed notes, and files not indexed yet."""
        written = self._folder / FOLDER
        files = [file.stem for file in written.glob("*")] if written.is_dir() else []
        return [*self._desk.index.document_ids(collections=[FOLDER]), *files]

    def _path(self, case_id: str) -> Path:
        return self._folder / FOLDER / f"{case_id}.md"

    def _sync(self) -> None:
        """Brings what changed in the folder into the index; the first time everything, since others wrote before."""
        from retrieval import read_documents
        from retrieval.documents import COLLECTIONS

        folder = self._folder
        now, before = _look(folder), self._seen
        if now == before:
            return
        index = self._desk.index
        if before is None:
            if now:
                index.sync(read_documents(folder), prune=[folder])
        else:
            changed = [path for path, facts in now.items() if before.get(path) != facts]
            for path in before.keys() - now.keys():
                index.delete(str(path))
            if changed:
                # A file read alone has the same id as within its folder only where the folder is a collection.
                alone = all(path.parent.name in COLLECTIONS for path in changed)
                entries = (e for path in changed for e in read_documents(path)) if alone else read_documents(folder)
                for failure in index.sync(entries).failed:
                    log.warning("not indexed: %s: %s", failure.source, failure.reason)
        # Only now: a failure above is tried again.
        self._seen = now

    def _records(self) -> bool:
        """Freezes precedents and typology of new alerts, the largest expected loss first, a few at a time.

        Returns:
            Whether there may be more.
        """
        waiting: Sequence[int] = self._desk.store.unfinished(_RECORDS_AT_ONCE)
        until = time.monotonic() + _LONGEST_WAIT
        for alert_id in waiting:
            while (left := min(self._used + _QUIET_SECONDS, until) - time.monotonic()) > 0:
                if self._changed.wait(left):  # also when stopped
                    break
            if self._stopped.is_set() or self._changed.is_set():
                break
            started = time.monotonic()
            self._desk.complete_record(alert_id)
            # Whoever works at the page goes first: half of one core at most.
            self._stopped.wait(time.monotonic() - started)
        return bool(waiting) and not self._stopped.is_set()


def _look(folder: Path) -> Seen:
    """Names, times and sizes of the files that could be documents."""
    from retrieval.readers import READERS

    found: Seen = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.suffix.lower() not in READERS:
            continue
        try:
            facts = path.stat()
        except OSError:
            continue
        if path.is_file():
            found[path.resolve()] = (facts.st_mtime_ns, facts.st_size)
    return found
