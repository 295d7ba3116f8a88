import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval import Document, Index, ReadFailure
from retrieval.errors import IndexLocked, IndexMismatch, InputError
from retrieval.store import Store, current_generation


def make(number: int, text: str = "") -> Document:
    return Document(
        f"d{number}", f"Title {number}", text or f"Payment number {number} was held for review.", {"n": number}
    )


@pytest.fixture
def fresh(tmp_path: Path) -> Index:
    return Index.open(tmp_path / "index")


def state(index: Index) -> tuple[int, int, int, int]:
    status = index.status()
    assert status.consistent
    return status.documents, status.passages, status.vectors, status.keyword_passages


def test_sync_counts_what_it_did_and_changes_the_version(fresh: Index) -> None:
    first = fresh.sync([make(1), make(2), make(3)])
    assert (first.added, first.updated, first.deleted, first.unchanged) == (3, 0, 0, 0)
    version = fresh.version
    again = fresh.sync([make(1), make(2), make(3)])
    assert (again.added, again.unchanged, fresh.version) == (0, 3, version)
    changed = fresh.sync([make(1), make(2, "Now about mules.")], prune=True)
    assert (changed.updated, changed.deleted, changed.unchanged, changed.total) == (1, 1, 1, 2)
    assert fresh.version != version
    assert state(fresh) == (2, 2, 2, 2)


def test_a_deleted_document_cannot_be_found_again(fresh: Index) -> None:
    fresh.sync([make(1), Document("secret", "Secret", "The zebra protocol applies to wire transfers.")])
    assert fresh.search("zebra protocol")[0].document_id == "secret"
    fresh.sync([make(1)], prune=True)
    assert all(hit.document_id != "secret" for hit in fresh.search("zebra protocol", k=50))
    assert b"zebra" not in b"".join(p.read_bytes() for p in (fresh.path / "g1" / "chroma").rglob("*") if p.is_file())
    assert fresh.delete("d1") == 1
    assert fresh.delete("d1") == 0
    assert fresh.search("payment") == []


def test_a_changed_document_is_there_once_with_its_new_text(fresh: Index) -> None:
    fresh.sync([make(1, "The old wording mentions giraffes.")])
    fresh.sync([make(1, "The new wording mentions penguins.")])
    hits = fresh.search("wording giraffes penguins", k=10)
    assert [hit.text for hit in hits] == ["The new wording mentions penguins."]


def test_a_failure_keeps_the_older_version_even_when_pruning(fresh: Index) -> None:
    fresh.sync([make(1), make(2)])
    report = fresh.sync([make(1), ReadFailure("d2.md", "not UTF-8", "d2")], prune=True)
    assert (report.deleted, [entry.document_id for entry in report.failed]) == (0, ["d2"])
    assert fresh.status().failures == (("d2.md", "not UTF-8"),)


def test_reading_nothing_does_not_empty_the_index(fresh: Index) -> None:
    fresh.sync([make(1)])
    with pytest.raises(InputError, match="nothing was read"):
        fresh.sync([], prune=True)
    assert state(fresh)[0] == 1


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (make(1), "occurs twice"),
        (Document("", "T", "text"), "needs an id"),
        (Document("e", "T", "---\na: b\n---\n \n"), "holds no text"),
        (Document("u", "T", "broken \ud800"), "no valid Unicode"),
        (Document("t", "T", "text", {"closed": "soon"}), "is no time"),
    ],
)
def test_what_cannot_be_indexed_is_reported(fresh: Index, document: Document, reason: str) -> None:
    report = fresh.sync([make(1), document])
    assert report.added == 1
    assert reason in report.failed[0].reason


