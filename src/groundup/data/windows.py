"""Windows of tokens as a torch Dataset: what the model reads, and what it is to predict.

Shapes: T = tokens of a window, B = samples.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from groundup.data.shards import Shard
from groundup.errors import UserError

NO_TARGET = -100  # a place that does not count in the loss: PyTorch's own number for it
Sample = tuple[torch.Tensor, torch.Tensor]  # inputs and targets, int64, of one length


class TokenWindows(Dataset[Sample]):
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

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        start = index * self.stride
        window = torch.from_numpy(self.tokens[start : start + self.sequence_length + 1].astype(np.int64))
        return window[:-1], window[1:]


class DocumentWindows(Dataset[Sample]):
    """One document, or a part of a long one, as each sample: no window reaches over a border.

    `windows[i]` is (inputs (t,), targets (t,)) with t <= T. Every token of a document is a target once, and
    so is the border that ends it. For short documents that must not see each other, at the price of padding:
    `pad` makes a batch of samples of different lengths.
    """

    def __init__(self, shard: Shard, sequence_length: int):
        assert sequence_length > 0
        self.shard, self.sequence_length = shard, sequence_length
        lengths = np.diff(shard.starts)  # (documents,) with the border before each
        # (documents + 1,) how many windows lie before each document; a part of one is rounded up.
        self._before = np.concatenate([[0], np.cumsum(-(-lengths // sequence_length))])

    def __len__(self) -> int:
        return int(self._before[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        which = int(np.searchsorted(self._before, index, side="right")) - 1
        document = self.shard.document(which).astype(np.int64)
        closed = np.append(document, document[0])  # the border stands before each document, and ends it
        start = (index - int(self._before[which])) * self.sequence_length
        window = torch.from_numpy(closed[start : start + self.sequence_length + 1])
        return window[:-1], window[1:]


def pad(samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples as one batch, both (B, T) of the longest one's T; give it to a DataLoader as `collate_fn`.

    Shorter rows are filled up at their end, where no token can see the filling, and it is no target.
    """
    inputs, targets = zip(*samples, strict=True)
    fill = torch.nn.utils.rnn.pad_sequence
    return fill(list(inputs), batch_first=True), fill(
        list(targets), batch_first=True, padding_value=NO_TARGET
    )
