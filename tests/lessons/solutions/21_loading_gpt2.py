"""The exercises of lesson 21 done right, and the mistakes that people make in them."""

import itertools

import torch
from torch import Tensor


def in_order(fused: Tensor, n_heads: int) -> Tensor:
    return fused.unflatten(0, (n_heads, 3, -1)).transpose(0, 1).flatten(0, 2)


def to_turn(loss_when_turned, n_blocks: int) -> set[int]:
    choices = [set(c) for size in range(n_blocks + 1) for c in itertools.combinations(range(n_blocks), size)]
    return min(choices, key=loss_when_turned)


def each_by_itself(loss_when_turned, n_blocks: int) -> set[int]:
    """Only one block, the best."""
    return {min(range(n_blocks), key=lambda block: loss_when_turned({block}))}


WRONG = {
    "in_order": [
        lambda fused, n_heads: fused,
        lambda fused, n_heads: fused.T,
        lambda fused, n_heads: fused.unflatten(0, (3, n_heads, -1)).transpose(0, 1).flatten(0, 2),  # back
        lambda fused, n_heads: torch.cat(fused.chunk(3)[::-1]),
    ],
    "to_turn": [
        lambda loss, n_blocks: set(range(n_blocks)),
        lambda loss, n_blocks: set(),
        each_by_itself,
        lambda loss, n_blocks: {b for b in range(n_blocks) if loss({b}) > loss(set())},
    ],
}