@pytest.mark.parametrize("step", ["upsert", "replace", "delete", "clear_journal"])
def test_a_sync_that_breaks_off_is_completed_by_the_next(
    fresh: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fresh.sync([make(1), make(2)])
    home = "retrieval.vectors.VectorView" if step in ("upsert", "delete") else "retrieval.manifest.Manifest"
    with monkeypatch.context() as patched:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(f"{home}.{step}", stop)
        with pytest.raises(KeyboardInterrupt):
            fresh.sync([make(2, "Quite another text."), make(3)])
    fresh.sync([make(2, "Quite another text."), make(3)], prune=True)
    assert state(fresh) == (2, 2, 2, 2)
    assert {hit.text for hit in fresh.search("text payment")} == {"Quite another text.", make(3).text}


def test_vectors_lost_outside_are_put_back(fresh: Index) -> None:
    fresh.sync([make(1), make(2)])
    store = Store(fresh.path, "g1", None)
    store.vectors.delete([1])
    assert not fresh.status().consistent
    fresh.sync([make(1), make(2)])
    assert state(fresh) == (2, 2, 2, 2)


def test_rebuild_switches_at_once_and_keeps_hashes(fresh: Index) -> None:
    fresh.sync([make(1), make(2)])
    other = Index.open(fresh.path)
    assert len(other.search("payment held")) == 2
    before = fresh.version
    fresh.rebuild()
    assert current_generation(fresh.path) == "g2"
    assert not (fresh.path / "g1").exists()
    assert fresh.version != before
    assert len(other.search("payment held")) == 2
    assert fresh.sync([make(1), make(2)]).unchanged == 2


def test_another_model_is_refused_while_the_old_index_serves(fresh: Index, tmp_path: Path) -> None:
    import shutil

    from retrieval.embedding import Embedding

    fresh.sync([make(1)])
    folder = tmp_path / "other-model"
    shutil.copytree(Embedding().folder(), folder)
    (folder / "README.md").unlink()
    (folder / "config_sentence_transformers.json").write_text("{}")
    other = Index.open(fresh.path, embedding_model=str(folder))
    with pytest.raises(IndexMismatch, match="frauddesk index rebuild"):
        other.sync([make(2)])
    assert other.search("payment")[0].document_id == "d1"
    other.rebuild()
    assert "other-model" in other.status().embedding_model
    assert other.sync([make(1), make(2)]).added == 1


def test_one_writer_at_a_time_with_a_clear_message(fresh: Index) -> None:
    fresh.sync([make(1)])
    code = (
        "import sys, time\nfrom retrieval import Index\n"
        "index = Index.open(sys.argv[1]); index.hold_writer(); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(fresh.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        with pytest.raises(IndexLocked, match=rf"process {child.pid} on .* \(serving\)"):
            fresh.sync([make(2)])
        assert len(fresh.search("payment")) == 1
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    assert fresh.sync([make(2)]).added == 1


def test_reading_only(fresh: Index, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no index there yet"):
        Index.open(tmp_path / "none", read_only=True)
    fresh.sync([make(1)])
    reader = Index.open(fresh.path, read_only=True)
    assert reader.search("payment")[0].document_id == "d1"
    with pytest.raises(InputError, match="reading only"):
        reader.sync([make(2)])


def test_a_reader_sees_what_another_index_wrote(fresh: Index) -> None:
    fresh.sync([make(1)])
    reader = Index.open(fresh.path, read_only=True)
    assert reader.search("penguins")[0].document_id == "d1"
    fresh.sync([make(2, "About penguins.")])
    assert reader.search("penguins")[0].document_id == "d2"


def test_private_numbers_are_masked_and_offsets_stay(fresh: Index) -> None:
    text = "Paid with card 4111 1111 1111 1111 and wrote to jo@example.org about it."
    report = fresh.sync([Document("p", "Card 4111111111111111", text, {"contact": "jo@example.org"})])
    assert report.masked == {"card": 2, "email": 1}
    [hit] = fresh.search("paid with card")
    assert len(fresh.document_text("p")) == len(text)
    assert "4111" not in hit.text + hit.title and "jo@" not in hit.text + str(hit.metadata)


def test_status_loads_no_model(fresh: Index) -> None:
    fresh.sync([make(1)])
    code = (
        "import sys\nfrom retrieval import Index\nindex = Index.open(sys.argv[1], read_only=True); index.status()\n"
        "print([name for name in ('torch', 'transformers', 'langchain') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(fresh.path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_metadata_and_source_come_back(fresh: Index) -> None:
    document = replace(make(1), metadata={"source": "/somewhere/d1.md", "tags": ["a", "b"], "amount": 3.5})
    fresh.sync([document])
    [hit] = fresh.search("payment")
    assert (hit.source, hit.metadata["tags"], hit.metadata["amount"]) == ("/somewhere/d1.md", ["a", "b"], 3.5)
    assert fresh.delete("/somewhere/d1.md") == 1


def test_an_index_with_other_terms_serves_until_it_is_rebuilt(tmp_path: Path) -> None:
    import sqlite3

    import numpy as np

    from retrieval.keyword import count_terms
    from retrieval.text import terms

    document = Document("hold", "Holds", "A hold lasts 48 hours at most.")
    with Index.open(tmp_path / "index") as index:
        index.sync([document])
    hashes, counts = count_terms(terms("Holds A hold lasts 48 hours at most."))
    with sqlite3.connect(tmp_path / "index" / "g1" / "manifest.db") as database:
        database.execute("DELETE FROM settings WHERE name = 'terms'")
        database.execute("UPDATE passages SET terms = ?, counts = ?", (hashes.tobytes(), counts.tobytes()))
    index = Index.open(tmp_path / "index")
    with pytest.raises(IndexMismatch, match="frauddesk index rebuild"):
        index.sync([document])
    assert index.search("how long is a payment held")[0].document_id == "hold"
    index.rebuild()
    assert index.sync([document]).unchanged == 1
    held = next(iter(index._store.manifest.every_passage()))
    assert len(held.terms) > len(np.unique(hashes))


def test_an_index_from_before_terms_were_recorded_goes_on(tmp_path: Path) -> None:
    import sqlite3

    document = Document("hold", "Holds", "A hold lasts 48 hours at most.")
    with Index.open(tmp_path / "index") as index:
        index.sync([document])
    with sqlite3.connect(tmp_path / "index" / "g1" / "manifest.db") as database:
        database.execute("DELETE FROM settings WHERE name = 'terms'")
    assert Index.open(tmp_path / "index").sync([document]).unchanged == 1
