"""Muon: each matrix moves by its momentum with all singular values made equal; equal shapes at once.

Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/. It computes what torch.optim.Muon does
with one matrix after the other; small models have many small ones, and spend their time in the calls.

Shapes: N = matrices of one shape, R, C = rows and columns of each.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of a x + b x^3 + c x^5: it moves singular values from between 0 and 1 towards 1, fast near 0."""


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; a matrix with more rows than columns moves further, by the root of that."""

    def __init__(self, matrices: Iterable[Tensor], *, lr: float, momentum: float, weight_decay: float):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Change the matrices by their gradients."""
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    same_shape[matrix.shape].append(matrix)
            for (rows, columns), matrices in same_shape.items():
                ahead = [self._ahead(matrix, matrix.grad, group["momentum"]) for matrix in matrices]
                updates = orthogonal(torch.stack(ahead)).float()  # (N, R, C)
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for matrix, update in zip(matrices, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)

    def _ahead(self, matrix: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        """The momentum with this gradient, looked at one step ahead, as Nesterov does."""
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum_buffer"], momentum)


def orthogonal(matrices: Tensor, *, steps: int = 5) -> Tensor:
    """(N, R, C) -> (N, R, C): about the nearest matrices whose singular values are all 1, in bf16.

    Newton and Schulz's iteration: odd polynomials of a matrix act on its singular values alone. Five steps
    bring them between about 0.7 and 1.2, which is near enough.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.bfloat16()
    x = x.mT if tall else x  # so that the products below are the small ones
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)  # then no singular value is above 1
    for _ in range(steps):
        gram = x @ x.mT  # (N, R, R)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
