"""The exercises of lesson 17 done right, and the mistakes that people make in them."""

import torch
from torch import Tensor


def dropped(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    return x * (torch.rand(x.shape, generator=generator) >= p) / (1 - p)


def best_step(at: list[int], losses: list[float], patience: int) -> int:
    best = 0
    for place, loss in enumerate(losses):
        if loss < losses[best]:
            best = place
        elif place - best >= patience:
            break
    return at[best]


def longest_copy(text: str, source: str) -> str:
    for length in range(len(text), 0, -1):
        for start in range(len(text) - length + 1):
            if text[start : start + length] in source:
                return text[start : start + length]
    return ""


def whole_rows(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    return x * (torch.rand(len(x), 1, generator=generator) >= p) / (1 - p)


def no_gradient(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    return dropped(x, p, generator).detach() + 0 * x


def stops_at_the_first_rise(at: list[int], losses: list[float], patience: int) -> int:
    return best_step(at, losses, 1)


def where_it_stopped(at: list[int], losses: list[float], patience: int) -> int:
    return at[min(at.index(best_step(at, losses, patience)) + patience, len(at) - 1)]


def against_the_last_one(at: list[int], losses: list[float], patience: int) -> int:
    """Waits until it was worse than just before so many times, not than the best."""
    bad = 0
    for place in range(1, len(losses)):
        bad = bad + 1 if losses[place] >= losses[place - 1] else 0
        if bad >= patience:
            return at[min(range(place + 1), key=losses.__getitem__)]
    return at[min(range(len(losses)), key=losses.__getitem__)]


def in_words(text: str, source: str) -> str:
    words = [word for word in text.split() if word in source]
    return max(words, key=len, default="")


def from_the_beginning(text: str, source: str) -> str:
    return next((text[:n] for n in range(len(text), 0, -1) if text[:n] in source), "")


WRONG = {
    "dropped": [
        lambda x, p, generator: x * (torch.rand(x.shape, generator=generator) >= p),  # not made larger
        lambda x, p, generator: x * (torch.rand(x.shape, generator=generator) < p) / max(p, 0.01),  # keeps p
        lambda x, p, generator: dropped(x, p, generator) * (1 - p) ** 2,
        lambda x, p, generator: x * (torch.rand(x.shape) >= p) / (1 - p),  # not from the generator
        whole_rows,
        no_gradient,
    ],
    "best_step": [
        lambda at, losses, patience: at[losses.index(min(losses))],
        stops_at_the_first_rise,
        where_it_stopped,
        against_the_last_one,
    ],
    "longest_copy": [
        in_words,
        from_the_beginning,
        lambda text, source: longest_copy(source, text) if len(text) > 6 else "an",
        lambda text, source: longest_copy(text, source)[1:],
    ],
}
