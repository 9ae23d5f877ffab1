"""The exercises of lesson 15 done right, and the mistakes that people make in them."""

from typing import Any

from torch import Tensor, nn

from groundup.methods.next_token import NextToken


def decaying(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.ndim >= 2}


def accumulate(model: Any, parts: list[dict[str, Tensor]]) -> float:
    model.zero_grad()
    total, count = 0.0, 0
    for part in parts:
        loss, counted = NextToken(model)(part)
        loss.backward()
        total, count = total + loss.item(), count + counted
    for p in model.parameters():
        p.grad /= count
    return total / count


def momentum_step(weight: Tensor, gradient: Tensor, memory: Tensor, rate: float, momentum: float):
    memory = momentum * memory + gradient
    return weight - rate * memory, memory


def mean_of_means(model: Any, parts: list[dict[str, Tensor]]) -> float:
    model.zero_grad()
    mean = 0.0
    for part in parts:
        loss, count = NextToken(model)(part)
        (loss / count / len(parts)).backward()
        mean += loss.item() / count / len(parts)
    return mean


def divided_by_parts(model: Any, parts: list[dict[str, Tensor]]) -> float:
    mean = accumulate(model, parts)
    count = sum(int((part["targets"] != -100).sum()) for part in parts)
    for p in model.parameters():
        p.grad *= count / len(parts)
    return mean


def padding_counts(model: Any, parts: list[dict[str, Tensor]]) -> float:
    mean = accumulate(model, parts)
    count = sum(int((part["targets"] != -100).sum()) for part in parts)
    places = sum(part["targets"].numel() for part in parts)
    for p in model.parameters():
        p.grad *= count / places
    return mean * count / places


def adds_to_the_old(model: Any, parts: list[dict[str, Tensor]]) -> float:
    old = [p.grad.clone() for p in model.parameters()]
    mean = accumulate(model, parts)
    for p, before in zip(model.parameters(), old, strict=True):
        p.grad += before
    return mean


def only_the_last(model: Any, parts: list[dict[str, Tensor]]) -> float:
    return [accumulate(model, [part]) for part in parts][-1]


def nesterov(weight: Tensor, gradient: Tensor, memory: Tensor, rate: float, momentum: float):
    memory = momentum * memory + gradient
    return weight - rate * (gradient + momentum * memory), memory


def rate_remembered(weight: Tensor, gradient: Tensor, memory: Tensor, rate: float, momentum: float):
    memory = momentum * memory + rate * gradient
    return weight - memory, memory


WRONG = {
    "decaying": [
        lambda model: {name for name, _ in model.named_parameters()},
        lambda model: {name for name, _ in model.named_parameters() if name.endswith("weight")},  # norms, too
        lambda model: {name for name, p in model.named_parameters() if p.ndim >= 2 and "tokens" not in name},
    ],
    "accumulate": [mean_of_means, divided_by_parts, padding_counts, adds_to_the_old, only_the_last],
    "momentum_step": [
        nesterov,
        rate_remembered,
        lambda weight, gradient, memory, rate, momentum: (weight - rate * gradient, memory),
        lambda weight, gradient, memory, rate, momentum: momentum_step(
            weight, (1 - momentum) * gradient, memory, rate, momentum
        ),
        lambda weight, gradient, memory, rate, momentum: (
            weight - rate * memory,  # one step late
            momentum * memory + gradient,
        ),
    ],
}
