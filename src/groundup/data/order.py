"""The order of the training samples as a function: sample number k, without a list that is shuffled."""

import hashlib
from collections.abc import Iterator

from torch.utils.data import Sampler

ROUNDS = 8
MASK = 0xFFFFFFFF


class Order(Sampler[int]):
    """A new shuffle of `range(size)` in each epoch, of which any place can be asked for at once.

    A Feistel network (Luby and Rackoff 1988): a number is cut into two halves, and each round adds a keyed
    scramble of one half to the other. Whatever the scramble is, a round can be undone, so no two numbers
    meet: a shuffle. It works on a power of four; a result outside the range is sent through again until it
    falls inside ("cycle walking"), which keeps it a shuffle of the range. All of it is integers, so it is
    the same on every machine.
    """

    def __init__(self, size: int, seed: int):
        assert size > 0, "an order of nothing"
        self.size, self.seed = size, seed
        self.epoch = 0  # the epoch that __iter__ walks through
        self._half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._half_mask = (1 << self._half_bits) - 1
        self._keys: tuple[int, list[int]] | None = None  # of the epoch asked for last

    def at(self, k: int) -> int:
        """The index of the k-th sample, counted from 0 over all epochs: epoch k // size, place k % size."""
        epoch, index = divmod(k, self.size)
        keys = self._keys_of(epoch)
        while True:
            index = self._scramble(index, keys)
            if index < self.size:
                return index

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration walks through, as torch's DistributedSampler does."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """The indices of the chosen epoch (0 at first), in order."""
        start = self.epoch * self.size
        return map(self.at, range(start, start + self.size))

    def __len__(self) -> int:
        return self.size

    def _scramble(self, index: int, keys: list[int]) -> int:
        left, right = index >> self._half_bits, index & self._half_mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & self._half_mask)
        return left << self._half_bits | right

    def _keys_of(self, epoch: int) -> list[int]:
        """One 32-bit key for each round, from the seed and the epoch."""
        if self._keys is None or self._keys[0] != epoch:
            digest = hashlib.sha256(f"order of samples, seed {self.seed}, epoch {epoch}".encode()).digest()
            keys = [int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(ROUNDS)]
            self._keys = (epoch, keys)
        return self._keys[1]


def _mix(value: int) -> int:
    """Spread every bit of a 32-bit number over all of them (the finishing steps of MurmurHash3)."""
    value = (value ^ (value >> 16)) * 0x85EBCA6B & MASK
    value = (value ^ (value >> 13)) * 0xC2B2AE35 & MASK
    return value ^ (value >> 16)
