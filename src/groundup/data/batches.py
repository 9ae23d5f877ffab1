"""The batches of each training step as a function of the step: nothing to fast-forward when a run resumes.

Shapes: B = samples of a micro-batch, T = tokens of a window.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from groundup.data.order import Order
from groundup.data.windows import Sample, pad

Batch = dict[str, torch.Tensor]


class Samples(Protocol):
    """What batches are made of: windows of tokens, conversations, texts with a label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


def stack_windows(samples: Sequence[Sample]) -> Batch:
    """Windows as a batch: {"ids": (B, T), "targets": (B, T)}, int64."""
    inputs, targets = pad(samples)
    return {"ids": inputs, "targets": targets}


class Batches:
    """Step number s reads the samples s * samples_per_step and following of the order.

    Which samples a step sees does not depend on `micro_batch`: it only says how many are computed at once.
    """

    def __init__(
        self,
        windows: Samples,
        order: Order,
        *,
        samples_per_step: int,
        micro_batch: int,
        stack: Callable[[list[Any]], Batch] = stack_windows,
    ):
        assert len(order) == len(windows), "the order belongs to other windows"
        assert samples_per_step > 0
        assert micro_batch > 0
        self.windows, self.order, self.stack = windows, order, stack
        self.samples_per_step, self.micro_batch = samples_per_step, micro_batch

    def indices(self, step: int) -> list[int]:
        """The windows that step number `step` (from 0) reads, in order."""
        first = step * self.samples_per_step
        return [self.order.at(k) for k in range(first, first + self.samples_per_step)]

    def at(self, step: int) -> list[Batch]:
        """The micro-batches of a step, each as `stack` makes it of its samples; the last may be smaller.

        Of documents, T is the length of the longest; what fills up the others is no target.
        """
        indices = self.indices(step)
        starts = range(0, len(indices), self.micro_batch)
        rows = (indices[start : start + self.micro_batch] for start in starts)
        return [self.stack([self.windows[index] for index in those]) for those in rows]
