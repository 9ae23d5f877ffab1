"""The learning rate as a function of the step: up in a straight line, then down along a curve."""

import math

from groundup.training.settings import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """The rate of step number `step`, counted from 0. The last step of a falling curve has the final rate.

    Sources: of the cosine Loshchilov and Hutter 2017; of "wsd" Hu et al. 2024 (arXiv:2404.06395).
    """
    peak, final, warmup = settings.learning_rate, settings.final_learning_rate, settings.warmup_steps
    if step < warmup:
        return peak * (step + 1) / warmup
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "wsd":  # warm-up, stable, decay: constant, then down in a straight line
        warmup = max(warmup, round(settings.steps * (1 - settings.decay)))
    done = min(1.0, max(0, step - warmup) / max(1, settings.steps - 1 - warmup))  # from 0 to 1
    left = 1 - done if settings.schedule in ("linear", "wsd") else 0.5 * (1 + math.cos(math.pi * done))
    return final + (peak - final) * left
