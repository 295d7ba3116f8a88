import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retrieval import Document, Index

MOMENTS = int(os.environ.get("KILL_MOMENTS", "3"))

CHILD = """
import sys
from retrieval import Document, Index
from retrieval import sync
sync.BATCH_PASSAGES = 8
index = Index.open(sys.argv[1])
index.sync([Document("warm", "", "Warm up.")])
print("ready", flush=True)
text = f"Version {sys.argv[2]} of note %d. It has two sentences."
index.sync([Document(f"d{i}", f"Note {i}", text % i) for i in range(120)])
"""


def documents(version: int) -> list[Document]:
    return [
        Document(f"d{i}", f"Note {i}", f"Version {version} of note {i}. It has two sentences.") for i in range(120)
    ] + [Document("warm", "", "Warm up.")]


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_killed_sync_is_completed_by_the_next(tmp_path: Path, moment: int) -> None:
    """More moments: KILL_MOMENTS=20."""
    path = tmp_path / "index"
    with Index.open(path) as index:
        index.sync(documents(0))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), "1"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    time.sleep(random.Random(moment).uniform(0.0, 0.5))
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with Index.open(path) as index:
        between = index.search("version of note", k=50)
        assert all(index.document_text(hit.document_id)[hit.start : hit.end] == hit.text for hit in between)
        index.sync(documents(1), prune=True)
        status = index.status()
        assert status.consistent
        assert (status.documents, status.passages, status.vectors) == (121, 121, 121)
        assert all(
            "Version 1" in hit.text for hit in index.search("version of note", k=120) if hit.document_id != "warm"
        )
