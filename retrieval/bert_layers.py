"""The forward pass of a BERT encoder over packed tokens, in float32 or bfloat16; see `retrieval.bert`."""

import time
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Shape:
    """The sizes of one BERT encoder."""

    hidden: int
    layers: int
    heads: int
    epsilon: float
    max_tokens: int


def join_attention(raw: "dict[str, torch.Tensor]", layers: int) -> "dict[str, torch.Tensor]":
    """One matrix for query, key and value, so that each layer multiplies once instead of three times."""
    import torch

    weights = {name.removeprefix("bert."): tensor for name, tensor in raw.items() if not name.endswith("position_ids")}
    for layer in range(layers):
        prefix = f"encoder.layer.{layer}.attention.self."
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"{prefix}{part}.{kind}") for part in ("query", "key", "value")]
            weights[f"{prefix}joined.{kind}"] = torch.cat(parts)
    return weights


def forward(weights: "dict[str, torch.Tensor]", shape: Shape, batch: list[list[int]], *, rows: int) -> "torch.Tensor":
    """Token states of a batch of token lists ordered by length, one text behind the other, shape (tokens, hidden).

    `rows` is the number of tokens in each matrix product; 0 for all at once.
    """
    import torch
    from torch.nn import functional

    tokens = [token for text in batch for token in text]
    places = [place for text in batch for place in range(len(text))]
    filling = [0] * (-len(tokens) % rows if rows else 0)
    size = rows or len(tokens)

    def linear(states: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(states, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def normalise(states: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(
            states, (shape.hidden,), weights[f"{name}.weight"], weights[f"{name}.bias"], shape.epsilon
        )

    states = weights["embeddings.word_embeddings.weight"][torch.tensor(tokens + filling)]
    states = states + weights["embeddings.position_embeddings.weight"][torch.tensor(places + filling)]
    states = normalise(states + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    mixed = torch.zeros_like(states)
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}."
        joined = torch.cat([linear(block, f"{prefix}attention.self.joined") for block in torch.split(states, size)])
        begin = 0
        for length, texts in groupby(map(len, batch)):
            count = sum(1 for _ in texts)
            inside = slice(begin, begin + count * length)
            query, key, value = joined[inside].view(count, length, 3, shape.heads, -1).permute(2, 0, 3, 1, 4)
            heads = functional.scaled_dot_product_attention(query, key, value)
            mixed[inside] = heads.transpose(1, 2).reshape(count * length, shape.hidden)
            begin = inside.stop
        done = []
        for block, own in zip(torch.split(mixed, size), torch.split(states, size), strict=True):
            kept = normalise(
                linear(block, f"{prefix}attention.output.dense") + own, f"{prefix}attention.output.LayerNorm"
            )
            inner = functional.gelu(linear(kept, f"{prefix}intermediate.dense"))
            done.append(normalise(linear(inner, f"{prefix}output.dense") + kept, f"{prefix}output.LayerNorm"))
        states = torch.cat(done)
    return states[: len(tokens)]


def bfloat16_is_faster(hidden: int) -> bool:
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
