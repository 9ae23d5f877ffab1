"""LoRA: a trained model learns something new through two thin matrices beside each of its large ones.

Shapes: B batch, T time, I inputs and O outputs of a matrix, R rank.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.errors import UserError, did_you_mean

Model = TypeVar("Model", bound=nn.Module)

BLOCK_PARTS = ("attention", "mlp")
"""What gets LoRA if nothing else is asked for: every matrix of the blocks."""

ENDS = ("tokens", "positions", "segments", "unembed", "head")
"""What cannot have it: these are looked up in, tied to each other, or read by the loss itself."""

OTHER_NAMES = {
    "q_proj": "attention.query",
    "k_proj": "attention.key",
    "v_proj": "attention.value",
    "o_proj": "attention.output",
    "c_attn": "attention",
    "c_fc": "mlp.up",
    "up_proj": "mlp.up",
    "gate_proj": "mlp.gate",
    "down_proj": "mlp.down",
    "all-linear": "blocks",
}
"""How other projects call our matrices."""


class LoRA(nn.Linear):
    """A matrix W that stays as it is, and beside it B A, which learns and is only as wide as its rank.

    The layer computes x W' + bias + alpha / rank * x A' B'. B starts as zero, so that nothing changes at
    first. W and bias keep their names; A (R, I) and B (O, R) are float32 at least, because small steps would
    be lost in bf16. Source: Hu et al. 2021.
    """

    def __init__(
        self,
        base: nn.Linear,
        *,
        rank: int,
        alpha: float,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__(base.in_features, base.out_features, bias=base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias
        self.rank, self.alpha, self.drop = rank, alpha, nn.Dropout(dropout)
        device, wide = base.weight.device, torch.promote_types(base.weight.dtype, torch.float32)
        # Drawn on the CPU, whose numbers are the same on every machine.
        start = torch.empty(rank, base.in_features, device="cpu")
        nn.init.kaiming_uniform_(start, math.sqrt(5), generator=generator)
        self.lora_A = nn.Parameter(start.to(device, wide))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, device=device, dtype=wide))
        self.train(base.training)

    def forward(self, input: Tensor) -> Tensor:
        whole = super().forward(input)  # (B, T, O)
        thin = F.linear(self.drop(input).to(self.lora_A.dtype), self.lora_A)  # (B, T, R)
        return (whole + F.linear(thin * (self.alpha / self.rank), self.lora_B)).type_as(whole)

    def merged(self) -> nn.Linear:
        """The plain matrix W + alpha / rank * B A, which computes the same without the way round."""
        plain = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        change = self.alpha / self.rank * (self.lora_B @ self.lora_A)  # (O, I)
        plain.weight, plain.bias = nn.Parameter((self.weight + change).type_as(self.weight)), self.bias
        return plain.train(self.training)


def add_lora(
    model: Model,
    *,
    rank: int,
    alpha: float,
    dropout: float = 0.0,
    targets: str | Sequence[str] = BLOCK_PARTS,
    generator: torch.Generator | None = None,
) -> Model:
    """Put LoRA beside the matrices that the targets name, and freeze all the rest.

    rank: how wide the new matrices are; alpha: what they add counts alpha / rank times; dropout: share of the
    inputs that they do not see while learning. targets: parts of the names of our modules, such as
    "attention", "mlp.up", "query" or "blocks.3". Changes and returns `model`. UserError for a target that
    names no such matrix.
    """
    if lora_layers(model):
        raise UserError("The model has LoRA already. Call merge_lora first, or take a fresh model.")
    for name, value, fits, wanted in (
        ("rank", rank, rank >= 1, "at least 1"),
        ("alpha", alpha, alpha > 0, "above 0"),
        ("dropout", dropout, 0 <= dropout < 1, "from 0 to below 1"),
    ):
        if not fits:
            raise UserError(f"LoRA with {name}={value} does not work. It must be {wanted}.")
    chosen = matrices_named(model, targets)
    model.requires_grad_(False)
    for name in chosen:
        base = model.get_submodule(name)
        assert isinstance(base, nn.Linear)
        layer = LoRA(base, rank=rank, alpha=alpha, dropout=dropout, generator=generator)
        model.set_submodule(name, layer)
    return model


@torch.no_grad()
def merge_lora(model: Model) -> Model:
    """Add what LoRA learned to the matrices beside it: plain modules again, all of which can learn.

    Changes and returns `model`; without LoRA in it nothing happens.
    """
    layers = lora_layers(model)
    for name, layer in layers.items():
        model.set_submodule(name, layer.merged())
    return model.requires_grad_() if layers else model


def lora_layers(model: nn.Module) -> dict[str, LoRA]:
    """The LoRA layers of a model, by the names of their modules."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoRA)}


def matrices_named(model: nn.Module, targets: str | Sequence[str]) -> list[str]:
    """The names of the matrices that have one of the targets as a part of their name. UserError if none."""
    targets = [targets] if isinstance(targets, str) else [*targets] or [""]
    matrices = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.split(".")[-1] not in ENDS
    ]
    fits = {target: [name for name in matrices if f".{target}." in f".{name}."] for target in targets}
    for target, found in fits.items():
        if not found:
            known = sorted({part for name in matrices for part in _parts(name)})
            why = " The embeddings and the head cannot have it." if target in ENDS else ""
            near = why or did_you_mean(target, known, OTHER_NAMES)
            raise UserError(f"targets: LoRA finds no matrix {target!r}.{near} Known: {', '.join(known)}.")
    return [name for name in matrices if any(name in found for found in fits.values())]


def _parts(name: str) -> list[str]:
    """What to call the matrix blocks.3.mlp.up: mlp, or mlp.up."""
    words = name.split(".")
    words = words[max((i + 1 for i, word in enumerate(words) if word.isdecimal()), default=0) :]
    return [".".join(words[: end + 1]) for end in range(len(words))]
