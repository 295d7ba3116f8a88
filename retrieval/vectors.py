"""The vector view of the index: passages in a Chroma collection, embedded on disk or on a Chroma server.

Ids in Chroma are passage numbers, which the manifest never gives twice; what the manifest does not know is never
shown, so Chroma may lag behind it but can never be wrong about what the index holds.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from retrieval.errors import InputError, RetrievalError

logger = logging.getLogger(__name__)

ALWAYS_VISIBLE = -1e18
"""Stored as the time of a document that carries no date; before every `as_of`."""

BATCH = 2000
"""Passages written in one call; Chroma's own limit is 5,461."""

_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 24, "ef_search": 256}

_clients: dict[str, tuple[Any, str]] = {}
_clients_lock = threading.RLock()


@dataclass(frozen=True)
class VectorRecord:
    """One passage as Chroma holds it."""

    number: int
    vector: np.ndarray
    document_id: str
    collection: str
    visible_from: float


class VectorView:
    """One collection; opened at the first use, reopened when another process has written since."""

    def __init__(self, folder: Path, name: str, url: str | None) -> None:
        self._folder = folder
        self._name = name
        self._url = url
        self._collection: Any = None
        self._opened_at = ""

    def refresh(self, version: str) -> None:
        """Make sure that what is read next is at least as new as `version` of the manifest."""
        with _clients_lock:
            if self._collection is not None and self._opened_at == version:
                return
            self._collection = self._open(version)
            self._opened_at = version

    def mark(self, version: str) -> None:
        """Note that this process itself has brought the collection to `version`."""
        with _clients_lock:
            self._opened_at = version
            key = str(self._folder)
            if key in _clients:
                _clients[key] = (_clients[key][0], version)

    def upsert(self, records: Sequence[VectorRecord]) -> None:
        """Write passages; writing the same number again replaces it."""
        for begin in range(0, len(records), BATCH):
            part = records[begin : begin + BATCH]
            self._call(
                "upsert",
                ids=[str(record.number) for record in part],
                embeddings=np.stack([record.vector for record in part]).astype(np.float32),
                metadatas=[
                    {
                        "document_id": record.document_id,
                        "collection": record.collection,
                        "visible_from": record.visible_from,
                    }
                    for record in part
                ],
            )

    def delete(self, numbers: Sequence[int]) -> None:
        """Remove passages; numbers that are not there are no error."""
        for begin in range(0, len(numbers), BATCH):
            self._call("delete", ids=[str(number) for number in numbers[begin : begin + BATCH]])

    def count(self) -> int:
        """Passages in the collection."""
        return int(self._call("count"))

    def numbers(self) -> set[int]:
        """Every passage number in the collection."""
        return {int(key) for key in self._call("get", include=[])["ids"]}

    def nearest(self, vector: np.ndarray, count: int, where: Mapping[str, Any] | None) -> list[int]:
        """Passage numbers by falling cosine similarity to `vector`, at most `count` of those that pass `where`."""
        found = self._call(
            "query", query_embeddings=vector[None, :], n_results=count, where=dict(where) if where else None, include=[]
        )
        return [int(key) for key in found["ids"][0]]

    def drop(self) -> None:
        """Delete the whole collection, if it is there."""
        try:
            self._client("").delete_collection(self._name)
        except Exception as problem:
            logger.debug("collection %s was not there: %s", self._name, problem)
        self._collection = None

    def close(self) -> None:
        """Give the embedded database back; it opens again at the next use."""
        with _clients_lock:
            self._collection = None
            if self._url is None:
                _close(str(self._folder))

    def _call(self, action: str, **arguments: Any) -> Any:
        with _clients_lock:
            if self._collection is None:
                self._collection = self._open(self._opened_at)
            try:
                return getattr(self._collection, action)(**arguments)
            except Exception as problem:
                # A reader beside a writer may catch a file being replaced, or a rebuilt collection: look again once.
                logger.info("Chroma %s failed (%s), opening again", action, problem)
                if self._url is None:
                    _close(str(self._folder))
                self._collection = self._open(self._opened_at)
            try:
                return getattr(self._collection, action)(**arguments)
            except Exception as problem:
                place = self._url or str(self._folder)
                raise RetrievalError(f"vector store at {place}: {action} failed: {problem}") from problem

    def _open(self, version: str) -> Any:
        return self._client(version).get_or_create_collection(
            self._name, embedding_function=None, configuration={"hnsw": _HNSW}
        )

    def _client(self, version: str) -> Any:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        if self._url is not None:
            address = urlsplit(self._url)
            if not address.hostname:
                raise InputError(f"chroma_url {self._url!r}: write it like http://127.0.0.1:8000")
            secure = address.scheme == "https"
            try:
                return chromadb.HttpClient(
                    host=address.hostname, port=address.port or (443 if secure else 8000), ssl=secure, settings=settings
                )
            except Exception as problem:
                raise RetrievalError(f"Chroma server at {self._url} does not answer ({problem}); start it") from None
        key = str(self._folder)
        if key in _clients and _clients[key][1] != version:
            _close(key)
        if key not in _clients:
            self._folder.mkdir(parents=True, exist_ok=True)
            _clients[key] = (chromadb.PersistentClient(key, settings=settings), version)
        return _clients[key][0]


def _close(key: str) -> None:
    client, _ = _clients.pop(key, (None, ""))
    if client is not None:
        client.close()
