"""The exercises of lesson 24 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def prefix_mask(time: int, prefix: int) -> Tensor:
    at = torch.arange(time)
    return (at[None, :] <= at[:, None]) | ((at[None, :] < prefix) & (at[:, None] < prefix))


def across(x: Tensor, other: Tensor, query, key, value, output) -> Tensor:
    scores = query(x) @ key(other).mT / math.sqrt(x.shape[-1])
    return output(scores.softmax(-1) @ value(other))


def over_the_askers(x: Tensor, other: Tensor, query, key, value, output) -> Tensor:
    """The weights of each place that is seen add up to 1, not those of each that looks."""
    scores = query(x) @ key(other).mT / math.sqrt(x.shape[-1])
    return output(scores.softmax(-2) @ value(other))


WRONG = {
    "prefix_mask": [
        lambda time, prefix: torch.ones(time, time).tril().bool(),
        lambda time, prefix: torch.ones(time, time).tril().bool() | (torch.arange(time) <= prefix),
        lambda time, prefix: torch.ones(time, time).tril().bool() | (torch.arange(time)[:, None] < prefix),
        lambda time, prefix: prefix_mask(time, prefix - 1),
        lambda time, prefix: prefix_mask(time, prefix).T,
        lambda time, prefix: prefix_mask(time, prefix).float(),
    ],
    "across": [
        over_the_askers,
        lambda x, other, *four: across(x, x, *four),
        lambda x, other, *four: across(other, x, *four),
        lambda x, other, query, key, value, output: across(x, other, query, key, value, lambda found: found),
        lambda x, other, query, *rest: across(x, other, lambda given: query(given) * math.sqrt(32), *rest),
    ],
}
