"""From logits to a token: one small function for each filter, then a draw. Shapes: B batch, V vocabulary."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.errors import UserError

NEVER = float("-inf")  # the logit of a token that is left out: its probability is 0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen.

    temperature 0 is greedy; top_k 0, top_p 1 and min_p 0 leave all tokens in. repetition_penalty 1 changes
    nothing; above 1, tokens that were there before become less likely.
    """

    temperature: float = 0.8
    top_k: int = 50
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise UserError(
                f"temperature={self.temperature} does not fit. Use 0 for greedy, about 0.8 for variety."
            )
        if self.top_k < 0:
            raise UserError(f"top_k={self.top_k} is negative. Use 0 for all tokens, or a number such as 50.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p={self.top_p} is no share. Use a number above 0, and at most 1.")
        if not 0 <= self.min_p <= 1:
            raise UserError(f"min_p={self.min_p} is no share. Use 0 for all tokens, or one such as 0.05.")
        if not 0 < self.repetition_penalty < math.inf:
            raise UserError(
                f"repetition_penalty={self.repetition_penalty} does not fit. Use 1 for none, or about 1.2."
            )


def penalise_repetition(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make the tokens that are in the text already less likely. Source: Keskar et al. 2019.

    seen: (B, V) bool, True for each token of the prompt and of what was written.
    """
    # Dividing a negative logit would raise it.
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def heat(logits: Tensor, temperature: float) -> Tensor:
    """Divide by the temperature: below 1 the likely tokens become likelier still, above 1 all more alike."""
    # Subtracting the largest first changes no probability, and a tiny temperature makes no infinities.
    return (logits - logits.amax(-1, keepdim=True)) / temperature


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens, and those that are as likely as the k-th."""
    smallest_kept = logits.topk(min(k, logits.shape[-1])).values[..., -1:]  # (B, 1)
    return logits.masked_fill(logits < smallest_kept, NEVER)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest most likely tokens that reach the probability p together. Source: Holtzman et al. 2020.

    The token with which p is crossed stays, so at least one always does.
    """
    ordered, where = logits.sort()  # the least likely first
    together = ordered.softmax(-1).cumsum(-1)  # of each token and all less likely ones
    out = together <= 1 - p
    out[..., -1] = False
    return logits.masked_fill(torch.zeros_like(out).scatter_(-1, where, out), NEVER)


def keep_min_p(logits: Tensor, share: float) -> Tensor:
    """Keep the tokens with at least this share of the likeliest one's chance. Source: Nguyen et al. 2024."""
    # A ratio of probabilities is a difference of logits, whatever was filtered out before.
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + math.log(share), NEVER)


def probabilities(logits: Tensor, sampling: Sampling, seen: Tensor | None = None) -> Tensor:
    """(B, V) logits -> (B, V) probabilities from which the token is drawn; what is filtered out has 0.

    The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p.
    seen: (B, V) bool, the tokens of the text so far; needed with a repetition penalty.
    """
    logits = _penalised(logits, sampling, seen)
    if sampling.temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    logits = heat(logits, sampling.temperature)
    if sampling.top_k > 0:
        logits = keep_top_k(logits, sampling.top_k)
    if sampling.top_p < 1:
        logits = keep_top_p(logits, sampling.top_p)
    if sampling.min_p > 0:
        logits = keep_min_p(logits, sampling.min_p)
    return logits.softmax(-1)


def choose(
    logits: Tensor, sampling: Sampling, generators: Sequence[torch.Generator], seen: Tensor | None = None
) -> Tensor:
    """(B, V) logits -> (B,) token ids. Each row draws one number with its generator; greedy needs none."""
    best = logits.amax(-1)  # NaN if any logit is
    if not bool(torch.isfinite(best).all()):
        raise UserError(
            "The model's logits are no finite numbers: its training diverged. "
            "Use an earlier checkpoint, or train it again with a lower learning rate."
        )
    if sampling.temperature == 0:
        return _penalised(logits, sampling, seen).argmax(-1)
    return draw(probabilities(logits, sampling, seen), generators)


def draw(chances: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """(B, V) probabilities -> (B,) token ids; one number of each row's own generator decides.

    So a row draws the same alone and among others.
    """
    points = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in generators])  # in [0, 1)
    return pick(chances, points)


def pick(chances: Tensor, points: Tensor) -> Tensor:
    """(B, V) probabilities, (B,) points from 0 to below 1 -> (B,) the token in whose part each point lies.

    The tokens lie side by side on a line, each as wide as its chance; one without a chance has no part.
    """
    # On the CPU and in float64: the same probabilities give the same draws on each device.
    upto = chances.cpu().double().cumsum(-1)  # (B, V) where each token's part ends
    return torch.searchsorted(upto, points[:, None] * upto[:, -1:], right=True)[:, 0].to(chances.device)


def _penalised(logits: Tensor, sampling: Sampling, seen: Tensor | None) -> Tensor:
    """float32 logits after the repetition penalty, where there is one."""
    if sampling.repetition_penalty == 1:
        return logits.float()
    assert seen is not None, "a repetition penalty needs to know what was seen"
    return penalise_repetition(logits.float(), seen, sampling.repetition_penalty)
