"""Two ways to do one thing, run in turn in one process, so that a busy machine slows both."""

import statistics
import time
from collections.abc import Callable


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    rounds: int,
    amount: float,
    unit: str,
    warm: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """How many times as fast ours is, as the median of the rounds' ratios; prints that and both speeds.

    amount: how much one run does, in `unit`. Each side is first in every other round. The first `warm` rounds
    do not count. The two runs of a round lie beside each other in time: what comes between hits both.
    """
    seconds: tuple[list[float], list[float]] = [], []
    for number in range(warm + rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            start = clock()
            (ours, theirs)[side]()
            if number >= warm:
                seconds[side].append(clock() - start)
    ratio = statistics.median(b / a for a, b in zip(*seconds, strict=True))
    speeds = [amount / statistics.median(each) for each in seconds]
    print(
        f"{name}: {rounds} rounds, ours {speeds[0]:,.1f} {unit}/s, theirs {speeds[1]:,.1f} {unit}/s, "
        f"ratio {ratio:.2f}",
        flush=True,
    )
    return ratio


def verdict(ratios: dict[str, float], wanted: dict[str, float]) -> int:
    """The exit code: 0 if each ratio is at least what is wanted. Prints all of them as the last line."""
    met = all(ratios[name] >= least for name, least in wanted.items())
    told = (f"{name} {ratios[name]:.2f} (at least {least:.2f})" for name, least in wanted.items())
    print(f"{'met' if met else 'NOT MET'}, times as fast: {', '.join(told)}")
    return 0 if met else 1
