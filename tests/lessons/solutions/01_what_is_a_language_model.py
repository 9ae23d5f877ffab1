"""The exercises of lesson 1 done right, and the mistakes that people make in them."""

import torch
from torch import Tensor


def perplexity(losses: Tensor) -> float:
    return float(losses.mean().exp())


def with_temperature(logits: Tensor, temperature: float) -> Tensor:
    return (logits / temperature).softmax(-1)


def only_top_k(logits: Tensor, k: int) -> Tensor:
    kept = logits.topk(k)
    return torch.zeros_like(logits).scatter(-1, kept.indices, kept.values.softmax(-1))


WRONG = {
    "perplexity": [
        lambda losses: float(losses.exp().mean()),  # the mean of the powers
        lambda losses: float(2 ** losses.mean()),  # the base of bits, the losses in nats
        lambda losses: float(losses.sum().exp()),
    ],
    "with_temperature": [
        lambda logits, temperature: logits.softmax(-1),
        lambda logits, temperature: (logits * temperature).softmax(-1),
        lambda logits, temperature: logits.softmax(-1) / temperature,
    ],
    "only_top_k": [
        lambda logits, k: logits.softmax(-1),
        lambda logits, k: only_top_k(logits, k + 1),
        lambda logits, k: logits.softmax(-1) * (only_top_k(logits, k) > 0),  # does not add up to 1
    ],
}
