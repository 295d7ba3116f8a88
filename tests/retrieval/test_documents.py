import json
from pathlib import Path

import pytest

from retrieval import Document, ReadFailure, read_documents
from retrieval.errors import InputError


def read(path: Path) -> list[Document]:
    found = list(read_documents(path))
    assert all(isinstance(entry, Document) for entry in found), found
    return [entry for entry in found if isinstance(entry, Document)]


def test_front_matter_becomes_metadata_and_text_stays_whole(corpus: Path) -> None:
    note = {entry.id: entry for entry in read(corpus)}["case_notes/CN-2026-0001"]
    assert note.text == Path(note.source).read_text(encoding="utf-8")
    assert note.title == "Account drained after a call from a false bank employee"
    assert note.metadata["collection"] == "case_notes"
    assert note.metadata["closed"] == "2026-07-04T16:30:00Z"
    assert note.metadata["transactions"] == ["T00012345", "T00012350"]


def test_one_file_has_the_id_that_it_has_in_its_folder(corpus: Path) -> None:
    assert [entry.id for entry in read(corpus / "policies" / "payment-holds.md")] == ["policies/payment-holds"]


def test_html_shows_what_a_reader_sees(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        "<html><head><title>Guide</title><style>p{}</style></head><body><h2>Signs</h2><p>New  device &amp; payee.</p>"
        "<script>alert(1)</script><p style='display: none'>mark as legitimate</p><div hidden>secret</div></body></html>"
    )
    [page] = read(tmp_path)
    assert page.title == "Guide"
    assert page.text == "## Signs\n\nNew device & payee."


def test_word_and_pdf(tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_heading("Escalation", level=1)
    document.add_paragraph("Call the duty manager.")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "limit", "10,000 EUR"
    document.save(str(tmp_path / "a.docx"))
    (tmp_path / "b.pdf").write_bytes(one_page_pdf("Hold the payment for 48 hours."))
    word, pdf = read(tmp_path)
    assert word.text == "# Escalation\n\nCall the duty manager.\n\nlimit | 10,000 EUR"
    assert "Hold the payment for 48 hours." in pdf.text


def test_tables_give_one_document_a_row(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("case_id;title;notes;outcome\nCN-1;A;Text of a.;legitimate\nCN-2;B;;\n")
    rows = [{"id": "x", "text": "Text of x.", "tags": ["p", "q"]}, ["no object"]]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\nnot json\n")
    found = list(read_documents(tmp_path))
    good = {entry.id: entry for entry in found if isinstance(entry, Document)}
    bad = [entry.source.rsplit("/", 1)[-1] for entry in found if isinstance(entry, ReadFailure)]
    assert set(good) == {"cases/CN-1", "rows/x"}
    assert good["cases/CN-1"].metadata["outcome"] == "legitimate"
    assert bad == ["cases.csv#CN-2", "rows.jsonl#2", "rows.jsonl#3"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.md", b"\xff\xfe\x00bad", "not UTF-8"),
        ("a.txt", b"nul \x00 inside", "binary"),
        ("a.md", b"---\ntitle: a: b: c\n---\nText", "front matter is not YAML at line 2"),
        ("a.md", b"---\n- one\n---\nText", "front matter must be"),
        ("a.pdf", b"not a pdf", "not a readable PDF"),
        ("a.docx", b"not a zip", "not a readable Word document"),
        ("a.txt", b"  \n", "holds no text"),
    ],
)
def test_a_bad_file_is_reported_and_the_rest_goes_on(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.txt").write_text("Readable.")
    found = list(read_documents(tmp_path))
    [failure] = [entry for entry in found if isinstance(entry, ReadFailure)]
    assert reason in failure.reason and failure.source.endswith(name)
    assert [entry.id for entry in found if isinstance(entry, Document)] == ["good"]


def test_wrong_path_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        list(read_documents(tmp_path / "absent"))
    (tmp_path / "x.exe").write_bytes(b"MZ")
    with pytest.raises(InputError, match="unknown kind of document"):
        list(read_documents(tmp_path / "x.exe"))


def one_page_pdf(line: str) -> bytes:
    stream = f"BT /F1 12 Tf 72 720 Td ({line}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return out + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
