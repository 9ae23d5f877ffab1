"""What every check is: a question about a model and its first batch, answered in a sentence."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from groundup.model.decoder import Decoder


@dataclass(frozen=True)
class Patient:
    """What is examined: a model before its first step, and the first batch that it will read."""

    model: Decoder
    ids: Tensor  # (B, T)
    targets: Tensor  # (B, T)
    is_new: bool = True  # False: it has learned before, and may well know something


@dataclass(frozen=True)
class Finding:
    """What a check found, with the figures, in a sentence."""

    check: str
    ok: bool
    message: str


@dataclass(frozen=True)
class Check:
    """One check."""

    name: str
    about: str
    examine: Callable[[Patient], Finding]
