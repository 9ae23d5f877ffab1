"""The key-value cache: what was computed for the tokens already read.

Shapes: B batch, T time, S seen, H heads, K head width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from groundup.errors import UserError
from groundup.model.config import ModelConfig


class KVCache:
    """Keys and values of the tokens already read, so that each is computed once.

    The memory for `length` positions of each row is taken at the start; nothing is copied while generating.
    The place in the cache is the position in the text, also where the rows have texts of different lengths:
    a shorter row then writes further to the left than a longer one, and looks no further than it has written.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch: int,
        length: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        shape = (config.n_layers, batch, config.kv_heads, length, config.head_width)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.capacity = length
        self.lengths = [0] * batch  # how many tokens of each row were read

    @property
    def length(self) -> int:
        """How many tokens of the longest row were read."""
        return max(self.lengths)

    def places(self, n_new: int) -> Tensor:
        """Where the next tokens stand: (T,), or (B, T) where the rows have different lengths."""
        new = torch.arange(n_new, device=self.keys.device)
        if min(self.lengths) == self.length:
            return self.length + new
        return torch.tensor(self.lengths, device=self.keys.device)[:, None] + new

    def layer(self, index: int, places: Tensor, end: int) -> "LayerCache":
        """The part of one layer up to `end`, ready to take what stands at `places` (see above)."""
        if end > self.capacity:
            raise UserError(f"{end} tokens do not fit a cache of {self.capacity}. Ask for fewer tokens.")
        return LayerCache(self.keys[index, :, :, :end], self.values[index, :, :, :end], places)

    def advance(self, n_new: int) -> None:
        """Each row has read so many more tokens; the decoder says so once for each forward."""
        self.lengths = [length + n_new for length in self.lengths]

    def cut(self, lengths: Sequence[int]) -> None:
        """Only so many tokens of each row were real; what stands behind them was padding.

        Nothing needs to be cleared: a position sees no later one, and the row's next tokens take its place.
        """
        assert all(new <= old for new, old in zip(lengths, self.lengths, strict=True))
        self.lengths = list(lengths)

    def drop(self, row: int) -> None:
        """Take a row out of the batch. The last row moves to its place, so that only one is copied."""
        end = self.lengths[-1]
        for kept in (self.keys, self.values):
            kept[:, row, :, :end] = kept[:, -1, :, :end]
        self.keys, self.values = self.keys[:, :-1], self.values[:, :-1]
        self.lengths[row] = self.lengths[-1]
        self.lengths.pop()


class LayerCache:
    """One layer's keys and values up to and including the tokens of this forward."""

    def __init__(self, keys: Tensor, values: Tensor, places: Tensor):
        self.keys, self.values, self.places = keys, values, places

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put the new ones (B, H, T, K) where they stand; returns all of them, (B, H, S, K)."""
        if self.places.ndim == 1:
            start = self.keys.shape[2] - key.shape[2]
            self.keys[:, :, start:], self.values[:, :, start:] = key, value
        else:
            rows = torch.arange(len(key), device=key.device)[:, None]  # (B, 1), beside the (B, T) places
            self.keys[rows, :, self.places] = key.transpose(1, 2).type_as(self.keys)  # (B, T, H, K)
            self.values[rows, :, self.places] = value.transpose(1, 2).type_as(self.values)
        return self.keys, self.values
