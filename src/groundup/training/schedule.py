"""The learning rate as a function of the step: up in a straight line, then down along a curve."""

import math

from groundup.training.settings import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """The rate of step number `step`, counted from 0. The last step of a falling curve has the final rate.

    Source of the cosine: Loshchilov and Hutter 2017.
    """
    peak, final, warmup = settings.learning_rate, settings.final_learning_rate, settings.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    if settings.schedule == "constant":
        return peak
    done = min(1.0, (step - warmup) / max(1, settings.steps - 1 - warmup))  # from 0 to 1
    left = 1 - done if settings.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return final + (peak - final) * left
