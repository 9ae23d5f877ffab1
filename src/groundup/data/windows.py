"""Windows of tokens as a torch Dataset: what the model reads, and what it is to predict.

Shapes: T = tokens of a window.
"""

import numpy as np
import torch
from torch.utils.data import Dataset

from groundup.errors import UserError


class TokenWindows(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """One long row of tokens, cut into windows of T tokens side by side (or `stride` apart).

    `windows[i]` is (inputs (T,), targets (T,)), both int64; the target of each token is the token after it,
    so a window reads T + 1 tokens. With stride = T every token but the first is a target once; what is left
    at the end, less than a window, is not used. UserError if there is not a single window.
    """

    def __init__(self, tokens: np.ndarray, sequence_length: int, *, stride: int | None = None):
        self.tokens, self.sequence_length = tokens, sequence_length
        self.stride = sequence_length if stride is None else stride
        assert sequence_length > 0
        assert self.stride > 0
        if len(tokens) < sequence_length + 1:
            raise UserError(
                f"{len(tokens)} tokens are too few: one window of {sequence_length} needs "
                f"{sequence_length + 1}. Give more text, or choose a shorter sequence_length."
            )

    def __len__(self) -> int:
        return (len(self.tokens) - 1 - self.sequence_length) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        start = index * self.stride
        window = torch.from_numpy(self.tokens[start : start + self.sequence_length + 1].astype(np.int64))
        return window[:-1], window[1:]
