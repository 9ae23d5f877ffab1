"""The language model's loss, in chunks of rows: the full table of logits is never built.

Shapes: N positions, R positions of one chunk, D model width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

IGNORED = -100
"""A target that does not count, as in PyTorch's cross-entropy."""

ROWS = 512
"""Positions of one chunk, whatever the batch: ROWS * V numbers in memory. 128 to 1,024 were equally fast."""


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The sum over all positions of -log p(target), where p = softmax(hidden @ weight.T), in nats.

    hidden: (..., D); weight: (V, D); targets: (...) ids, IGNORED where a position does not count.
    Value and gradients equal F.cross_entropy(..., reduction="sum"); the softmax is computed in float32.
    """
    keep = targets.flatten() != IGNORED
    rows, kept = hidden.flatten(0, -2), targets.flatten()
    if not bool(keep.all()):
        rows, kept = rows[keep], kept[keep]
    return _LinearCrossEntropy.apply(rows, weight, kept)  # type: ignore[no-any-return]


class _LinearCrossEntropy(torch.autograd.Function):
    """Makes the gradients together with the loss, chunk by chunk, while the chunk's logits are at hand."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        if torch.is_autocast_enabled(hidden.device.type):
            dtype = torch.get_autocast_dtype(hidden.device.type)
            low_hidden, low_weight = hidden.to(dtype), weight.to(dtype)
        else:
            low_hidden, low_weight = hidden, weight
        wide = torch.promote_types(low_hidden.dtype, torch.float32)
        needs_hidden, needs_weight, _ = ctx.needs_input_grad
        loss = hidden.new_zeros((), dtype=wide)
        d_hidden = torch.empty_like(low_hidden) if needs_hidden else None
        d_weight = torch.zeros_like(weight, dtype=wide) if needs_weight else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(targets), ROWS):
                x, y = low_hidden[start : start + ROWS], targets[start : start + ROWS]
                log_p = (x @ low_weight.t()).to(wide).log_softmax(-1)  # (R, V)
                loss -= log_p.gather(1, y[:, None]).sum()
                if not (needs_hidden or needs_weight):
                    continue
                # The gradient of -log p(target) by the logits is p, less one at the target.
                d_logits = log_p.exp_()
                d_logits.scatter_add_(1, y[:, None], -d_logits.new_ones(len(y), 1))
                d_logits = d_logits.to(low_hidden.dtype)
                if d_hidden is not None:
                    torch.mm(d_logits, low_weight, out=d_hidden[start : start + ROWS])
                if d_weight is not None:
                    d_weight += d_logits.t() @ x
        ctx.save_for_backward(d_hidden, d_weight)
        ctx.dtypes = hidden.dtype, weight.dtype
        return loss

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]  # the decorator hides the names of the parameters
        ctx: Any, *d_loss: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None]:
        d_hidden, d_weight = ctx.saved_tensors
        hidden_dtype, weight_dtype = ctx.dtypes
        return (
            None if d_hidden is None else d_hidden.to(hidden_dtype) * d_loss[0],
            None if d_weight is None else d_weight.to(weight_dtype) * d_loss[0],
            None,
        )
