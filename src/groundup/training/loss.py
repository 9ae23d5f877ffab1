"""The language model's loss, in chunks of rows: the full table of logits is never built.

Shapes: N positions, R positions of one chunk, D model width, V vocabulary.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

IGNORED = -100
"""A target that does not count, as in PyTorch's cross-entropy."""

ROWS = 512
"""Positions of one chunk, whatever the batch: ROWS * V numbers in memory. 128 to 1,024 were equally fast."""


class LinearCrossEntropy(nn.Module):
    """The last matrix and the cross-entropy in one, with the memory of a chunk kept from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.surprise: Callable[[Tensor, Tensor], Tensor] = surprise
        """What a full chunk goes through; compiled where that pays."""
        self.add: Callable[[Tensor, Tensor], Any] = add
        self._chunk = torch.empty(0)

    def forward(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """The sum over all positions of -log p(target), where p = softmax(hidden @ weight.T), in nats.

        hidden: (..., D); weight: (V, D); targets: (...) ids, IGNORED where a position does not count.
        Value and gradients equal F.cross_entropy(..., reduction="sum"); the softmax is computed in float32.
        """
        keep = targets.flatten() != IGNORED
        rows, kept = hidden.flatten(0, -2), targets.flatten()
        if not bool(keep.all()):
            rows, kept = rows[keep], kept[keep]
        return _LinearCrossEntropy.apply(rows, weight, kept, self)

    def chunk(self, like: Tensor, rows: int, columns: int) -> Tensor:
        """(R, V) numbers to write to. Fresh memory for each chunk would cost more than what is computed."""
        wrong = self._chunk.dtype != like.dtype or self._chunk.device != like.device
        if wrong or self._chunk.numel() < rows * columns:
            self._chunk = torch.empty(rows * columns, dtype=like.dtype, device=like.device)
        return self._chunk[: rows * columns].view(rows, columns)


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """LinearCrossEntropy for once, with memory of its own."""
    return LinearCrossEntropy()(hidden, weight, targets)


def surprise(logits: Tensor, targets: Tensor) -> Tensor:
    """-log p(target), (R,) in float32 or wider; the logits (R, V) become the probabilities, in place."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    log_p = logits.to(wide).log_softmax(-1)
    logits.copy_(log_p.exp())
    return -log_p.gather(1, targets[:, None])[:, 0]


def add(total: Tensor, more: Tensor) -> None:
    """total += more, where more may be bf16: compiled, that is several times as fast."""
    total.add_(more)


class _LinearCrossEntropy(torch.autograd.Function):
    """Makes the gradients together with the loss, chunk by chunk, while the chunk's logits are at hand."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, memory: LinearCrossEntropy
    ) -> Tensor:
        dtype = weight.dtype
        if torch.is_autocast_enabled(hidden.device.type):
            dtype = torch.get_autocast_dtype(hidden.device.type)
        low_hidden, low_weight = hidden.to(dtype), weight.to(dtype)
        wide = torch.promote_types(dtype, torch.float32)
        needs_hidden, needs_weight, *_ = ctx.needs_input_grad
        loss = hidden.new_zeros((), dtype=wide)
        d_hidden = torch.empty_like(low_hidden) if needs_hidden else None
        d_weight = None
        if needs_weight:  # the first chunk overwrites it
            d_weight = (torch.empty_like if len(targets) else torch.zeros_like)(weight, dtype=wide)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(targets), ROWS):
                x, y = low_hidden[start : start + ROWS], targets[start : start + ROWS]
                logits = torch.mm(x, low_weight.t(), out=memory.chunk(low_hidden, len(x), len(weight)))
                surprises = (memory.surprise if len(x) == ROWS else surprise)(logits, y)
                loss += surprises.sum()
                if not (needs_hidden or needs_weight):
                    continue
                # The gradient of -log p(target) by the logits is p, less 1 at the target. Not taken from p:
                # in bf16 p is 1 from 0.998 on, and what has nearly been learned would learn no more.
                logits[torch.arange(len(y), device=y.device), y] = torch.expm1(-surprises).to(logits.dtype)
                if d_hidden is not None:
                    torch.mm(logits, low_weight, out=d_hidden[start : start + ROWS])
                if d_weight is not None:
                    (memory.add if start else torch.Tensor.copy_)(d_weight, logits.t() @ x)
        ctx.gradients = d_hidden, d_weight
        ctx.dtypes = hidden.dtype, weight.dtype
        return loss

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]  # the decorator hides the names of the parameters
        ctx: Any, *d_loss: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        if ctx.gradients is None:
            raise RuntimeError(
                "A second backward through this loss: its gradients were handed over by the first."
            )
        scaled = []
        for gradient, dtype in zip(ctx.gradients, ctx.dtypes, strict=True):
            # In place, and only once: a copy would be as large as the embedding.
            scaled.append(None if gradient is None else gradient.to(dtype).mul_(d_loss[0]))
        ctx.gradients = None
        return scaled[0], scaled[1], None, None
