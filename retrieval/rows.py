"""What the three views of the index hold of one passage: its terms, its vectors, and who may see it."""

import numpy as np

from retrieval.chunking import Passage
from retrieval.identifiers import find_identifiers, identifier_term, identifiers_of_metadata
from retrieval.keyword import count_terms
from retrieval.manifest import StoredDocument, StoredPassage
from retrieval.store import Store
from retrieval.text import pairs, terms
from retrieval.vectors import VectorRecord

TERMS = "stems, pairs, identifiers"
"""What the keyword view holds of a passage; recorded in the index, changes with the meaning of its terms."""


def passage_context(title: str, heading: str) -> str:
    """What is read before a passage when it is embedded and indexed: its title and headings."""
    names = [title] if title and title not in heading else []
    return " > ".join([*names, *([heading] if heading else [])]) + "\n" if names or heading else ""


def quantise(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as int8 with one float32 scale each; cosines change by about 0.001."""
    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12).astype(np.float32) / 127
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


def index_terms(document: StoredDocument, passage: Passage) -> tuple[np.ndarray, np.ndarray, int]:
    """Hashes and counts of what the keyword view holds of a passage (words, pairs, identifiers), and its words."""
    text = document.text[passage.start : passage.end]
    context = passage_context(document.title, passage.heading)
    found = terms(context) + terms(text)
    named = find_identifiers(f"{context} {text}") + identifiers_of_metadata(document.metadata)
    hashes, counts = count_terms(found + pairs(found) + [identifier_term(name) for name in dict.fromkeys(named)])
    return hashes, counts, len(found)


def same_terms(store: Store) -> bool:
    """Whether a passage of this index holds the terms that it would be given now; True for an empty index."""
    for number, document_id in store.manifest.numbers()[:1]:
        held = store.manifest.passages([number])[number]
        document = store.manifest.document(document_id)
        if document is not None:
            hashes, _, _ = index_terms(document, Passage(held.start, held.end, held.heading))
            return np.array_equal(np.sort(hashes), np.sort(held.terms))
    return True


def stored_passage(
    document: StoredDocument, number: int, ordinal: int, passage: Passage, vectors: np.ndarray
) -> StoredPassage:
    """A passage for the manifest.

    Args:
        document: That it is cut from.
        number: Its unique number.
        ordinal: Its place in the document, from 0.
        passage: Where it lies.
        vectors: Of the passage and its windows, float32, shape (1 + windows, dimension).
    """
    hashes, counts, length = index_terms(document, passage)
    small, scales = quantise(vectors)
    return StoredPassage(
        number,
        document.id,
        ordinal,
        passage.start,
        passage.end,
        passage.heading,
        length,
        hashes,
        counts,
        small,
        scales,
    )


def vector_record(entry: StoredPassage, document: StoredDocument, vector: np.ndarray) -> VectorRecord:
    """A passage for Chroma."""
    collection = str(document.metadata.get("collection") or "")
    return VectorRecord(entry.number, vector, document.id, collection, document.visible_from)
