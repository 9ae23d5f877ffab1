"""The [train] table of a recipe: all that the loop is told."""

import math
from dataclasses import dataclass, field
from typing import Literal

from groundup.errors import UserError


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings:
    """When to save, and how many of the newest to keep; besides them, the best by validation loss stays."""

    every: int = 500  # steps; 0: only at the end
    keep: int = 3

    def __post_init__(self) -> None:
        if self.every < 0 or self.keep < 1:
            raise UserError(
                f"train.checkpoint = {{every = {self.every}, keep = {self.keep}}} cannot be. "
                f"Set every to 0 or more, and keep to 1 or more."
            )


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How to train. Token counts and steps are numbers of tokens and of optimizer steps."""

    steps: int
    tokens_per_step: int
    sequence_length: int
    micro_batch: int  # rows of one forward and backward
    learning_rate: float = 6e-4
    final_learning_rate: float = 0.0
    schedule: Literal["cosine", "linear", "wsd", "constant"] = "cosine"
    decay: float = 0.5  # of "wsd": the share of the steps, at the end, in which the rate falls
    warmup_steps: int = 0
    optimizer: Literal["adamw", "muon"] = "adamw"
    matrix_learning_rate: float = (
        0.01  # of "muon": for the matrices of the blocks; the rest has learning_rate
    )
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"  # "auto": where the device can and the run is long enough
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)

    def __post_init__(self) -> None:
        for name in ("steps", "tokens_per_step", "sequence_length", "micro_batch"):
            if getattr(self, name) < 1:
                raise UserError(f"train.{name} = {getattr(self, name)} is too small. It must be at least 1.")
        if self.tokens_per_step % self.sequence_length:
            raise UserError(
                f"train.tokens_per_step = {self.tokens_per_step} is not a multiple of "
                f"train.sequence_length = {self.sequence_length}. "
                f"A step takes whole sequences: choose a multiple."
            )
        if not 0 <= self.decay <= 1:
            raise UserError(f"train.decay = {self.decay} is no share. It must be from 0 to 1.")
        for name in ("learning_rate", "matrix_learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"train.{name} = {getattr(self, name)} does not fit. It must be above 0.")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(
                    f"train.{name} = {getattr(self, name)} is no share. It must be from 0 to below 1."
                )
        for name in ("final_learning_rate", "warmup_steps", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"train.{name} = {getattr(self, name)} does not fit. It must be 0 or more.")

    @property
    def samples_per_step(self) -> int:
        """Sequences in one optimizer step."""
        return self.tokens_per_step // self.sequence_length
