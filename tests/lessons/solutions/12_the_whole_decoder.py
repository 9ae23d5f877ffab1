"""The exercises of lesson 12 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def llama_numbers(vocab_size: int, d_model: int, n_layers: int, d_ff: int) -> int:
    block = 4 * d_model**2 + 3 * d_model * d_ff + 2 * d_model
    return 2 * vocab_size * d_model + n_layers * block + d_model


def foreseen_loss(vocab_size: int, d_model: int, spread: float) -> float:
    return math.log(vocab_size) + d_model * spread**2 / 2


def decode(ids: Tensor, start: int, tokens, positions, blocks: list, final_norm, unembed) -> Tensor:
    x = tokens(ids) + positions(torch.arange(start, start + ids.shape[1]))
    for block in blocks:
        x = block(x)
    return unembed(final_norm(x))


def always_from_zero(ids: Tensor, start: int, *parts) -> Tensor:
    return decode(ids, 0, *parts)


def without_the_last_norm(
    ids: Tensor, start: int, tokens, positions, blocks: list, final_norm, unembed
) -> Tensor:
    return decode(ids, start, tokens, positions, blocks, lambda x: x, unembed)


def blocks_side_by_side(
    ids: Tensor, start: int, tokens, positions, blocks: list, final_norm, unembed
) -> Tensor:
    x = tokens(ids) + positions(torch.arange(start, start + ids.shape[1]))
    return unembed(final_norm(x + sum(block(x) - x for block in blocks)))


def shortcuts_twice(ids: Tensor, start: int, tokens, positions, blocks: list, final_norm, unembed) -> Tensor:
    """The blocks have shortcuts already."""
    again = [lambda x, block=block: x + block(x) for block in blocks]
    return decode(ids, start, tokens, positions, again, final_norm, unembed)


WRONG = {
    "llama_numbers": [
        lambda V, D, L, d_ff: llama_numbers(V, D, L, d_ff) - V * D,  # tied
        lambda V, D, L, d_ff: llama_numbers(V, D, L, d_ff) - L * D * d_ff,  # no gate
        lambda V, D, L, d_ff: llama_numbers(V, D, L, d_ff) - D,  # no last norm
        lambda V, D, L, d_ff: llama_numbers(V, D, L, d_ff) + (2 * L + 1) * D,  # norms with biases
    ],
    "foreseen_loss": [
        lambda V, D, spread: math.log(V),
        lambda V, D, spread: math.log(V) + D * spread**2,  # without the half
        lambda V, D, spread: math.log(V) + math.sqrt(D) * spread / 2,  # the spread for the variance
        lambda V, D, spread: math.log(V) - D * spread**2 / 2,
        lambda V, D, spread: math.log2(V) + D * spread**2 / 2,
    ],
    "decode": [
        always_from_zero,
        without_the_last_norm,
        blocks_side_by_side,
        shortcuts_twice,
        lambda ids, start, tokens, positions, *rest: decode(ids, start, tokens, lambda at: 0, *rest),
    ],
}
