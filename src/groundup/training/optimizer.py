"""The optimizer: AdamW with decay on matrices only, or Muon for the matrices of the blocks beside it."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from groundup.errors import UserError
from groundup.model.layers import Block
from groundup.model.lora import lora_layers
from groundup.training.muon import Muon
from groundup.training.settings import TrainSettings


class Optimizers:
    """Optimizers that step together, each group at its own peak rate times one factor of the schedule."""

    def __init__(self, parts: Iterable[torch.optim.Optimizer]):
        self.parts = list(parts)
        for group in self.groups:
            group["peak"] = group["lr"]

    @property
    def groups(self) -> list[dict[str, Any]]:
        """All parameter groups."""
        return [group for part in self.parts for group in part.param_groups]

    def set_rates(self, factor: float) -> None:
        """Set each group's rate to its peak times the factor."""
        for group in self.groups:
            group["lr"] = group["peak"] * factor

    def step(self) -> None:
        """Change the weights by their gradients."""
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def memory(self) -> dict[str, torch.Tensor]:
        """What the optimizers remember, by name: part, number of the parameter, and what it is."""
        return {
            f"{number}.{index}.{name}": torch.as_tensor(value)
            for number, part in enumerate(self.parts)
            for index, entries in part.state_dict()["state"].items()
            for name, value in entries.items()
        }

    def remember(self, memory: Mapping[str, torch.Tensor]) -> None:
        """Put back what `memory` gave. UserError if other parameters learned there."""
        states: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in self.parts]
        learned = [[p for group in part.param_groups for p in group["params"]] for part in self.parts]
        for name, tensor in memory.items():
            number, index, entry = name.split(".", 2)
            fits = int(number) < len(learned) and int(index) < len(learned[int(number)])
            if not fits or (tensor.ndim and tensor.shape != learned[int(number)][int(index)].shape):
                raise UserError(
                    "The checkpoint is of a run in which other parts of the model learned. Go on with the "
                    "same [learn] and train.optimizer, or start over with --restart."
                )
            # A copy: the optimizer goes on in place, and what was given must stay what it was.
            states[int(number)].setdefault(int(index), {})[entry] = tensor.clone()
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict({**part.state_dict(), "state": state})


def make_optimizer(model: nn.Module, settings: TrainSettings) -> Optimizers:
    """The optimizer of a recipe over what learns.

    "adamw": matrices decay, vectors (biases, norms) do not. Source: Loshchilov and Hutter 2019.
    "muon": the matrices of the blocks are changed by their orthogonalised momentum, at matrix_learning_rate
    times max(1, rows / columns) ** 0.5, and decay; all the rest learns by AdamW without decay. It needs about
    half as many steps. Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/

    What is frozen is in neither, so not even decay moves it. UserError if nothing learns.
    """
    learned = [p for p in model.parameters() if p.requires_grad]
    if not learned:
        raise UserError("Nothing of this model learns. Choose what does, such as learn.what = 'all'.")
    if settings.optimizer == "adamw":
        return Optimizers([_adamw(learned, settings, settings.weight_decay)])
    matrices = by_muon(model)
    chosen = {id(p) for p in matrices}
    rest = [p for p in learned if id(p) not in chosen]
    parts: list[torch.optim.Optimizer] = []
    if matrices:
        rate, decay = settings.matrix_learning_rate, settings.weight_decay
        parts.append(Muon(matrices, lr=rate, momentum=0.95, weight_decay=decay))
    return Optimizers([*parts, _adamw(rest, settings, 0.0)] if rest else parts)


def by_muon(model: nn.Module) -> list[nn.Parameter]:
    """What Muon changes where it is asked for: the matrices of the blocks, of those that learn.

    Not LoRA's: A and B are only factors of a change, and equal singular values of each do not make those of
    their product equal. B starts as zero, and would leave it by the full rate at once.
    """
    of_lora = {id(p) for layer in lora_layers(model).values() for p in (layer.lora_A, layer.lora_B)}
    inside = {id(p) for block in model.modules() if isinstance(block, Block) for p in block.parameters()}
    fits = inside - of_lora
    return [p for p in model.parameters() if p.requires_grad and p.ndim == 2 and id(p) in fits]


def _adamw(parameters: list[nn.Parameter], settings: TrainSettings, decay: float) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=settings.learning_rate, betas=betas, fused=True
    )
