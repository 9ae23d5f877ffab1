"""The exercises of lesson 9 done right, and the mistakes that people make in them."""

import torch
from torch import Tensor

from groundup import ModelConfig


def cut(x: Tensor, n_heads: int) -> Tensor:
    width = x.shape[-1] // n_heads
    return torch.stack([x[..., head * width : (head + 1) * width] for head in range(n_heads)], 1)


def kv_head_of(head: int, n_heads: int, n_kv_heads: int) -> int:
    return head // (n_heads // n_kv_heads)


def kept_numbers(config: ModelConfig, length: int) -> int:
    return 2 * config.n_layers * config.kv_heads * config.head_width * length


WRONG = {
    "cut": [
        lambda x, n_heads: x.view(len(x), n_heads, x.shape[1], -1),  # cuts across the words
        lambda x, n_heads: cut(x, n_heads).transpose(1, 2),
        lambda x, n_heads: torch.stack([x[..., head::n_heads] for head in range(n_heads)], 1),  # every third
        lambda x, n_heads: cut(x, n_heads).flip(1),
    ],
    "kv_head_of": [
        lambda head, n_heads, n_kv_heads: head % n_kv_heads,  # in turn, instead of in groups
        lambda head, n_heads, n_kv_heads: head // n_kv_heads,
        lambda head, n_heads, n_kv_heads: 0,
        lambda head, n_heads, n_kv_heads: n_kv_heads - 1 - kv_head_of(head, n_heads, n_kv_heads),
    ],
    "kept_numbers": [
        lambda config, length: config.n_layers * config.kv_heads * config.head_width * length,  # keys only
        lambda config, length: 2 * config.n_layers * config.n_heads * config.head_width * length,
        lambda config, length: 2 * config.n_layers * config.d_model * length,
        lambda config, length: 2 * config.kv_heads * config.head_width * length,  # a single layer
    ],
}
