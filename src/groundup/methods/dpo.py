"""Preferences (DPO): the model learns to find chosen answers likelier than rejected ones, beside a reference.

Source: Rafailov et al. 2023, Direct Preference Optimization.
Shapes: P pairs of a batch, 2 chosen and rejected, T tokens of the longest.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.data.preferences import PreferenceExamples, stack_preferences
from groundup.errors import UserError
from groundup.evaluation.statistics import wilson
from groundup.methods._method import Method
from groundup.methods._reference import log_p
from groundup.model.decoder import Decoder
from groundup.model.layers import Attention
from groundup.training.loss import IGNORED
from groundup.training.precision import autocast
from groundup.training.surprises import Surprises


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How far the model may go from the reference for the sake of the preferences."""

    beta: float = 0.1  # the smaller, the further; 0.1 to 0.5 are usual

    def __post_init__(self) -> None:
        if not 0 < self.beta < math.inf:
            raise UserError(f"method.beta = {self.beta} does not fit. It must be above 0; 0.1 is usual.")


class DPO(Method):
    """Reads {"ids": (P, 2, T), "targets": (P, 2, T), "reference": (P, 2)}; targets of -100 do not count.

    The margin of a pair is beta times (by how much the model finds the chosen answer likelier than the
    reference does, less the same for the rejected one), log p in nats; the loss is -log sigmoid(margin). At
    the start all margins are 0 and the loss is ln 2. It learns without dropout, which would put noise on
    the margins: the reference was asked without it. Dropout in the model is left as it is, and not used.
    """

    def __init__(self, model: Decoder, settings: Settings | None = None):
        super().__init__(model)
        self.settings, self.surprises = settings or Settings(), Surprises()
        self._margins: list[Tensor] = []

    def train(self, mode: bool = True) -> "DPO":
        """Begin a step, as the loop does before each; what `last` tells begins anew."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.Dropout | Attention):
                module.training = False
        self._margins = []
        return self

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, int]:
        margins = self.margins(batch)  # (P,)
        self._margins.append(margins.detach())
        return -F.logsigmoid(margins).sum(), len(margins)

    def margins(self, batch: dict[str, Tensor]) -> Tensor:
        """(P,) beta times how much further the model has moved towards the chosen than to the rejected."""
        moved = log_p(self.model, batch, self.surprises) - batch["reference"]  # (P, 2)
        return self.settings.beta * (moved[:, 0] - moved[:, 1])

    @property
    def last(self) -> dict[str, float]:
        """Mean margin and accuracy of the pairs since `train` was called: of all micro-batches of a step."""
        if not self._margins:
            return {}
        margins = torch.cat(self._margins).cpu()
        return {"margin": float(margins.mean()), "accuracy": float(_right(margins).mean())}

    @staticmethod
    def example(vocab_size: int, rows: int, length: int) -> dict[str, Tensor]:
        """Pairs with a prompt of two tokens or more, answers of several lengths, and any reference."""
        ids = torch.arange(rows * 2 * (length + 1)).view(rows, 2, length + 1) * 7 % vocab_size
        place, row = torch.arange(length), torch.arange(rows)[:, None, None]
        end = length - (row + torch.arange(2)[:, None]) % max(1, length - 3)  # (B, 2, 1)
        answer = (place >= 1 + row % 2) & (place < end)
        reference = -4.0 * answer.sum(-1) - torch.arange(2 * rows).view(rows, 2) % 3  # (B, 2)
        return {
            "ids": ids[..., :-1].contiguous(),
            "targets": ids[..., 1:].where(answer, IGNORED),
            "reference": reference,
        }


@torch.no_grad()
def validate(
    method: DPO, examples: PreferenceExamples, *, pairs_per_batch: int, precision: str = "float32"
) -> dict[str, Any]:
    """Mean loss in nats, mean margin and accuracy with its 95 % interval, over pairs with their reference.

    Changes nothing, and draws no random number. accuracy: how often the margin is above 0; 0 counts half.
    """
    was_training, device = method.training, method.model.tokens.weight.device
    kept = method._margins
    method.eval()
    parts = []
    for start in range(0, len(examples), pairs_per_batch):
        places = range(start, min(len(examples), start + pairs_per_batch))
        batch = stack_preferences([examples[place] for place in places])
        with autocast(precision, device):
            parts.append(method.margins({name: tensor.to(device) for name, tensor in batch.items()}).cpu())
    method.train(was_training)
    method._margins = kept
    margins = torch.cat(parts).double()
    right = float(_right(margins).sum())
    return {
        "loss": float(-F.logsigmoid(margins).mean()),
        "margin": float(margins.mean()),
        "accuracy": right / len(margins),
        "accuracy_interval": list(wilson(right, len(margins))),
        "pairs": len(margins),
    }


def sentence(found: dict[str, Any]) -> str:
    """What `validate` found, for the screen."""
    low, high = found["accuracy_interval"]
    return (
        f"prefers the chosen answer in {found['accuracy']:.1%} of {found['pairs']:,} pairs "
        f"({low:.1%} to {high:.1%}), margin {found['margin']:+.3f}, loss {found['loss']:.4f}"
    )


def _right(margins: Tensor) -> Tensor:
    return (margins > 0).double() + 0.5 * (margins == 0)


METHOD = DPO
