"""Putting right what an interrupted write left between the manifest and Chroma."""

import logging

from retrieval.rows import vector_record
from retrieval.store import Store

logger = logging.getLogger(__name__)

BATCH_PASSAGES = 512
"""Passages written again at once."""


def recover(store: Store) -> None:
    """Put right what an interrupted write left: vectors without a passage go, passages without a vector get theirs."""
    waiting = store.manifest.journaled()
    if waiting:
        known = {number for number, _ in store.manifest.numbers()}
        store.vectors.delete([number for number in waiting if number not in known])
        with store.manifest.transaction():
            store.manifest.clear_journal(waiting)
    if store.vectors.count() != store.manifest.counts()[1]:
        _compare(store)


def _compare(store: Store) -> None:
    """Bring Chroma to the manifest passage by passage, from the vectors that the manifest keeps."""
    known = {number for number, _ in store.manifest.numbers()}
    held = store.vectors.numbers()
    logger.warning("vector view holds %d passages, manifest %d: putting it right", len(held), len(known))
    store.vectors.delete(sorted(held - known))
    missing = sorted(known - held)
    for begin in range(0, len(missing), BATCH_PASSAGES):
        found = store.manifest.passages(missing[begin : begin + BATCH_PASSAGES])
        records = []
        for entry in found.values():
            document = store.manifest.document(entry.document_id)
            if document is not None:
                records.append(vector_record(entry, document, entry.vectors[0] * entry.scales[0]))
        store.vectors.upsert(records)
