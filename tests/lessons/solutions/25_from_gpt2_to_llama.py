"""The exercises of lesson 25 done right, and the mistakes that people make in them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def feed(x: Tensor, up, gate, down) -> Tensor:
    return down(F.silu(gate(x)) * up(x))


def fold(weight: Tensor, matrix: Tensor) -> Tensor:
    return matrix * weight


WRONG = {
    "feed": [
        lambda x, up, gate, down: feed(x, gate, up, down),  # bends the wrong one
        lambda x, up, gate, down: down(F.silu(up(x))),  # no gate
        lambda x, up, gate, down: down(torch.sigmoid(gate(x)) * up(x)),
        lambda x, up, gate, down: down(F.silu(gate(x) * up(x))),
        lambda x, up, gate, down: down(F.gelu(gate(x)) * up(x)),
        lambda x, up, gate, down: x + feed(x, up, gate, down),  # the block has the shortcut already
    ],
    "fold": [
        lambda weight, matrix: matrix,
        lambda weight, matrix: matrix / weight,
        lambda weight, matrix: matrix + weight,
        lambda weight, matrix: weight[:, None] * matrix,
        lambda weight, matrix: matrix @ weight,
    ],
}
