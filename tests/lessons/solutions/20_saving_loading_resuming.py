"""The exercises of lesson 20 done right, and the mistakes that people make in them."""

import json
import math
import random
from pathlib import Path

import torch
from safetensors.torch import load_file


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: tuple(about["shape"]) for name, about in header.items() if name != "__metadata__"}


def staying(steps: list[int], losses: dict[int, float], newest: int) -> set[int]:
    measured = [step for step in sorted(steps) if math.isfinite(losses.get(step, math.nan))]
    best = min(measured, key=lambda step: losses[step], default=None)
    return {*sorted(steps)[-newest:], *([] if best is None else [best])}


def texts_of(step: int, size: int, per_step: int, seed: int) -> list[int]:
    found = []
    for place in range(step * per_step, (step + 1) * per_step):
        epoch, index = divmod(place, size)
        generator = torch.Generator().manual_seed(1000 * seed + epoch)
        found.append(int(torch.randperm(size, generator=generator)[index]))
    return found


def reads_all(path: Path) -> dict[str, tuple[int, ...]]:
    try:
        return {name: tuple(tensor.shape) for name, tensor in load_file(path).items()}
    except Exception as error:
        raise ValueError(str(error)) from error


def metadata_too(path: Path) -> dict[str, tuple[int, ...]]:
    header = json.loads(path.read_bytes()[8:])
    return {name: tuple(about.get("shape", ())) for name, about in header.items()}


def each_epoch_alike(step: int, size: int, per_step: int, seed: int) -> list[int]:
    once = [texts_of(place, size, 1, seed)[0] for place in range(size)]
    return [once[place % size] for place in range(step * per_step, (step + 1) * per_step)]


def shuffled_anew(step: int, size: int, per_step: int, seed: int) -> list[int]:
    return random.sample(range(size), per_step)


walk = random.Random(1)
waiting: list[int] = []


def walks_along(step: int, size: int, per_step: int, seed: int) -> list[int]:
    """As many programs do: a list that is shuffled and used up, whatever the step is called."""
    while len(waiting) < per_step:
        waiting.extend(walk.sample(range(size), size))
    taken = waiting[:per_step]
    del waiting[:per_step]
    return taken


def ignores_the_seed(step: int, size: int, per_step: int, seed: int) -> list[int]:
    return texts_of(step, size, per_step, 1)


def drops_the_rest(step: int, size: int, per_step: int, seed: int) -> list[int]:
    steps = size // per_step
    return texts_of(step // steps * size + step % steps * per_step, size, 1, seed) * per_step


WRONG = {
    "shapes_in": [reads_all, metadata_too, lambda path: {}],
    "staying": [
        lambda steps, losses, newest: set(steps[-newest:]),
        lambda steps, losses, newest: {
            *steps[-newest:],
            min(losses, key=losses.__getitem__, default=steps[0]),
        },
        lambda steps, losses, newest: staying(steps, {s: -x for s, x in losses.items()}, newest),
        lambda steps, losses, newest: staying(
            steps, {s: -1 if x != x else x for s, x in losses.items()}, newest
        ),
        lambda steps, losses, newest: set(steps),
    ],
    "texts_of": [each_epoch_alike, shuffled_anew, walks_along, ignores_the_seed, drops_the_rest],
}
