"""The exercises of lesson 13 done right, and the mistakes that people make in them."""

import math


def passing(d_in: int, d_out: int, relu: bool) -> float:
    return math.sqrt((2 if relu else 1) / d_in)


def writing_spread(n_layers: int, writes: int, usual: float) -> float:
    return usual / math.sqrt(n_layers * writes)


def diagnosis(stream: list[float], gradient: list[float]) -> str:
    growth = (stream[-1] / stream[0], gradient[0] / gradient[-1])
    if max(growth) >= 100:
        return "explodes"
    return "vanishes" if min(growth) <= 0.01 else "fine"


WRONG = {
    "passing": [
        lambda d_in, d_out, relu: passing(d_in, d_out, False),  # ReLU forgotten
        lambda d_in, d_out, relu: passing(d_out, d_in, relu),  # good for the gradient only
        lambda d_in, d_out, relu: passing(d_in, d_out, relu) ** 2,  # the variance
        lambda d_in, d_out, relu: 0.02,
    ],
    "writing_spread": [
        lambda n_layers, writes, usual: usual,
        lambda n_layers, writes, usual: usual / math.sqrt(n_layers),  # one write of each block
        lambda n_layers, writes, usual: usual / (n_layers * writes),  # no root
        lambda n_layers, writes, usual: 0.02 / math.sqrt(2 * n_layers),  # GPT-2's numbers, whatever is asked
    ],
    "diagnosis": [
        lambda stream, gradient: diagnosis(stream, gradient[::-1]),  # the gradient's way turned round
        lambda stream, gradient: diagnosis(stream, [1.0, 1.0]),  # looks at the values only
        lambda stream, gradient: "explodes" if max(stream) > 100 else "fine",
    ],
}
