"""The key-value cache: what was computed for the tokens already read.

Shapes: B batch, T time, S seen, H heads, K head width.
"""

import torch
from torch import Tensor

from groundup.errors import UserError
from groundup.model.config import ModelConfig


class KVCache:
    """Keys and values of the tokens already read, so that each is computed once.

    The memory for `length` positions is taken at the start; nothing is copied while generating.
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
        self.capacity, self.length = length, 0  # the decoder moves `length` on, once for each forward

    def layer(self, index: int, n_new: int) -> "LayerCache":
        """The part of one layer, ready to take `n_new` more positions."""
        end = self.length + n_new
        if end > self.capacity:
            raise UserError(f"{end} tokens do not fit a cache of {self.capacity}. Ask for fewer tokens.")
        return LayerCache(self.keys[index, :, :, :end], self.values[index, :, :, :end], self.length)


class LayerCache:
    """One layer's keys and values up to and including the tokens of this forward."""

    def __init__(self, keys: Tensor, values: Tensor, start: int):
        self.keys, self.values, self.start = keys, values, start

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Put the new ones (B, H, T, K) at the end; returns all of them, (B, H, S, K)."""
        self.keys[:, :, self.start :], self.values[:, :, self.start :] = key, value
        return self.keys, self.values
