"""Tiny models of other projects, each with its own names and its own way to compute the same things."""

import math
import struct
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn


class NanoGPT(nn.Module):
    """nanoGPT: one matrix for queries, keys and values, and the exact GELU."""

    def __init__(self, vocab: int, context: int, width: int, layers: int, heads: int, bias: bool):
        super().__init__()
        self.heads, self.width = heads, width

        def norm() -> nn.Module:
            return nn.LayerNorm(width, bias=bias)

        def linear(before: int, after: int) -> nn.Module:
            return nn.Linear(before * width, after * width, bias=bias)

        def block() -> nn.Module:
            attention = nn.ModuleDict({"c_attn": linear(1, 3), "c_proj": linear(1, 1)})
            inside = nn.ModuleDict({"c_fc": linear(1, 4), "c_proj": linear(4, 1)})
            return nn.ModuleDict({"ln_1": norm(), "attn": attention, "ln_2": norm(), "mlp": inside})

        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocab, width),
                "wpe": nn.Embedding(context, width),
                "h": nn.ModuleList(block() for _ in range(layers)),
                "ln_f": norm(),
            }
        )
        self.lm_head = nn.Linear(width, vocab, bias=False)
        self.lm_head.weight = cast(nn.Embedding, self.transformer["wte"]).weight

    def forward(self, ids: Tensor) -> Tensor:
        t = self.transformer
        rows, time = ids.shape
        x = t["wte"](ids) + t["wpe"](torch.arange(time))
        block: Any
        for block in cast(Any, t["h"]):
            q, k, v = block["attn"]["c_attn"](block["ln_1"](x)).split(self.width, dim=2)
            q, k, v = (part.view(rows, time, self.heads, -1).transpose(1, 2) for part in (q, k, v))
            scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
            scores = scores.masked_fill(torch.tril(torch.ones(time, time)) == 0, float("-inf"))
            mixed = (torch.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(rows, time, -1)
            x = x + block["attn"]["c_proj"](mixed)
            x = x + block["mlp"]["c_proj"](nn.functional.gelu(block["mlp"]["c_fc"](block["ln_2"](x))))
        return self.lm_head(t["ln_f"](x))


class ScaleAndShift(nn.Module):
    """The book's layer norm, with names of its own."""

    def __init__(self, width: int):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.scale * (x - mean) / torch.sqrt(variance + 1e-5) + self.shift


class TanhGelu(nn.Module):
    """GELU as the book writes it."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class FromScratch(nn.Module):
    """The GPTModel of LLMs-from-scratch: separate matrices, an own head, a mask among the buffers."""

    def __init__(self, vocab: int, context: int, width: int, layers: int, heads: int, qkv_bias: bool):
        super().__init__()
        self.heads = heads
        self.tok_emb, self.pos_emb = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.trf_blocks = nn.ModuleList()
        block: Any
        att: Any
        for _ in range(layers):
            block, att = nn.Module(), nn.Module()
            for part in ("W_query", "W_key", "W_value"):
                setattr(att, part, nn.Linear(width, width, bias=qkv_bias))
            att.out_proj = nn.Linear(width, width)
            att.register_buffer("mask", torch.triu(torch.ones(context, context), diagonal=1))
            block.att, block.norm1, block.norm2 = att, ScaleAndShift(width), ScaleAndShift(width)
            block.ff = nn.Module()
            block.ff.layers = nn.Sequential(
                nn.Linear(width, 4 * width), TanhGelu(), nn.Linear(4 * width, width)
            )
            self.trf_blocks.append(block)
        self.final_norm = ScaleAndShift(width)
        self.out_head = nn.Linear(width, vocab, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        rows, time = ids.shape
        x = self.tok_emb(ids) + self.pos_emb(torch.arange(time))
        block: Any
        for block in self.trf_blocks:
            h = block.norm1(x)
            q, k, v = (
                getattr(block.att, part)(h).view(rows, time, self.heads, -1).transpose(1, 2)
                for part in ("W_query", "W_key", "W_value")
            )
            scores = (q @ k.transpose(2, 3)).masked_fill(block.att.mask.bool()[:time, :time], -torch.inf)
            weights = torch.softmax(scores / k.shape[-1] ** 0.5, dim=-1)
            x = x + block.att.out_proj((weights @ v).transpose(1, 2).reshape(rows, time, -1))
            x = x + block.ff.layers(block.norm2(x))
        return self.out_head(self.final_norm(x))


class Llama2C:
    """llama2.c in float64, token by token and head by head, with its file of bare numbers."""

    def __init__(self, dim, hidden, layers, heads, kv_heads, vocab, context, *, tied: bool, seed: int = 0):
        self.sizes = (dim, hidden, layers, heads, kv_heads, vocab if tied else -vocab, context)
        draw, k = np.random.default_rng(seed), dim // heads
        shapes = {
            "tokens": (vocab, dim),
            "att_norm": (layers, dim),
            "wq": (layers, dim, dim),
            "wk": (layers, kv_heads * k, dim),
            "wv": (layers, kv_heads * k, dim),
            "wo": (layers, dim, dim),
            "ffn_norm": (layers, dim),
            "w1": (layers, hidden, dim),
            "w2": (layers, dim, hidden),
            "w3": (layers, hidden, dim),
            "norm": (dim,),
            "unused": (2, context, k // 2),
            **({} if tied else {"head": (vocab, dim)}),
        }
        self.w = {
            name: (draw.normal(size=shape) * 0.2 + ("norm" in name)).astype("<f4")
            for name, shape in shapes.items()
        }

    def write(self, path: Path) -> Path:
        path.write_bytes(struct.pack("<7i", *self.sizes) + b"".join(w.tobytes() for w in self.w.values()))
        return path

    def logits(self, ids: list[int]) -> np.ndarray:
        dim, _, layers, heads, kv_heads, _, _ = self.sizes
        k, w = dim // heads, {name: value.astype(np.float64) for name, value in self.w.items()}
        keys, values = [[] for _ in range(layers)], [[] for _ in range(layers)]

        def norm(x: np.ndarray, by: np.ndarray) -> np.ndarray:
            return x / np.sqrt(np.mean(x * x) + 1e-5) * by

        def turned(vector: np.ndarray, place: int) -> np.ndarray:
            out = vector.copy()
            for i in range(0, len(vector), 2):
                angle = place / 10_000 ** ((i % k) / k)
                a, b = vector[i], vector[i + 1]
                out[i] = a * math.cos(angle) - b * math.sin(angle)
                out[i + 1] = a * math.sin(angle) + b * math.cos(angle)
            return out

        rows = []
        for place, id in enumerate(ids):
            x = w["tokens"][id].copy()
            for layer in range(layers):
                h = norm(x, w["att_norm"][layer])
                query = turned(w["wq"][layer] @ h, place)
                keys[layer].append(turned(w["wk"][layer] @ h, place))
                values[layer].append(w["wv"][layer] @ h)
                mixed = np.zeros(dim)
                for head in range(heads):
                    mine = slice(head * k, head * k + k)
                    shared = slice(head // (heads // kv_heads) * k, head // (heads // kv_heads) * k + k)
                    scores = np.array([query[mine] @ key[shared] for key in keys[layer]]) / math.sqrt(k)
                    share = np.exp(scores - scores.max())
                    share /= share.sum()
                    mixed[mine] = sum(
                        s * value[shared] for s, value in zip(share, values[layer], strict=True)
                    )
                x = x + w["wo"][layer] @ mixed
                h = norm(x, w["ffn_norm"][layer])
                gate = w["w1"][layer] @ h
                x = x + w["w2"][layer] @ (gate / (1 + np.exp(-gate)) * (w["w3"][layer] @ h))
            rows.append(w.get("head", w["tokens"]) @ norm(x, w["norm"]))
        return np.array(rows)


Net = TypeVar("Net", bound=nn.Module)


def shaken(model: Net, seed: int = 0) -> Net:
    """All numbers away from where they begin: norms of 1 and biases of 0 would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()
