"""The exercises of lesson 6 done right, and the mistakes that people make in them."""

import math


def divergence_of(p: list[float], q: list[float]) -> float:
    total = 0.0
    for truth, belief in zip(p, q, strict=True):
        if truth:
            total += truth * math.log2(truth / belief) if belief else math.inf
    return total


def warm(ends: list[tuple[int, float]]) -> float:
    return sum(mass for mood, mass in ends if mood == 0) / sum(mass for _, mass in ends)


def perfect_bits(chance, text: str) -> list[float]:
    chances = [chance(text[:n]) for n in range(len(text) + 1)] + [chance(text, ends=True)]
    return [-math.log2(after / before) for before, after in zip(chances, chances[1:], strict=False)]


def skips_what_it_does_not_expect(p: list[float], q: list[float]) -> float:
    return sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True) if a and b)


WRONG = {
    "divergence_of": [
        lambda p, q: divergence_of(q, p),  # the wrong way round
        skips_what_it_does_not_expect,
        lambda p, q: sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True)),  # log of 0
        lambda p, q: divergence_of(p, q) * math.log(2),  # nats
        lambda p, q: sum(-a * math.log2(b) for a, b in zip(p, q, strict=True) if b),  # with the floor
    ],
    "warm": [
        lambda ends: sum(mass for mood, mass in ends if mood == 0),  # not given the text
        lambda ends: sum(mood == 0 for mood, _ in ends) / len(ends),  # states counted, not weighed
        lambda ends: 1 - warm(ends),
        lambda ends: float(max(ends, key=lambda end: end[1])[0] == 0),  # yes or no
    ],
    "perfect_bits": [
        lambda chance, text: perfect_bits(chance, text)[:-1],  # the end is forgotten
        lambda chance, text: [-math.log2(chance(text[: n + 1])) for n in range(len(text))] + [0.0],
        lambda chance, text: [-bits for bits in perfect_bits(chance, text)],
        lambda chance, text: [bits * math.log(2) for bits in perfect_bits(chance, text)],
        lambda chance, text: [*perfect_bits(chance, text)[:-1], 0.0 * len(text) + 1.0],
    ],
}
