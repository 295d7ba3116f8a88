"""Readers, one for each kind of file: Markdown, text, PDF, Word, HTML, CSV and JSON lines.

Offsets of Markdown and text documents are offsets into the file itself; those of the other kinds are offsets into the
extracted text, which the index keeps.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml

from retrieval.chunking import front_matter
from retrieval.columns import Columns, mapping_beside
from retrieval.documents import COLLECTIONS, Document, Metadata, ReadFailure, plain_metadata
from retrieval.errors import InputError

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes; a larger file is reported, not read."""

_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_ID_COLUMNS = ("case_id", "document_id", "id", "_id", "key", "reference")
_TITLE_COLUMNS = ("title", "subject", "summary", "headline")
_TEXT_COLUMNS = ("text", "body", "note", "notes", "narrative", "description", "content")


class _Unreadable(Exception):
    """A file's content cannot be used; the message is the reason."""


def read_file(
    path: Path, document_id: str, collection: str | None, columns: Columns | None = None
) -> Iterator[Document | ReadFailure]:
    """Read one file into documents.

    Args:
        path: The file; its suffix chooses the reader.
        document_id: Id of the document; rows of tables append their own.
        collection: Put into the metadata; None for none. One of `COLLECTIONS` is no matter of what the file says of
            itself, since roles see by it; only a mapping of columns may name another.
        columns: Which column of a table is what; None for the mapping beside it, else the usual names.

    Yields:
        One document (tables: one for each row), or a failure with its reason.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise _Unreadable(f"larger than {LARGEST_FILE // 2**20} MB; split it")
        common: Metadata = {"source": str(path)} | ({"collection": collection} if collection else {})
        kind = path.suffix.lower()
        # Who may see a document and what its quotes are checked against is not for its text to say.
        fixed: Metadata = {} if kind in _TABLES else {"source": str(path)}
        if collection in COLLECTIONS and not (kind in _TABLES and (columns or mapping_beside(path))):
            fixed["collection"] = collection
        for entry in _table(path, document_id, columns) if kind in _TABLES else READERS[kind](path, document_id):
            if isinstance(entry, ReadFailure):
                yield entry
            elif not entry.text.strip():
                source = str(entry.metadata.get("source", path))
                yield ReadFailure(source, "holds no text; a scanned document needs text recognition first", entry.id)
            else:
                yield Document(entry.id, entry.title, entry.text, common | entry.metadata | fixed)
    except (_Unreadable, InputError, OSError) as problem:
        reason = problem.strerror or str(problem) if isinstance(problem, OSError) else str(problem)
        yield ReadFailure(str(path), reason, document_id)


def _read_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise _Unreadable(f"not UTF-8 at byte {problem.start}; save it as UTF-8") from None
    if "\0" in text:
        raise _Unreadable("a binary file, not text")
    return text


def _markdown(path: Path, document_id: str) -> Iterator[Document]:
    text = _read_text(path)
    header, body = front_matter(text)
    try:
        fields = yaml.load(header, Loader=_YAML_LOADER) if header.strip() else {}
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f" at line {mark.line + 2}" if mark else ""
        raise _Unreadable(f"front matter is not YAML{line}; quote values that hold a colon") from None
    if fields is None:
        fields = {}
    if not isinstance(fields, Mapping):
        raise _Unreadable("front matter must be `name: value` lines")
    metadata = plain_metadata(fields)
    heading = re.search(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", text[body:], re.MULTILINE)
    title = metadata.get("title") or (heading.group(1) if heading else "") or _title_of(path)
    yield Document(document_id, str(title), text, metadata)


def _pdf(path: Path, document_id: str) -> Iterator[Document]:
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _Unreadable("the PDF is protected by a password; save it without one")
        pages = [page.extract_text() or "" for page in reader.pages]
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise _Unreadable(f"not a readable PDF ({type(problem).__name__})") from None
    text = "\n\n".join(_join_hyphens(page.strip()) for page in pages)
    yield Document(document_id, title.strip() or _title_of(path), text, {"pages": len(pages)})


def _docx(path: Path, document_id: str) -> Iterator[Document]:
    import zipfile

    import docx
    from docx.opc.exceptions import PackageNotFoundError

    try:
        content = docx.Document(str(path))
    except (PackageNotFoundError, zipfile.BadZipFile, KeyError, ValueError) as problem:
        raise _Unreadable(f"not a readable Word document ({type(problem).__name__}); save it as .docx") from None
    blocks = []
    for block in content.iter_inner_content():
        if hasattr(block, "rows"):
            blocks.append("\n".join(" | ".join(cell.text.strip() for cell in row.cells) for row in block.rows))
            continue
        style = (block.style.name or "") if block.style else ""
        level = re.fullmatch(r"Heading ([1-6])", style)
        mark = "#" * int(level.group(1)) + " " if level else "- " if style.startswith("List") else ""
        blocks.append(mark + block.text.strip() if block.text.strip() else "")
    title = content.core_properties.title or next((b.lstrip("# ") for b in blocks if b.startswith("#")), "")
    yield Document(document_id, title or _title_of(path), "\n\n".join(block for block in blocks if block), {})


_SKIPPED_TAGS = frozenset(("script", "style", "template", "noscript", "head", "svg", "iframe", "object"))
_BLOCK_TAGS = frozenset(("p", "div", "section", "article", "header", "footer", "tr", "li", "ul", "ol", "table", "br"))
_BLOCK_TAGS |= frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "pre", "dd", "dt"))
_VOID_TAGS = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"))


class _HtmlText(HTMLParser):
    """Visible text of a page, headings as Markdown headings, blocks apart; scripts and hidden parts left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title = ""
        self._hidden: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        style = re.sub(r"\s", "", dict(attrs).get("style") or "").lower()
        concealed = "hidden" in dict(attrs) or "display:none" in style or "visibility:hidden" in style
        if tag not in _VOID_TAGS and (self._hidden or tag in _SKIPPED_TAGS or concealed):
            self._hidden.append(tag)
        elif tag in _BLOCK_TAGS:
            self.parts.append("\n\n")
            if re.fullmatch(r"h[1-6]", tag):
                self.parts.append("#" * int(tag[1]) + " ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in self._hidden:
            while self._hidden and self._hidden.pop() != tag:
                pass
        elif tag in _BLOCK_TAGS and not self._hidden:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def _html(path: Path, document_id: str) -> Iterator[Document]:
    parser = _HtmlText()
    parser.feed(_read_text(path))
    parser.close()
    lines = [line.strip() for line in "".join(parser.parts).split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    yield Document(document_id, parser.title.strip() or _title_of(path), text, {})


_Row = tuple[int, dict[str, Any] | None]
"""Number of a row, from 1, and its values; None where it cannot be read."""


def _csv_rows(path: Path) -> Iterator[_Row]:
    text = _read_text(path)
    try:
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    csv.field_size_limit(LARGEST_FILE)
    rows = csv.DictReader(text.splitlines(keepends=True), dialect=dialect)
    try:
        for number, row in enumerate(rows, start=1):
            yield number, {str(name): value for name, value in row.items() if name is not None}
    except csv.Error as problem:
        raise _Unreadable(f"row {rows.line_num}: {problem}") from None


def _json_rows(path: Path) -> Iterator[_Row]:
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        yield number, row if isinstance(row, dict) else None


_TABLES: dict[str, Callable[[Path], Iterator[_Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
}


def _table(path: Path, document_id: str, columns: Columns | None = None) -> Iterator[Document | ReadFailure]:
    """A document for each row; a row that cannot be read is reported and the rest goes on."""
    columns = columns or mapping_beside(path)
    for number, row in _TABLES[path.suffix.lower()](path):
        source, key = f"{path}#{number}", f"{document_id}/{number}"
        if row is None:
            yield ReadFailure(source, "not a JSON object on one line", key)
        elif columns is None:
            yield _from_row(path, document_id, number, {name: value for name, value in row.items() if value})
        else:
            try:
                yield columns.document(row, number, document_id, path)
            except InputError as problem:
                own = f"{document_id}/{row[columns.id]}" if row.get(columns.id) else key
                yield ReadFailure(source, str(problem), own)


def _from_row(path: Path, document_id: str, number: int, row: dict[str, Any]) -> Document | ReadFailure:
    """A document from one row: id, title and text columns by their usual names, everything else as metadata."""
    names = {str(name).strip().lower(): name for name in row}
    chosen = {
        part: next((names[name] for name in known if name in names), None)
        for part, known in (("id", _ID_COLUMNS), ("title", _TITLE_COLUMNS), ("text", _TEXT_COLUMNS))
    }
    key = str(row[chosen["id"]]) if chosen["id"] is not None else str(number)
    source = f"{path}#{key}"
    if chosen["text"] is None:
        known = ", ".join(_TEXT_COLUMNS)
        return ReadFailure(source, f"row {number} has no text; name its column one of {known}", f"{document_id}/{key}")
    fields = {name: value for name, value in row.items() if name not in (chosen["title"], chosen["text"])}
    metadata = plain_metadata(fields) | {"source": source}
    title = str(row[chosen["title"]]) if chosen["title"] is not None else key
    return Document(f"{document_id}/{key}", title, str(row[chosen["text"]]), metadata)


def _title_of(path: Path) -> str:
    return path.stem.replace("_", " ").replace("-", " ").strip()


def _join_hyphens(page: str) -> str:
    """Join words that a line end divides, and lines that no paragraph end divides."""
    page = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", page)
    return re.sub(r"(?<![\n.:;!?])\n(?=[^\n\-•*\d])", " ", page)


_Reader = Callable[[Path, str], "Iterator[Document | ReadFailure]"]

READERS: dict[str, _Reader] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _markdown,
    ".pdf": _pdf,
    ".docx": _docx,
    ".html": _html,
    ".htm": _html,
    ".csv": _table,
    ".jsonl": _table,
    ".ndjson": _table,
}
