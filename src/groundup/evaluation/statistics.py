"""Intervals for what was measured."""

import math
from collections.abc import Callable, Sequence

import numpy as np

LEAST_ITEMS = 10
"""Fewer items give no interval."""


def wilson(successes: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a share, successes / n. Source: Wilson 1927."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the formula gives 0 and 1 but for rounding, and the share itself must not fall outside.
    low = max(0.0, middle - half) if successes > 0 else 0.0
    high = min(1.0, middle + half) if successes < n else 1.0
    return low, high


def bootstrap_ratio(
    above: Sequence[float] | np.ndarray,
    below: Sequence[float] | np.ndarray,
    *,
    seed: int = 0,
    draws: int = 1000,
) -> tuple[float, float] | None:
    """The 95 % interval of sum(above) / sum(below), drawing whole items with replacement.

    An item is a document, or a window of one. None with fewer than LEAST_ITEMS: a handful says too
    little about how much they differ, and the interval would look narrower than it is. Source: Efron 1979.
    """
    over, under = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    if len(over) < LEAST_ITEMS:
        return None
    rng = np.random.default_rng(seed)
    ratios = np.empty(draws)
    for i in range(draws):
        chosen = rng.integers(len(over), size=len(over))
        ratios[i] = over[chosen].sum() / under[chosen].sum()
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def bootstrap_counts(
    counts: np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray],
    *,
    seed: int = 0,
    draws: int = 1000,
) -> tuple[float, float] | None:
    """The 95 % interval of a measure that depends only on how many items are of each kind.

    counts: whole numbers, of any shape; measure: (draws, *shape) -> (draws,). Drawing all items anew, with
    replacement, is one multinomial draw of the counts. None with fewer than LEAST_ITEMS. Source: Efron 1979.
    """
    n = int(counts.sum())
    if n < LEAST_ITEMS:
        return None
    drawn = np.random.default_rng(seed).multinomial(n, counts.ravel() / n, size=draws)
    low, high = np.quantile(measure(drawn.reshape(draws, *counts.shape)), [0.025, 0.975])
    return float(low), float(high)
