"""The exercises of lesson 18 done right, and the mistakes that people make in them."""

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def slope_and_curvature(height_at, little: float) -> tuple[float, float]:
    above, here, below = height_at(little), height_at(0.0), height_at(-little)
    return (above - below) / (2 * little), (above - 2 * here + below) / little**2


def middle(places: list[Weights]) -> Weights:
    return {name: torch.stack([weights[name] for weights in places]).mean(0) for name in places[0]}


def heads_renumbered(
    query: Tensor, key: Tensor, value: Tensor, output: Tensor, order: list[int], width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    numbers = torch.cat([torch.arange(head * width, (head + 1) * width) for head in order])
    return query[numbers], key[numbers], value[numbers], output[:, numbers]


def one_side(height_at, little: float) -> tuple[float, float]:
    return (height_at(little) - height_at(0.0)) / little, slope_and_curvature(height_at, little)[1]


def not_divided_twice(height_at, little: float) -> tuple[float, float]:
    slope, curvature = slope_and_curvature(height_at, little)
    return slope, curvature * little


def in_place(places: list[Weights]) -> Weights:
    total = places[0]
    for weights in places[1:]:
        for name in total:
            total[name] += weights[name]
    for name in total:
        total[name] /= len(places)
    return total


def moving(places: list[Weights]) -> Weights:
    """A mean of the last and the mean before: late places count for more."""
    mean = places[0]
    for weights in places[1:]:
        mean = {name: (w + weights[name]) / 2 for name, w in mean.items()}
    return mean


def output_rows(query: Tensor, key: Tensor, value: Tensor, output: Tensor, order: list[int], width: int):
    moved = heads_renumbered(query, key, value, output, order, width)
    numbers = torch.cat([torch.arange(head * width, (head + 1) * width) for head in order])
    return *moved[:3], output[numbers]


def the_other_way(query: Tensor, key: Tensor, value: Tensor, output: Tensor, order: list[int], width: int):
    back = [order.index(head) for head in range(len(order))]
    return heads_renumbered(query, key, value, output, back, width)


def number_by_number(query: Tensor, key: Tensor, value: Tensor, output: Tensor, order: list[int], width: int):
    """Renumbers the numbers inside the heads, too."""
    numbers = torch.tensor([head * width + k for k in range(width) for head in order])
    return query[numbers], key[numbers], value[numbers], output[:, numbers]


WRONG = {
    "slope_and_curvature": [
        one_side,
        not_divided_twice,
        lambda height_at, little: (slope_and_curvature(height_at, little)[0] * 2, 0.0),
        lambda height_at, little: (
            slope_and_curvature(height_at, little)[0],
            slope_and_curvature(height_at, little)[1] / 2,  # the factor of t squared
        ),
    ],
    "middle": [
        moving,
        lambda places: {name: sum(weights[name] for weights in places) for name in places[0]},
        lambda places: {name: (places[0][name] + places[-1][name]) / 2 for name in places[0]},
        lambda places: {name: torch.stack([w[name] for w in places]).mean() for name in places[0]},
        in_place,
    ],
    "heads_renumbered": [
        output_rows,
        the_other_way,
        number_by_number,
        lambda q, k, v, o, order, width: (*heads_renumbered(q, k, v, o, order, width)[:3], o),
        lambda q, k, v, o, order, width: (q, k, v, o),
    ],
}
