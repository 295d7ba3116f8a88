"""A BERT sentence encoder for CPUs: the forward pass of MiniLM and its relatives, from their own weight files.

`SentenceTransformer.encode` gives the same vectors, but takes seconds to import and runs in float32.  This encoder
reads the same folder (`config.json`, `tokenizer.json`, `model.safetensors`), sorts texts by length, packs their tokens
without padding, and multiplies in bfloat16 where a short probe finds the processor faster at it.

A text's vector does not depend on what else is encoded with it. A matrix product's last digits depend on its number of
rows (the library splits its sums accordingly), so every product has the same number, and attention runs over texts of
one length at a time.

Architecture: Devlin et al. (2019), "BERT"; mean pooling and normalisation: Reimers and Gurevych (2019).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.bert_layers import Shape, bfloat16_is_faster, forward, join_attention
from retrieval.text import Span

if TYPE_CHECKING:
    import torch
    from tokenizers import Encoding

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

TOKENS_PER_BATCH = 4096
"""Measured best on two cores: below, calls cost more than sums; above, activations leave the cache."""

SORT_SPAN = 4096
"""Texts sorted together; bounds the memory that a very large call takes."""

ROWS = 256
"""Tokens in every matrix product of a bulk call, the last one filled up; the activations stay in the cache."""


def readable(folder: Path) -> bool:
    """Tell whether `folder` holds a model that this encoder computes exactly.

    That is: BERT layers, absolute positions, GELU, mean pooling; anything else is left to sentence-transformers.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
        modules = [entry["type"] for entry in json.loads((folder / "modules.json").read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    known = ["Transformer", "Pooling", "Normalize"]
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and pooling.get("pooling_mode_mean_tokens") is True
        and not pooling.get("pooling_mode_cls_token")
        and not pooling.get("pooling_mode_max_tokens")
        and [name.rsplit(".", 1)[-1] for name in modules] == known
        and (folder / "model.safetensors").is_file()
        and (folder / "tokenizer.json").is_file()
    )


class BertEncoder:
    """Sentence vectors of unit length, float32, from a model folder for which `readable` is true."""

    def __init__(self, folder: Path) -> None:
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        limits = folder / "sentence_bert_config.json"
        longest = json.loads(limits.read_text(encoding="utf-8")).get("max_seq_length") if limits.is_file() else None
        self.shape = Shape(
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            epsilon=config["layer_norm_eps"],
            max_tokens=longest or config["max_position_embeddings"],
        )
        self.dimension: int = self.shape.hidden
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.shape.max_tokens)
        raw = load_file(str(folder / "model.safetensors"))
        self._weights = join_attention(raw, self.shape.layers)
        self._fast: dict[str, torch.Tensor] | None = None
        self._precision: str | None = None
        self._threads = torch.get_num_threads()

    @property
    def precision(self) -> str:
        """Number format of bulk encoding, `float32` or `bfloat16`; the first look runs the probe (about 20 ms)."""
        if self._precision is None:
            self._precision = "bfloat16" if bfloat16_is_faster(self.shape.hidden) else "float32"
        return self._precision

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` as the model would read it, cut at its limit."""
        return len(self._tokenizer.encode(text).ids)

    def encode(self, texts: Sequence[str], *, exact: bool = False) -> FloatArray:
        """Encode texts.

        Args:
            texts: Any number of texts; what goes beyond the model's token limit is not read.
            exact: Compute in float32 whatever the probe says, as is right for single questions.

        Returns:
            Array of shape (len(texts), dimension), rows of length one.
        """
        out = np.empty((len(texts), self.dimension), dtype=np.float32)
        if exact:
            with _one_thread():
                for row, text in enumerate(texts):
                    ids = self._tokenizer.encode(text).ids
                    out[row] = forward(self._weights, self.shape, [ids], rows=0).numpy().sum(0)
        else:

            def pool(rows: list[int], batch: "list[Encoding]", states: FloatArray) -> None:
                out[rows] = np.add.reduceat(states, _begins(batch), axis=0)

            self._each_batch(texts, pool)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def encode_windows(self, texts: Sequence[str], windows: Sequence[Sequence[Span]]) -> list[FloatArray]:
        """Encode texts and stretches of them in one pass: a window's vector is the mean over its own tokens.

        The tokens have been read in the context of the whole text ("late chunking", Günther et al., 2024), so that the
        windows cost almost nothing. Windows beyond the token limit are encoded on their own.

        Args:
            texts: Any number of texts.
            windows: For each text the character ranges to encode.

        Returns:
            For each text an array of shape (1 + windows, dimension), the whole text first, rows of length one.
        """
        out: list[FloatArray] = [np.empty(0, dtype=np.float32)] * len(texts)
        late: list[tuple[int, int]] = []

        def pool(rows: list[int], batch: "list[Encoding]", states: FloatArray) -> None:
            for begin, row, entry in zip(_begins(batch), rows, batch, strict=True):
                out[row], cut = _pool(states[begin : begin + len(entry.ids)], entry.offsets, windows[row])
                late.extend((row, number) for number in cut)

        self._each_batch(texts, pool)
        if late:
            spans = [windows[row][number] for row, number in late]
            alone = self.encode([texts[row][span.start : span.end] for (row, _), span in zip(late, spans, strict=True)])
            for (row, number), vector in zip(late, alone, strict=True):
                out[row][1 + number] = vector
        return out

    def _each_batch(
        self, texts: Sequence[str], pool: "Callable[[list[int], list[Encoding], FloatArray], None]"
    ) -> None:
        """Compute token states batch by batch, each batch on one thread, and hand them to `pool`.

        Threads that share one product wait for each other at every layer; threads with a batch each never do.
        """
        weights = self._weights if self.precision == "float32" else self._fast_weights()

        def work(part: "tuple[list[int], list[Encoding]]") -> None:
            rows, batch = part
            with _one_thread():
                states = forward(weights, self.shape, [entry.ids for entry in batch], rows=ROWS).float().numpy()
            pool(rows, batch, states)

        for begin in range(0, len(texts), SORT_SPAN):
            batches = self._batches(texts[begin : begin + SORT_SPAN], begin)
            if len(batches) == 1 or self._threads == 1:
                for part in batches:
                    work(part)
            elif batches:
                with ThreadPoolExecutor(self._threads) as threads:
                    list(threads.map(work, batches))

    def _fast_weights(self) -> "dict[str, torch.Tensor]":
        import torch

        if self._fast is None:
            self._fast = {name: tensor.to(torch.bfloat16) for name, tensor in self._weights.items()}
        return self._fast

    def _batches(self, texts: Sequence[str], first: int) -> "list[tuple[list[int], list[Encoding]]]":
        """Rows (counted from `first`) and tokens of texts of like length, longest first, of bounded tokens together."""
        encoded = self._tokenizer.encode_batch(list(texts))
        batches: list[tuple[list[int], list[Encoding]]] = []
        filled = TOKENS_PER_BATCH
        for row in sorted(range(len(encoded)), key=lambda row: -len(encoded[row].ids)):
            size = len(encoded[row].ids)
            if filled + size > TOKENS_PER_BATCH:
                batches.append(([], []))
                filled = 0
            batches[-1][0].append(first + row)
            batches[-1][1].append(encoded[row])
            filled += size
        return batches


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on the calling thread alone, without gradients.

    For a question, waiting for a second thread costs more than it brings, most of all on a busy machine.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def _begins(batch: "Sequence[Encoding]") -> list[int]:
    """Row of each text's first token among the packed ones."""
    return [0, *accumulate(len(entry.ids) for entry in batch)][:-1]


def _pool(states: FloatArray, offsets: list[tuple[int, int]], windows: Sequence[Span]) -> tuple[FloatArray, list[int]]:
    """Mean states of a text (shape (tokens, hidden)) and of its windows; also which windows the token limit cut."""
    sums = np.concatenate([np.zeros((1, states.shape[1]), dtype=np.float32), np.cumsum(states, axis=0)])
    begins = np.array([begin for begin, _ in offsets[1:-1]], dtype=np.int64)
    reached = offsets[-2][1] if len(offsets) > 2 else 0
    out = np.empty((1 + len(windows), states.shape[1]), dtype=np.float32)
    out[0] = sums[-1]
    cut = []
    for number, window in enumerate(windows):
        first, behind = np.searchsorted(begins, (window.start, window.end)) + 1
        if behind <= first or window.end > reached + 1:
            cut.append(number)
            behind = first + 1 if first < len(states) else len(states)
            first = behind - 1
        out[1 + number] = sums[behind] - sums[first]
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12), cut
