"""Next-token prediction: at each position, the model names the token that follows. Pre-training is this."""

import torch
from torch import Tensor

from groundup.methods._method import Method
from groundup.model.decoder import Decoder
from groundup.training.loss import IGNORED, LinearCrossEntropy


class NextToken(Method):
    """Reads {"ids": (B, T), "targets": (B, T)}; targets of -100 do not count."""

    def __init__(self, model: Decoder):
        super().__init__(model)
        self.loss = LinearCrossEntropy()

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, int]:
        hidden = self.model.hidden(batch["ids"])  # (B, T, D)
        loss = self.loss(hidden, self.model.unembed.weight, batch["targets"])
        return loss, int((batch["targets"] != IGNORED).sum())

    @staticmethod
    def example(vocab_size: int, rows: int, length: int) -> dict[str, Tensor]:
        ids = torch.arange(rows * (length + 1)).view(rows, length + 1) * 7 % vocab_size
        targets = ids[:, 1:].clone()
        targets[0, : length // 2] = IGNORED
        return {"ids": ids[:, :-1], "targets": targets}


METHOD = NextToken
