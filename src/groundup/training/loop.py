"""The only training loop. What it learns, what it reads and who watches come in as arguments."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from groundup.errors import UserError
from groundup.training.optimizer import Optimizers, make_optimizer
from groundup.training.precision import LossScale, autocast
from groundup.training.schedule import learning_rate
from groundup.training.settings import TrainSettings

Batch = dict[str, torch.Tensor]


class BatchSource(Protocol):
    """The micro-batches of each step: a function of the step, so that nothing must be fast-forwarded."""

    def at(self, step: int) -> Sequence[Batch]: ...


@dataclass
class State:
    """All that changes while training. Observers get it after every step; setting `stop` ends the loop."""

    method: nn.Module  # forward(batch) -> (summed loss, how many items counted, or what they weigh)
    optimizer: Optimizers
    step: int = 0  # steps done
    tokens: int = 0  # items that counted so far
    loss: float = 0.0  # of the last step: the mean over everything that counted in it, in nats
    gradient_norm: float = 0.0  # of the last step, before clipping
    learning_rate: float = 0.0  # of the last step
    scale: LossScale = field(default_factory=LossScale)
    stop: bool = False

    @classmethod
    def fresh(cls, method: nn.Module, settings: TrainSettings) -> "State":
        """The state before the first step."""
        scale = LossScale.fresh(settings.precision)
        return cls(method, make_optimizer(method, settings), scale=scale)


Observer = Callable[[State], Any]


def train(
    method: nn.Module,
    batches: BatchSource,
    settings: TrainSettings,
    *,
    state: State | None = None,
    observers: Iterable[Observer] = (),
) -> State:
    """Train until settings.steps are done, from the state's step on.

    Losses are sums. The gradient of a step is divided once, by everything that counted in all of its
    micro-batches, so a ragged micro-batch weighs what its items weigh, and no more.
    """
    state = State.fresh(method, settings) if state is None else state
    parameters = [p for p in method.parameters() if p.requires_grad]
    device = parameters[0].device
    observers = tuple(observers)
    while state.step < settings.steps and not state.stop:
        method.train()
        state.learning_rate = learning_rate(state.step, settings)
        state.optimizer.set_rates(state.learning_rate / settings.learning_rate)
        total, count = torch.zeros((), device=device), 0
        for batch in batches.at(state.step):
            on_device = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
            with autocast(settings.precision, device):
                loss, counted = method(on_device)
            (loss * state.scale.value).backward()
            total += loss.detach()
            count += counted
        gradients = [p.grad for p in parameters if p.grad is not None]
        for gradient in gradients:
            gradient.div_((count or 1) * state.scale.value)
        norm = nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        state.loss, state.gradient_norm = float(total) / (count or 1), float(norm)
        if is_finite(state, settings):
            state.optimizer.step()
        state.optimizer.zero_grad()
        state.step += 1
        state.tokens += round(count)
        for observe in observers:
            observe(state)
    return state


class NotFinite(UserError):
    """Training has gone astray at a step (from 1): `what` says which number is no finite one any more."""

    def __init__(self, what: str, step: int, settings: TrainSettings):
        super().__init__(
            f"{what} at step {step}. Lower train.learning_rate = {settings.learning_rate} and start over "
            f"with --restart."
        )
        self.what, self.step = what, step


def is_finite(state: State, settings: TrainSettings) -> bool:
    """Whether the step's gradient may be used; in fp16 it may overflow now and then, and the scale follows.

    NotFinite where that is no matter of scale; the weights are still the step before's.
    """
    finite = state.gradient_norm < float("inf")
    if not (abs(state.loss) < float("inf") and (finite or state.scale.value > 1)):
        what = f"The loss became {state.loss} (gradient norm {state.gradient_norm})"
        raise NotFinite(what, state.step + 1, settings)
    if settings.precision == "fp16":
        state.scale.follow(finite)
    return finite
