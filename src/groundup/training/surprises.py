"""-log p of each target by itself, for losses that weigh texts; the full table of logits is never built.

Shapes: N positions that count, R positions of one chunk, D model width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from groundup.training.loss import IGNORED, ROWS, LinearCrossEntropy, surprise


class Surprises(LinearCrossEntropy):
    """The last matrix and -log p of every target in one.

    What a position weighs is known only when the loss that is made of them goes backward. So each chunk's
    logits are computed twice, which costs a quarter of the head's time and keeps memory at one chunk.
    """

    def forward(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """-log p(target) in nats for each position, where p = softmax(hidden @ weight.T); 0 where IGNORED.

        hidden: (..., D); weight: (V, D); targets and the result: (...). The softmax is computed in float32.
        """
        keep = targets != IGNORED
        each = _Surprises.apply(hidden[keep], weight, targets[keep], self)  # (N,)
        return each.new_zeros(targets.shape).masked_scatter(keep, each)


class _Surprises(torch.autograd.Function):
    """Forward keeps what it was given, and backward makes the chunks again."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, memory: Surprises) -> Tensor:
        dtype = weight.dtype
        if torch.is_autocast_enabled(hidden.device.type):
            dtype = torch.get_autocast_dtype(hidden.device.type)
        ctx.memory, ctx.dtype = memory, dtype
        ctx.save_for_backward(hidden, weight, targets)
        each = hidden.new_empty(len(targets), dtype=torch.promote_types(dtype, torch.float32))
        for rows, _, surprises in _chunks(hidden, weight, targets, memory, dtype):
            each[rows] = surprises
        return each

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]  # the decorator hides the names of the parameters
        ctx: Any, *d_each: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden, weight, targets = ctx.saved_tensors
        needs_hidden, needs_weight, *_ = ctx.needs_input_grad
        low_hidden, low_weight = hidden.to(ctx.dtype), weight.to(ctx.dtype)
        d_hidden = torch.empty_like(low_hidden) if needs_hidden else None
        d_weight = torch.zeros_like(weight, dtype=d_each[0].dtype) if needs_weight else None
        for rows, logits, surprises in _chunks(hidden, weight, targets, ctx.memory, ctx.dtype):
            # The gradient by the logits is p, less 1 at the target, as in LinearCrossEntropy.
            here = torch.arange(len(logits), device=logits.device)
            logits[here, targets[rows]] = torch.expm1(-surprises).to(logits.dtype)
            logits *= d_each[0][rows, None].to(logits.dtype)
            if d_hidden is not None:
                torch.mm(logits, low_weight, out=d_hidden[rows])
            if d_weight is not None:
                ctx.memory.add(d_weight, logits.t() @ low_hidden[rows])
        return (
            None if d_hidden is None else d_hidden.to(hidden.dtype),
            None if d_weight is None else d_weight.to(weight.dtype),
            None,
            None,
        )


def _chunks(hidden: Tensor, weight: Tensor, targets: Tensor, memory: Surprises, dtype: torch.dtype) -> Any:
    """Of each chunk: its rows, the probabilities (R, V) where its logits were, and -log p (R,)."""
    low_hidden, low_weight = hidden.to(dtype), weight.to(dtype)
    with torch.autocast(hidden.device.type, enabled=False):
        for start in range(0, len(targets), ROWS):
            rows = slice(start, start + ROWS)
            x, y = low_hidden[rows], targets[rows]
            logits = torch.mm(x, low_weight.t(), out=memory.chunk(low_hidden, len(x), len(weight)))
            yield rows, logits, (memory.surprise if len(x) == ROWS else surprise)(logits, y)
