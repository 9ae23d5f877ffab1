"""The exercises of lesson 14 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def safe_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    counts = targets != -100
    kept, came = logits[counts], targets[counts]
    return (kept.logsumexp(-1) - kept[torch.arange(len(came)), came]).sum(), len(came)


def together(texts: list[tuple[float, int]]) -> float:
    return math.exp(sum(n * math.log(p) for p, n in texts) / sum(n for _, n in texts))


def log_sum(pieces) -> float:
    largest, total = -math.inf, 0.0
    for piece in pieces:
        new = max(largest, piece.max().item())
        total = total * math.exp(largest - new) + (piece - new).exp().sum().item()
        largest = new
    return largest + math.log(total)


def overflows(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    counts = targets != -100
    kept, came = logits[counts], targets[counts]
    p = kept.exp() / kept.exp().sum(-1, keepdim=True)
    return -p[torch.arange(len(came)), came].log().sum(), len(came)


def underflows(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """The softmax is safe, but the logarithm comes too late."""
    counts = targets != -100
    kept, came = logits[counts], targets[counts]
    return -kept.softmax(-1)[torch.arange(len(came)), came].log().sum(), len(came)


def padding_counts(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """-100 from the end of the row is taken for token 0."""
    return safe_loss(logits, targets.clamp(min=0))


def mean_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    total, count = safe_loss(logits, targets)
    return total / max(1, count), count


def no_new_largest(pieces) -> float:
    """The first piece's largest logit is kept for all."""
    largest, total = math.nan, 0.0
    for piece in pieces:
        largest = piece.max().item() if math.isnan(largest) else largest
        total += (piece - largest).exp().sum().item()
    return largest + math.log(total)


def sum_not_made_smaller(pieces) -> float:
    largest, total = -math.inf, 0.0
    for piece in pieces:
        largest = max(largest, piece.max().item())
        total += (piece - largest).exp().sum().item()
    return largest + math.log(total)


WRONG = {
    "safe_loss": [
        overflows,
        underflows,
        padding_counts,
        mean_loss,
        lambda logits, targets: (safe_loss(logits, targets)[0], len(targets)),  # divides by too much later
        lambda logits, targets: (safe_loss(logits.detach(), targets)[0].requires_grad_(), sum(targets >= 0)),
    ],
    "together": [
        lambda texts: sum(p for p, _ in texts) / len(texts),
        lambda texts: sum(p * n for p, n in texts) / sum(n for _, n in texts),  # the mean of the powers
        lambda texts: math.exp(
            sum(math.log(p) for p, _ in texts) / len(texts)
        ),  # a short text weighs as much
    ],
    "log_sum": [
        lambda pieces: math.log(sum(piece.exp().sum().item() for piece in pieces)),
        no_new_largest,
        sum_not_made_smaller,
        lambda pieces: max(piece.logsumexp(0).item() for piece in pieces),
    ],
}
