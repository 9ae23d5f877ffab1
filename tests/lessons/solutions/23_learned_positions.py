"""The exercises of lesson 23 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def stretched(table: Tensor, n_places: int) -> Tensor:
    at = torch.arange(n_places) * (len(table) - 1) / (n_places - 1)
    before = at.floor().long().clamp(max=len(table) - 2)
    share = (at - before)[:, None]
    return (1 - share) * table[before] + share * table[before + 1]


def nearest(table: Tensor, n_places: int) -> Tensor:
    """No line between two rows: each old row again and again."""
    return table[torch.arange(n_places) * len(table) // n_places]


def not_to_the_end(table: Tensor, n_places: int) -> Tensor:
    """The last row does not stay."""
    at = torch.arange(n_places) * len(table) / n_places
    before = at.floor().long().clamp(max=len(table) - 2)
    share = (at - before)[:, None]
    return (1 - share) * table[before] + share * table[before + 1]


def left_over(learning_rate: float, weight_decay: float, steps: int) -> float:
    return (1 - learning_rate * weight_decay) ** steps


WRONG = {
    "stretched": [
        nearest,
        not_to_the_end,
        lambda table, n_places: stretched(table, n_places).flip(0),
        lambda table, n_places: torch.cat([table, table])[:n_places],
    ],
    "left_over": [
        lambda rate, decay, steps: 1.0,
        lambda rate, decay, steps: 1 - rate * decay * steps,
        lambda rate, decay, steps: math.exp(-rate * decay * steps),
        lambda rate, decay, steps: (1 - decay) ** steps,
    ],
}
