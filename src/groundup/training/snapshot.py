"""A training state as named tensors and back: the optimizer's memory and the random generators."""

from collections.abc import Mapping

import torch
from torch import Tensor

from groundup.training.loop import State

OPTIMIZER, CPU_GENERATOR, CUDA_GENERATOR = "optimizer.", "generator.cpu", "generator.cuda"


def state_tensors(state: State) -> dict[str, Tensor]:
    """Everything besides the weights that decides how training goes on, by name."""
    tensors = {f"{OPTIMIZER}{name}": tensor for name, tensor in state.optimizer.memory().items()}
    tensors[CPU_GENERATOR] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors[CUDA_GENERATOR] = torch.cuda.get_rng_state()
    return tensors


def restore(state: State, tensors: Mapping[str, Tensor]) -> None:
    """Put the optimizer's memory and the generators back."""
    memory = {name: tensor for name, tensor in tensors.items() if name.startswith(OPTIMIZER)}
    state.optimizer.remember({name.removeprefix(OPTIMIZER): tensor for name, tensor in memory.items()})
    torch.set_rng_state(tensors[CPU_GENERATOR])
    if torch.cuda.is_available() and CUDA_GENERATOR in tensors:
        torch.cuda.set_rng_state(tensors[CUDA_GENERATOR])
