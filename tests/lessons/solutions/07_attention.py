"""The exercises of lesson 7 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def gather(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    weights = (keys @ query / math.sqrt(len(query))).softmax(0)
    return weights @ values


def through_softmax(weights: Tensor, gradient: Tensor) -> Tensor:
    return weights * (gradient - (weights * gradient).sum(-1, keepdim=True))


def query_matrix(people: Tensor, friend: Tensor) -> Tensor:
    return people[friend].T @ people / people.shape[1]


WRONG = {
    "gather": [
        lambda query, keys, values: (keys @ query).softmax(0) @ values,  # no root
        lambda query, keys, values: (keys @ query / len(query)).softmax(0) @ values,
        lambda query, keys, values: (keys @ query / math.sqrt(len(keys) + 2)).softmax(0) @ values,
        lambda query, keys, values: (keys @ query / math.sqrt(len(query))) @ values,  # no softmax
        lambda query, keys, values: gather(query, keys, keys),
    ],
    "through_softmax": [
        lambda weights, gradient: gradient,
        lambda weights, gradient: weights * gradient,
        lambda weights, gradient: weights * (1 - weights) * gradient,  # the others do not count
        lambda weights, gradient: weights * (gradient - gradient.mean(-1, keepdim=True)),
        lambda weights, gradient: weights * (gradient - (weights * gradient).sum()),  # over all rows
    ],
    "query_matrix": [
        lambda people, friend: query_matrix(people, friend).T,  # whose friend am I?
        lambda people, friend: torch.eye(people.shape[1]),
        lambda people, friend: people.T @ people / people.shape[1],
        lambda people, friend: people[friend],
    ],
}
