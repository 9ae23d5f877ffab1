"""The exercises of lesson 10 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def turn(x: Tensor, angles: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def places_for_a_turn(pair: int, head_width: int, base: float) -> float:
    return 2 * math.pi * base ** (2 * pair / head_width)


def rows_for_halves(head_width: int) -> list[int]:
    return [*range(0, head_width, 2), *range(1, head_width, 2)]


def neighbours(x: Tensor, angles: Tensor) -> Tensor:
    """Turns the pairs (0, 1), (2, 3), ..."""
    a, b = x[..., ::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def there_and_back(head_width: int) -> list[int]:
    """The order for the other direction: from halves to neighbours."""
    half = head_width // 2
    return [row for pair in range(half) for row in (pair, pair + half)]


WRONG = {
    "turn": [
        lambda x, angles: turn(x, -angles),
        neighbours,
        lambda x, angles: x * torch.cat([angles.cos()] * 2, -1),  # no sine
        lambda x, angles: turn(x, angles).flip(-1),
    ],
    "places_for_a_turn": [
        lambda pair, head_width, base: base ** (2 * pair / head_width),  # no 2 pi
        lambda pair, head_width, base: 2 * math.pi * base ** (pair / head_width),
        lambda pair, head_width, base: 2 * math.pi * base ** (-2 * pair / head_width),
        lambda pair, head_width, base: math.pi * base ** (2 * pair / head_width),
    ],
    "rows_for_halves": [
        there_and_back,
        lambda head_width: list(range(head_width)),
        lambda head_width: [*range(1, head_width, 2), *range(0, head_width, 2)],  # turns backwards
    ],
}
