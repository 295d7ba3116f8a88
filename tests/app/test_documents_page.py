"""Documents of a serving desk: uploads are found, removal is provable, roles see what is theirs."""

import io

import pytest

from app.access import ForbiddenError, User
from app.desk import Desk
from app.errors import RefusedError
from app.library import clean_name
from app.settings import Settings
from app.store_errors import NotFoundError
from app.ui.documents_view import hits_view, status_view, sync_view, uploads_view

LEAD, ANA, EVE = User("lea", "lead"), User("ana", "analyst"), User("eve", "engineer")
TEXT = b"# Zebra holds\n\nZebra payments are held for 13 hours while the stripes are green.\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    home = tmp_path_factory.mktemp("library")
    shipped = home / "shipped"
    for name, words in {
        "policies/holds": "A hold lasts 48 hours.",
        "case_notes/CN-1": "The okapi case was fraud.",
    }.items():
        path = shipped / f"{name}.md"
        path.parent.mkdir(parents=True)
        path.write_text(f"# {name}\n\n{words}\n")
    opened = Desk(Settings(home=home / "home", corpus=shipped))
    opened.library.start_sync(LEAD)
    assert list(opened.library.follow_sync())[-1].report.added == 2
    yield opened
    opened.close()


def upload(desk, name, content=TEXT, collection="policies", user=LEAD):
    return desk.library.upload(user, collection, name, io.BytesIO(content))


def found(desk, query="zebra stripes green"):
    return [hit.document_id for hit in desk.index.search(query, 5)]


def test_an_upload_is_found_at_once_and_nothing_of_it_after_its_removal(desk):
    made = upload(desk, "../../Zebra holds <b>.md")
    assert made.document_id == "policies/Zebra-holds-b"
    file = desk.settings.corpus_written / "policies" / "Zebra-holds-b.md"
    assert file.read_bytes() == TEXT
    assert found(desk)[0] == made.document_id
    gone = desk.library.remove(LEAD, made.document_id)
    assert (gone.deleted, gone.retrievable) == (1, 0)
    assert not file.exists()
    assert made.document_id not in desk.index.document_ids()
    assert made.document_id not in found(desk)
    with pytest.raises(NotFoundError):
        desk.library.remove(LEAD, made.document_id)
    actions = [(line.action, line.subject) for line in desk.store.trail.entries().items[:2]]
    assert actions == [("remove", f"document {made.document_id}"), ("upload", f"document {made.document_id}")]


def test_the_same_name_again_replaces_also_in_another_format(desk):
    upload(desk, "stripes.md")
    upload(desk, "stripes.md", b"# Zebra\n\nZebra payments are held for 99 hours now.\n")
    upload(desk, "stripes.txt", b"Zebra payments are never held.\n")
    files = sorted(path.name for path in (desk.settings.corpus_written / "policies").iterdir())
    assert files == ["stripes.txt"]
    assert [name for name in desk.index.document_ids() if "stripes" in name] == ["policies/stripes"]
    assert "never held" in desk.index.document_text("policies/stripes")
    assert desk.library.remove(LEAD, "policies/stripes").retrievable == 0


def test_a_table_becomes_a_document_for_each_row_and_goes_as_one(desk):
    made = upload(desk, "old.csv", b"id,text\n1,First quagga note.\n2,Second quagga note.\n", "typologies")
    assert made.documents == ("typologies/old/1", "typologies/old/2")
    assert desk.library.remove(LEAD, "typologies/old").deleted == 2
    assert not any(name.startswith("typologies/") for name in desk.index.document_ids())


@pytest.mark.parametrize(
    ("name", "content", "collection", "status", "code"),
    [
        ("a.exe", b"MZ", "policies", 415, "unsupported_file"),
        ("a", b"x", "policies", 415, "unsupported_file"),
        (None, b"x", "policies", 415, "unsupported_file"),
        ("a.md", b"", "policies", 422, "empty_file"),
        ("a.md", b"\xff\xfe\x00", "policies", 422, "unreadable_file"),
        ("a.pdf", b"no pdf at all", "policies", 422, "unreadable_file"),
        ("a.md", b"x", "secrets", 422, "bad_input"),
        ("a.md", b"x", "../policies", 422, "bad_input"),
        ("....md", b"x", "policies", 422, "bad_input"),
        ("holds.md", b"x", "policies", 409, "name_taken"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(desk, name, content, collection, status, code):
    before = desk.index.version
    with pytest.raises(RefusedError) as refused:
        upload(desk, name, content, collection)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert desk.index.version == before
    assert not list((desk.settings.home / "tmp").glob("*"))
    assert not list(desk.settings.corpus_written.rglob("a.*"))


def test_too_large_a_file_is_refused(desk, tmp_path):
    small = Desk(Settings(home=tmp_path / "small", corpus=desk.settings.corpus, max_upload_mb=1))
    with pytest.raises(RefusedError) as refused:
        upload(small, "big.md", b"x" * (1 << 20) + b"y")
    assert refused.value.code == "too_large"


def test_roles_add_and_see_what_is_theirs(desk):
    shown = desk.library.listing(EVE).version
    with pytest.raises(ForbiddenError):
        upload(desk, "mine.md", user=ANA)
    with pytest.raises(ForbiddenError):
        desk.library.start_sync(ANA)
    with pytest.raises(RefusedError):
        upload(desk, "mine.md", collection="case_notes", user=EVE)
    made = upload(desk, "note.md", collection="case_notes")
    try:
        assert "case_notes" in desk.library.listing(LEAD).collections
        seen = desk.library.listing(EVE)
        assert set(seen.collections) == {"policies"}
        assert (seen.documents, seen.passages, seen.bytes, seen.uploads) == (1, None, None, ())
        assert seen.version == shown
        with pytest.raises(NotFoundError):
            desk.library.remove(EVE, made.document_id)
        assert "case_notes" not in uploads_view(seen.uploads, True) + status_view(seen, True)
    finally:
        desk.library.remove(LEAD, made.document_id)


def test_what_ships_cannot_be_removed(desk):
    with pytest.raises(NotFoundError, match="only uploaded ones"):
        desk.library.remove(LEAD, "policies/holds")
    assert "policies/holds" in desk.index.document_ids()


def test_a_sync_takes_in_changes_and_tells_failures(desk):
    bad = desk.settings.corpus / "policies" / "bad.md"
    bad.write_bytes(b"\xff\xfe\x00")
    try:
        desk.library.start_sync(LEAD)
        last = list(desk.library.follow_sync())[-1]
        assert (last.running, last.report.unchanged) == (False, 2)
        assert last.report.failed[0].source.endswith("policies/bad.md")
        shown = sync_view(last) + status_view(desk.library.listing(LEAD), True)
        assert shown.count("not UTF-8") == 2
        assert str(desk.settings.corpus) not in shown
    finally:
        bad.unlink()


@pytest.mark.parametrize(
    ("name", "kept"),
    [("Night desk rules", "Night-desk-rules"), ("../../etc/passwd", "etc-passwd"), ("a" * 300, "a" * 80), ("é1", "1")],
)
def test_names_lead_nowhere(name, kept):
    assert clean_name(name) == kept


def test_the_page_escapes_what_it_shows(desk):
    evil = "<img src=x onerror=alert(1)>"
    made = upload(desk, "evil.md", f"---\ntitle: '{evil}'\n---\n# Quokka\n\nQuokka {evil} says so.\n".encode())
    try:
        shown = hits_view(desk.index.search("quokka", 3), "quokka")
        assert "<img" not in shown
        assert "&lt;img" in shown
    finally:
        desk.library.remove(LEAD, made.document_id)
