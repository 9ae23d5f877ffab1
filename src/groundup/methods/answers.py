"""Instruction tuning: the model reads whole conversations, and learns only what it is to answer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.methods._method import Method
from groundup.model.decoder import Decoder
from groundup.model.visible import Visible
from groundup.training.loss import IGNORED, LinearCrossEntropy


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the examples are laid out."""

    packing: bool = True  # several examples in one row, which do not see each other; the loss is the same


class Answers(Method):
    """Reads {"ids": (B, T), "targets": (B, T)}; targets of -100 do not count.

    Where rows hold several examples, also {"documents": (B, T), "positions": (B, T)}: no example sees
    another one, and each begins at position 0, so that the loss is that of the examples alone.
    """

    def __init__(self, model: Decoder):
        super().__init__(model)
        self.loss = LinearCrossEntropy()

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, int]:
        documents = batch.get("documents")
        visible = None if documents is None else Visible(documents=documents)
        hidden = self.model.hidden(batch["ids"], positions=batch.get("positions"), visible=visible)
        loss = self.loss(hidden, self.model.unembed.weight, batch["targets"])  # hidden: (B, T, D)
        return loss, int((batch["targets"] != IGNORED).sum())

    @staticmethod
    def example(vocab_size: int, rows: int, length: int) -> dict[str, Tensor]:
        """Each row holds two examples, a question with its answer each; all lengths differ between rows."""
        ids = torch.arange(rows * (length + 1)).view(rows, length + 1) * 7 % vocab_size
        place, row = torch.arange(length).expand(rows, length), torch.arange(rows)[:, None]
        second = 2 + row % max(1, length - 4)  # (B, 1) where the second one begins
        positions = torch.where(place < second, place, place - second)
        # The question is one token or two, and what follows an example's last token is no target.
        learned = (positions >= row % 2) & (place != second - 1)
        return {
            "ids": ids[:, :-1].contiguous(),
            "targets": ids[:, 1:].where(learned, IGNORED),
            "documents": (place >= second).long(),
            "positions": positions,
        }


METHOD = Answers
