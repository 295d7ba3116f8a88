"""A BERT sentence encoder for CPUs: the forward pass of MiniLM and its relatives, from their own weight files.

`SentenceTransformer.encode` gives the same vectors, but takes seconds to import and runs in float32.  This encoder
reads the same folder (`config.json`, `tokenizer.json`, `model.safetensors`), sorts texts by length, fills batches by
tokens rather than by count, and multiplies in bfloat16 where a short probe finds the processor faster at it.

Architecture: Devlin et al. (2019), "BERT"; mean pooling and normalisation: Reimers and Gurevych (2019).
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.text import Span

if TYPE_CHECKING:
    import torch
    from tokenizers import Encoding

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

TOKENS_PER_BATCH = 4096
"""Measured best on two cores: below, calls cost more than sums; above, activations leave the cache."""

SORT_SPAN = 4096
"""Texts sorted together; bounds the memory that a very large call takes."""


SHORT = 1000
"""Characters up to which one thread encodes a call."""


@dataclass(frozen=True)
class Shape:
    """The sizes of one BERT encoder."""

    hidden: int
    layers: int
    heads: int
    epsilon: float
    max_tokens: int


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
        self._weights = _join_attention(raw, self.shape.layers)
        self._fast: dict[str, torch.Tensor] | None = None
        self._precision: str | None = None

    @property
    def precision(self) -> str:
        """Number format of bulk encoding, `float32` or `bfloat16`; the first look runs the probe (about 20 ms)."""
        if self._precision is None:
            self._precision = "bfloat16" if _bfloat16_is_faster(self.shape.hidden) else "float32"
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
        import torch
        from torch.nn import functional

        out = np.empty((len(texts), self.dimension), dtype=np.float32)
        weights = self._weights if exact or self.precision == "float32" else self._fast_weights()
        with torch.inference_mode(), _threads_for(sum(map(len, texts))):
            for rows, batch in self._batches(texts):
                states = _forward(weights, self.shape, [entry.ids for entry in batch])
                lengths = torch.tensor([len(entry.ids) for entry in batch])
                present = torch.arange(states.shape[1])[None, :] < lengths[:, None]
                sums = (states.float() * present[:, :, None]).sum(1)
                out[rows] = functional.normalize(sums, dim=1).numpy()
        return out

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
        import torch

        weights = self._weights if self.precision == "float32" else self._fast_weights()
        out: list[FloatArray] = [np.empty(0, dtype=np.float32)] * len(texts)
        late: list[tuple[int, int]] = []
        with torch.inference_mode():
            for rows, batch in self._batches(texts):
                states = _forward(weights, self.shape, [entry.ids for entry in batch]).float().numpy()
                for place, (row, entry) in enumerate(zip(rows, batch, strict=True)):
                    out[row], cut = _pool(states[place, : len(entry.ids)], entry.offsets, windows[row])
                    late += [(row, number) for number in cut]
        if late:
            spans = [windows[row][number] for row, number in late]
            alone = self.encode([texts[row][span.start : span.end] for (row, _), span in zip(late, spans, strict=True)])
            for (row, number), vector in zip(late, alone, strict=True):
                out[row][1 + number] = vector
        return out

    def _fast_weights(self) -> "dict[str, torch.Tensor]":
        import torch

        if self._fast is None:
            self._fast = {name: tensor.to(torch.bfloat16) for name, tensor in self._weights.items()}
        return self._fast

    def _batches(self, texts: Sequence[str]) -> "Iterator[tuple[list[int], list[Encoding]]]":
        for begin in range(0, len(texts), SORT_SPAN):
            encoded = self._tokenizer.encode_batch(list(texts[begin : begin + SORT_SPAN]))
            order = sorted(range(len(encoded)), key=lambda row: len(encoded[row].ids))
            rows: list[int] = []
            for row in order:
                if rows and (len(rows) + 1) * len(encoded[row].ids) > TOKENS_PER_BATCH:
                    yield [begin + member for member in rows], [encoded[member] for member in rows]
                    rows = []
                rows.append(row)
            if rows:
                yield [begin + member for member in rows], [encoded[member] for member in rows]


@contextmanager
def _threads_for(characters: int) -> Iterator[None]:
    """One thread for a question: waiting for a second one costs more than it brings, most of all on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    if characters > SHORT or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _join_attention(raw: "dict[str, torch.Tensor]", layers: int) -> "dict[str, torch.Tensor]":
    """One matrix for query, key and value, so that each layer multiplies once instead of three times."""
    import torch

    weights = {name.removeprefix("bert."): tensor for name, tensor in raw.items() if not name.endswith("position_ids")}
    for layer in range(layers):
        prefix = f"encoder.layer.{layer}.attention.self."
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"{prefix}{part}.{kind}") for part in ("query", "key", "value")]
            weights[f"{prefix}joined.{kind}"] = torch.cat(parts)
    return weights


def _forward(weights: "dict[str, torch.Tensor]", shape: Shape, batch: list[list[int]]) -> "torch.Tensor":
    """Token states, shape (texts, longest, hidden), of one batch of token lists sorted by length."""
    import torch
    from torch.nn import functional

    longest = len(batch[-1])
    ids = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens in batch])
    lengths = torch.tensor([len(tokens) for tokens in batch])
    present = torch.arange(longest)[None, :] < lengths[:, None]
    mask = None if len(batch[0]) == longest else present[:, None, None, :]

    def normalise(states: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(
            states, (shape.hidden,), weights[f"{name}.weight"], weights[f"{name}.bias"], shape.epsilon
        )

    def linear(states: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(states, weights[f"{name}.weight"], weights[f"{name}.bias"])

    states = weights["embeddings.word_embeddings.weight"][ids]
    states = states + weights["embeddings.position_embeddings.weight"][:longest]
    states = states + weights["embeddings.token_type_embeddings.weight"][0]
    states = normalise(states, "embeddings.LayerNorm")
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}."
        joined = linear(states, f"{prefix}attention.self.joined")
        query, key, value = joined.view(len(batch), longest, 3, shape.heads, -1).permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = linear(heads.transpose(1, 2).flatten(2), f"{prefix}attention.output.dense")
        states = normalise(mixed + states, f"{prefix}attention.output.LayerNorm")
        inner = functional.gelu(linear(states, f"{prefix}intermediate.dense"))
        states = normalise(linear(inner, f"{prefix}output.dense") + states, f"{prefix}output.LayerNorm")
    return states


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


def _bfloat16_is_faster(hidden: int) -> bool:
    """Time one layer-sized product in both formats; bfloat16 must win by half to be worth its rounding."""
    import torch
    from torch.nn import functional

    def seconds(kind: "torch.dtype") -> float:
        left = torch.ones(1024, hidden, dtype=kind)
        right = torch.ones(4 * hidden, hidden, dtype=kind)
        functional.linear(left, right)
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            functional.linear(left, right)
            best = min(best, time.perf_counter() - start)
        return best

    with torch.inference_mode():
        return seconds(torch.bfloat16) * 1.5 < seconds(torch.float32)
