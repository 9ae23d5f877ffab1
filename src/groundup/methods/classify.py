"""Classification: the model names the label of a whole text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.errors import UserError
from groundup.methods._method import Method
from groundup.model.classifier import Classifier
from groundup.model.config import check_choices
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.training.loss import IGNORED


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be chosen about it; the labels come from the data."""

    class_weights: Literal["none", "balanced"] = "none"  # "balanced": rare labels weigh more
    dropout: float | None = None  # before the head; by default an encoder's own, and none for a decoder

    def __post_init__(self) -> None:
        check_choices(self)
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise UserError(f"dropout = {self.dropout} is no share. It must be from 0 to below 1.")


class Classify(Method[Classifier]):
    """Reads {"ids": (B, T), "lengths": (B,), "labels": (B,)}; a label of -100 does not count.

    With weights an example counts as much as its label weighs, in the loss and in the count alike.
    """

    def __init__(
        self,
        model: Classifier | Decoder | Encoder,
        *,
        n_labels: int = 2,
        settings: Settings | None = None,
        counts: Sequence[int] | None = None,
    ):
        """counts: how many examples there are to learn from of each label, which "balanced" weights need."""
        settings = settings or Settings()
        if not isinstance(model, Classifier):
            model = Classifier(model, n_labels, settings.dropout)
        elif settings.dropout is not None:
            model.drop.p = settings.dropout
        super().__init__(model)
        weights = None
        if settings.class_weights == "balanced":
            assert counts is not None and len(counts) == model.n_labels, "how many examples each label has"
            weights = balanced_weights(counts).to(model.tokens.weight.device)
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, float]:
        logits, labels = self.model(batch["ids"], batch["lengths"]), batch["labels"]  # (B, C), (B,)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        weights = self.weights if self.weights is None else self.weights.to(logits)
        loss = F.cross_entropy(logits, labels, weights, ignore_index=IGNORED, reduction="sum")
        counting = labels[labels != IGNORED]
        return loss, len(counting) if weights is None else float(weights[counting].sum())

    @staticmethod
    def example(vocab_size: int, rows: int, length: int) -> dict[str, Tensor]:
        ids = torch.arange(rows * length).view(rows, length) * 7 % vocab_size
        places = torch.arange(rows)
        labels = torch.where(places == 0, IGNORED, places % 2)
        return {"ids": ids, "lengths": length - places % 3, "labels": labels}


def balanced_weights(counts: Sequence[int]) -> Tensor:
    """(C,) weights that make all labels count alike, and an example one on average: N / (C n)."""
    n = torch.tensor(counts, dtype=torch.float64)
    assert bool((n > 0).all()), "a label without an example"
    return (n.sum() / (len(n) * n)).float()


METHOD = Classify
