"""From logits to a token: greedy, temperature, top-k, top-p. Shapes: B batch, V vocabulary."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen. temperature 0 is greedy; top_k 0 and top_p 1 leave all tokens in."""

    temperature: float = 0.8
    top_k: int = 50
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise UserError(
                f"temperature={self.temperature} does not fit. Use 0 for greedy, about 0.8 for variety."
            )
        if self.top_k < 0:
            raise UserError(f"top_k={self.top_k} is negative. Use 0 for all tokens, or a number such as 50.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p={self.top_p} is no share. Use a number above 0, and at most 1.")


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """(B, V) logits -> (B, V) probabilities from which the token is drawn; what is filtered out has 0.

    The order is temperature, top-k, top-p, as in transformers. top-p keeps the smallest set of most likely
    tokens whose probabilities reach top_p (Holtzman et al. 2020); the most likely token always stays.
    """
    logits = logits.float()
    if sampling.temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    # Subtracting the largest first keeps a tiny temperature from making infinities.
    logits = (logits - logits.amax(-1, keepdim=True)) / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        smallest_kept = logits.topk(sampling.top_k).values[..., -1:]  # (B, 1)
        logits = logits.masked_fill(logits < smallest_kept, float("-inf"))
    if sampling.top_p < 1:
        ordered, where = logits.sort(descending=True)
        p = ordered.softmax(-1)
        before = p.cumsum(-1) - p  # the mass of all more likely tokens
        ordered = ordered.masked_fill(before >= sampling.top_p, float("-inf"))
        logits = torch.empty_like(logits).scatter_(-1, where, ordered)
    return logits.softmax(-1)


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """(B, V) logits -> (B,) token ids, drawn with the generator."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    # On the CPU, so that the same probabilities give the same draws on each device.
    chances = probabilities(logits, sampling).cpu()
    if not bool(torch.isfinite(chances).all()):
        raise UserError(
            "The model's logits are no finite numbers: its training diverged. "
            "Use an earlier checkpoint, or train it again with a lower learning rate."
        )
    return torch.multinomial(chances, 1, generator=generator)[:, 0].to(logits.device)
