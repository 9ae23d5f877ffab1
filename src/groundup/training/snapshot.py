"""A training state as named tensors and back: the optimizer's memory and the random generators."""

from collections.abc import Mapping

import torch
from torch import Tensor

from groundup.training.loop import State

CPU_GENERATOR, CUDA_GENERATOR = "generator.cpu", "generator.cuda"


def state_tensors(state: State) -> dict[str, Tensor]:
    """Everything besides the weights that decides how training goes on, by name."""
    memory = state.optimizer.state_dict()["state"]
    tensors = {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, entries in memory.items()
        for name, value in entries.items()
    }
    tensors[CPU_GENERATOR] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors[CUDA_GENERATOR] = torch.cuda.get_rng_state()
    return tensors


def restore(state: State, tensors: Mapping[str, Tensor]) -> None:
    """Put the optimizer's memory and the generators back."""
    whole = state.optimizer.state_dict()
    whole["state"] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, entry = rest.partition(".")
            # A copy: the optimizer goes on in place, and the snapshot must stay what it was.
            whole["state"].setdefault(int(index), {})[entry] = tensor.clone()
    state.optimizer.load_state_dict(whole)
    torch.set_rng_state(tensors[CPU_GENERATOR])
    if torch.cuda.is_available() and CUDA_GENERATOR in tensors:
        torch.cuda.set_rng_state(tensors[CUDA_GENERATOR])
