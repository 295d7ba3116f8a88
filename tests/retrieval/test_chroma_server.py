"""The same index over a real Chroma server, started and ended here."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval import Answerer, Document, Index
from retrieval.errors import RetrievalError

CHROMA = shutil.which("chroma") or shutil.which("chroma", path=str(Path(sys.executable).parent))

pytestmark = pytest.mark.skipif(CHROMA is None, reason="the program `chroma` is not installed")

NOTES = [
    Document("a", "Holds", "A hold lasts 48 hours at most.", {"collection": "policies"}),
    Document("b", "Mules", "A mule passes each credit on within the hour.", {"collection": "typologies"}),
    Document("c", "Case", "The landlord confirmed the deposit.", {"case_id": "CN-2026-0001", "closed": "2026-07-04"}),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    folder = tmp_path_factory.mktemp("chroma")
    command = [str(CHROMA), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            for _ in range(300):
                try:
                    opener.open(f"{url}/api/v2/heartbeat", timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None, (folder / "server.log").read_text(errors="replace")
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)


def test_finds_and_answers_as_the_embedded_index_does(server: str, tmp_path: Path) -> None:
    remote, local = Index.open(tmp_path / "remote", chroma_url=server), Index.open(tmp_path / "local")
    for index in (remote, local):
        assert index.sync(NOTES).added == 3
        assert index.sync(NOTES).unchanged == 3
    assert remote.status().consistent and remote.status().vectors == 3
    for query, as_of in (("how long is a payment held", None), ("landlord deposit", "2026-07-01"), ("mule", None)):
        there, here = (index.search(query, 3, as_of) for index in (remote, local))
        assert [(hit.passage_id, hit.score) for hit in there] == [(hit.passage_id, hit.score) for hit in here]
    assert "48 hours" in Answerer(remote).ask("How long does a hold last at most?").answer


def test_deletes_updates_and_rebuilds_leave_no_orphan(server: str, tmp_path: Path) -> None:
    index = Index.open(tmp_path / "index", chroma_url=server)
    index.sync(NOTES)
    changed = Document("a", "Holds", "A hold lasts 24 hours at most.", {"collection": "policies"})
    report = index.sync([changed, NOTES[1]], prune=True)
    assert (report.updated, report.deleted, report.unchanged) == (1, 1, 1)
    assert index.status().vectors == 2 and index.status().consistent
    assert not any("landlord" in hit.text for hit in index.search("landlord confirmed the deposit"))
    before = collections_of(server)
    index.rebuild()
    assert len(collections_of(server)) == len(before) and set(collections_of(server)) != set(before)
    assert index.status().vectors == 2 and index.status().consistent
    assert index.search("how long is a payment held", 1)[0].text == changed.text
    assert index.delete("a") == 1 and index.status().vectors == 1


def test_a_second_process_reads_while_the_first_one_writes(server: str, tmp_path: Path) -> None:
    writer = Index.open(tmp_path / "index", chroma_url=server)
    writer.sync(NOTES[:1])
    script = (
        "import sys; from retrieval import Index\n"
        "index = Index.open(sys.argv[1], chroma_url=sys.argv[2], read_only=True)\n"
        "print(index.search('how long is a payment held', 1)[0].document_id)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "index"), server]
    root = Path(__file__).resolve().parents[2]
    read = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    writer.sync(NOTES)
    assert read.communicate(timeout=60)[0].strip() == "a"
    assert writer.status().vectors == 3


def test_a_server_that_is_down_is_named(tmp_path: Path) -> None:
    index = Index.open(tmp_path / "index", chroma_url="http://127.0.0.1:9")
    with pytest.raises(RetrievalError, match=r"Chroma server at http://127\.0\.0\.1:9 does not answer"):
        index.sync(NOTES)


def collections_of(url: str) -> list[str]:
    import chromadb

    client = chromadb.HttpClient(host="127.0.0.1", port=int(url.rpartition(":")[2]))
    return [collection.name for collection in client.list_collections()]
