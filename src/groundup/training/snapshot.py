"""A training state as named tensors and back: the optimizer's memory, generators, what has been learned."""

from collections.abc import Mapping

import torch
from torch import Tensor

from groundup.training.loop import State

OPTIMIZER, GENERATOR, SCALE, WEIGHTS = "optimizer", "generator", "loss_scale", "weights"


def state_tensors(state: State, *, weights: bool = False) -> dict[str, Tensor]:
    """Everything that decides how training goes on, by name.

    weights: also the parameters that learn, for runs whose folder of a model does not hold them as they are.
    """
    tensors = {f"{OPTIMIZER}.{name}": tensor for name, tensor in state.optimizer.memory().items()}
    for device in _devices(state):
        tensors[_generator(device)] = _generator_state(device)
    tensors[SCALE] = torch.tensor([state.scale.value, state.scale.good], dtype=torch.float64)
    if weights:
        tensors |= {f"{WEIGHTS}.{name}": p for name, p in _learned(state)}
    return tensors


def restore(state: State, tensors: Mapping[str, Tensor]) -> None:
    """Put the optimizer's memory, the generators, and the weights that are there, back.

    The generator of a device that this run does not use, as after a change of machine, is left out.
    """
    own = f"{OPTIMIZER}."
    state.optimizer.remember({n.removeprefix(own): t for n, t in tensors.items() if n.startswith(own)})
    for device in _devices(state):
        if _generator(device) in tensors:
            _set_generator_state(device, tensors[_generator(device)])
    if SCALE in tensors:
        state.scale.value, state.scale.good = float(tensors[SCALE][0]), int(tensors[SCALE][1])
    with torch.no_grad():
        for name, parameter in _learned(state):
            if f"{WEIGHTS}.{name}" in tensors:
                parameter.copy_(tensors[f"{WEIGHTS}.{name}"])


def _learned(state: State) -> list[tuple[str, torch.nn.Parameter]]:
    """The parameters that learn, by name."""
    return [(name, p) for name, p in state.method.named_parameters() if p.requires_grad]


def _devices(state: State) -> list[torch.device]:
    """Each device whose generator the run may draw from: the CPU's, and those where parameters are."""
    used = {p.device for p in state.method.parameters()} | {torch.device("cpu")}
    return sorted(used, key=str)


def _generator(device: torch.device) -> str:
    """The name of a generator: generator.cpu, generator.mps, generator.cuda.0."""
    number = f".{device.index or 0}" if device.type == "cuda" else ""
    return f"{GENERATOR}.{device.type}{number}"


def _generator_state(device: torch.device) -> Tensor:
    """What a device's generator will draw from next, (bytes,) uint8."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def _set_generator_state(device: torch.device, kept: Tensor) -> None:
    """Put a device's generator back to where it was."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(kept, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(kept)
    else:
        torch.set_rng_state(kept)
