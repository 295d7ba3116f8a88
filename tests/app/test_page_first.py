"""The work behind the page: it waits for whoever works there, and ends with the service."""

import threading
import time
from types import SimpleNamespace

from fastapi.testclient import TestClient

from app.api import create_app
from app.desk import Desk
from app.indexing import Indexer
from app.settings import Settings


class Waiting:
    """A desk with records to finish, which writes down when it finished each."""

    def __init__(self, folder, records):
        self.settings = Settings(home=folder)
        self.index_writing = threading.Lock()
        self.index = None
        self.left = list(range(records))
        self.finished: list[float] = []
        self.store = SimpleNamespace(
            notes=SimpleNamespace(open_tasks=list), unfinished=lambda count: list(self.left[:count])
        )

    def complete_record(self, alert_id):
        self.left.remove(alert_id)
        self.finished.append(time.monotonic())


def test_records_wait_until_the_page_is_quiet(tmp_path, monkeypatch):
    monkeypatch.setattr("app.indexing._QUIET_SECONDS", 0.5)
    monkeypatch.setattr("app.indexing._LONGEST_WAIT", 600)
    desk = Waiting(tmp_path, records=2)
    indexer = Indexer(desk)
    started = time.monotonic()
    indexer.page_used()
    indexer.run_once()
    assert 0.5 <= desk.finished[0] - started < 60
    assert not desk.left


def test_records_do_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("app.indexing._QUIET_SECONDS", 600)
    monkeypatch.setattr("app.indexing._LONGEST_WAIT", 1)
    desk = Waiting(tmp_path, records=1)
    indexer = Indexer(desk)
    started = time.monotonic()
    indexer.page_used()
    indexer.run_once()
    assert 1 <= desk.finished[0] - started < 60


def test_a_new_note_ends_the_wait(tmp_path):
    desk = Waiting(tmp_path, records=1)
    indexer = Indexer(desk)
    indexer.page_used()
    indexer.wake()
    started = time.monotonic()
    indexer._records()
    assert time.monotonic() - started < 1
    assert desk.left == [0]  # the note first


def test_only_the_page_is_noticed(tmp_path):
    desk = Desk(Settings(home=tmp_path))
    used: list[str] = []
    desk.indexer.page_used = lambda: used.append("page")
    client = TestClient(create_app(desk.settings, desk), raise_server_exceptions=False)
    noticed = []
    for path in ("/health", "/api/model", "/", "/gradio_api/queue/join"):
        before = len(used)
        client.get(path)
        noticed.append((path, len(used) > before))
    assert noticed == [("/health", False), ("/api/model", False), ("/", True), ("/gradio_api/queue/join", True)]


def test_a_service_that_ends_as_it_begins_leaves_no_work_behind(tmp_path):
    # Other tests' services may run in this process.
    others = set(threading.enumerate())
    for attempt in range(3):
        desk = Desk(Settings(home=tmp_path / str(attempt)))
        with TestClient(create_app(desk.settings, desk, page=False)):
            time.sleep(attempt / 10)
    for name in ("desk", "jobs", "indexer"):  # the first starts the others
        for thread in threading.enumerate():
            if thread.name == name and thread not in others:
                thread.join(60)
                assert not thread.is_alive(), name
