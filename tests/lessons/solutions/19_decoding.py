"""The exercises of lesson 19 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def min_p(logits: Tensor, share: float) -> Tensor:
    p = logits.softmax(-1)
    return logits.masked_fill(p < share * p.amax(-1, keepdim=True) * (1 - 1e-6), -math.inf)


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    lower = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, lower, logits)


def entropy(logits: Tensor, temperature: float) -> float:
    """Nats."""
    return torch.special.entr((logits.double() / temperature).softmax(-1)).sum().item()


def temperature_for(logits: Tensor, bits: float) -> float:
    low, high = 0.01, 100.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if entropy(logits, middle) < bits * math.log(2) else (low, middle)
    return low


WRONG = {
    "min_p": [
        lambda logits, share: logits.masked_fill(logits.softmax(-1) < share, -math.inf),  # not of the largest
        lambda logits, share: logits.masked_fill(
            logits < share * logits.amax(-1, keepdim=True), -math.inf
        ),  # a share of the logit
        lambda logits, share: min_p(logits, share).softmax(-1),
        lambda logits, share: min_p(logits, share / 2),
    ],
    "penalise": [
        lambda logits, seen, penalty: torch.where(seen, logits / penalty, logits),
        lambda logits, seen, penalty: torch.where(seen, logits - penalty, logits),
        lambda logits, seen, penalty: penalise(logits, ~seen, penalty),
        lambda logits, seen, penalty: penalise(logits, torch.ones_like(seen), penalty),
        lambda logits, seen, penalty: logits.softmax(-1) / penalty,
    ],
    "temperature_for": [
        lambda logits, bits: temperature_for(logits, bits / math.log(2)),  # nats for bits
        lambda logits, bits: 1 / temperature_for(logits, bits),
        lambda logits, bits: bits,
        lambda logits, bits: 1.0,
    ],
}
