"""What the index gives back: hits, the report of a sync, and its status."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from retrieval.documents import Metadata, ReadFailure


@dataclass(frozen=True)
class Window:
    """A run of sentences of a passage, as offsets into its document, with its cosine with the question."""

    start: int
    end: int
    similarity: float


@dataclass(frozen=True)
class Hit:
    """One passage that search found.

    Attributes:
        document_id: Its document.
        passage_id: Its own id, `document_id#place`.
        source: Path or name of where the document comes from.
        title: The document's title.
        text: The passage, `document.text[start:end]`.
        start: Offset of its first character in the document.
        end: Offset behind its last.
        score: Fused score; comparable within one search only. An exact identifier adds at least 1.
        metadata: The document's fields.
        heading: The headings above the passage, joined by " > ".
        similarity: Best cosine of the question with the passage or one of its windows, in [-1, 1]; comparable
            between searches.
        relevance: The score without what identifiers add, in [0, 1].
        named: What identifiers added: 0 if the question names none that this document holds, 1 to 2 for the share that
            it holds, 1 more if it is itself what the question names.
        windows: The passage's windows of one or two sentences, each with its cosine with the question.
    """

    document_id: str
    passage_id: str
    source: str
    title: str
    text: str
    start: int
    end: int
    score: float
    metadata: Metadata
    heading: str = ""
    similarity: float = 0.0
    relevance: float = 0.0
    named: float = 0.0
    windows: tuple[Window, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields of the command line's JSON."""
        names = ("document_id", "passage_id", "source", "title", "text", "start", "end", "score")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class SyncReport:
    """What a sync did, in documents.

    Attributes:
        added: New in the index.
        updated: Changed since the last sync.
        deleted: Removed, because they are gone from what was read.
        unchanged: Already there with the same content.
        failed: What could not be read or indexed, each with its reason; an older version stays.
        total: Documents in the index afterwards.
        index_version: The index's version afterwards.
        masked: How many card numbers, IBANs, email addresses and phone numbers were hidden in what was written.
        seconds: Wall-clock time.
    """

    added: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: tuple[ReadFailure, ...] = ()
    total: int = 0
    index_version: str = ""
    masked: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        failures = [asdict(entry) for entry in self.failed]
        return asdict(self) | {"failed": len(failures), "failures": failures, "masked": dict(self.masked)}

    def to_text(self) -> str:
        """One line for the terminal."""
        counts = [f"{getattr(self, name):,} {name}" for name in ("added", "updated", "deleted", "unchanged")]
        hidden = sum(self.masked.values())
        masked = f"; {hidden:,} private numbers masked" if hidden else ""
        return (
            f"{', '.join(counts)}, {len(self.failed):,} failed in {self.seconds:.1f} s{masked}; {self.total:,} in all"
        )


@dataclass(frozen=True)
class IndexStatus:
    """What the index holds, and whether its views agree.

    Attributes:
        path: The index folder.
        documents: Documents.
        passages: Passages in the manifest.
        vectors: Passages in Chroma.
        keyword_passages: Passages in the keyword view.
        consistent: True if the three agree and no interrupted sync is waiting to be put right.
        collections: Documents in each collection.
        embedding_model: The model and its content hash.
        chunking: How documents were cut.
        version: Changes with every sync that changed something.
        last_sync: Time of the last sync, ISO 8601 in UTC; empty before the first.
        bytes: Size on disk; 0 for somebody from whom a part is hidden.
        failures: Source and reason of what the last sync could not read.
    """

    path: str
    documents: int
    passages: int
    vectors: int
    keyword_passages: int
    consistent: bool
    collections: Mapping[str, int]
    embedding_model: str
    chunking: str
    version: str
    last_sync: str
    bytes: int
    failures: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        failures = [{"source": source, "reason": reason} for source, reason in self.failures]
        return asdict(self) | {"collections": dict(self.collections), "failures": failures}

    def to_text(self) -> str:
        """A few lines for the terminal."""
        collections = ", ".join(f"{name} {count:,}" for name, count in self.collections.items())
        agree = "" if self.consistent else "  (views differ: the next sync puts that right)"
        lines = [
            f"documents  {self.documents:,}  ({collections})" if collections else f"documents  {self.documents:,}",
            f"passages   {self.passages:,} · vectors {self.vectors:,} · keyword {self.keyword_passages:,}{agree}",
            f"model      {self.embedding_model} · {self.chunking}",
            f"last sync  {self.last_sync or 'never'} · version {self.version}",
        ]
        if self.bytes:
            lines.append(f"size       {self.bytes / 2**20:.1f} MB in {self.path}")
        lines += [f"not read   {source}: {reason}" for source, reason in self.failures]
        return "\n".join(lines)
