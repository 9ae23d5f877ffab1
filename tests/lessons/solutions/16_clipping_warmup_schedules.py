"""The exercises of lesson 16 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor

from groundup.training.muon import COEFFICIENTS


def clipped(gradients: list[Tensor], limit: float) -> list[Tensor]:
    length = math.sqrt(sum(g.square().sum().item() for g in gradients))
    return [g * min(1.0, limit / length) for g in gradients]


def root_rate(step: int, peak: float, warmup: int) -> float:
    return peak * min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))


def made_orthogonal(matrix: Tensor) -> Tensor:
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / matrix.norm()
    for _ in range(5):
        xxt = x @ x.T
        x = a * x + (b * xxt + c * xxt @ xxt) @ x
    return x.T if tall else x


def rounds(matrix: Tensor, count: int) -> Tensor:
    a, b, c = COEFFICIENTS
    x = matrix / matrix.norm()
    for _ in range(count):
        x = a * x + b * (x @ (x.T @ x)) + c * (x @ (x.T @ x) @ (x.T @ x))
    return x


def large_product(matrix: Tensor) -> Tensor:
    """Right, but the products of a tall matrix are R times R."""
    a, b, c = COEFFICIENTS
    x = matrix / matrix.norm()
    for _ in range(5):
        xxt = x @ x.T
        x = a * x + (b * xxt + c * xxt @ xxt) @ x
    return x


WRONG = {
    "clipped": [
        lambda gradients, limit: [g * 1.0 for g in gradients],
        lambda gradients, limit: [g * min(1.0, limit / g.norm().item()) for g in gradients],  # each by itself
        lambda gradients, limit: [g.clamp(-limit, limit) for g in gradients],  # each number by itself
        lambda gradients, limit: [
            g * limit / math.sqrt(sum(float(h.norm()) ** 2 for h in gradients)) for g in gradients
        ],
    ],
    "root_rate": [
        lambda step, peak, warmup: peak * min(step / warmup, math.sqrt(warmup / max(1, step))),  # from 1
        lambda step, peak, warmup: peak * math.sqrt(warmup / (step + 1)),  # no warm-up
        lambda step, peak, warmup: min(peak * (step + 1) / warmup, 1 / math.sqrt(step + 1)),  # do not meet
        lambda step, peak, warmup: peak * min((step + 1) / warmup, warmup / (step + 1)),
    ],
    "made_orthogonal": [
        lambda matrix: (
            torch.linalg.svd(matrix, full_matrices=False)[0]
            @ torch.linalg.svd(matrix, full_matrices=False)[2]
        ),
        lambda matrix: matrix / matrix.norm(),
        lambda matrix: rounds(matrix, 4),
        large_product,
        lambda matrix: made_orthogonal(matrix.T),  # turned over
    ],
}
