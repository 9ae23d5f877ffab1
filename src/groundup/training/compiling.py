"""Training in compiled code: about 1.5 times as fast where there is a C++ compiler; never required."""

import os
import shutil
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import nn

from groundup.model.layers import Block
from groundup.system.files import cache_folder
from groundup.training.loop import Batch
from groundup.training.loss import LinearCrossEntropy, add, surprise
from groundup.training.precision import autocast

WORTH = {"cpu": 1e13, "cuda": 2e16}
"""Operations of a run from which on compiling, of half a minute at most, pays: about two minutes' work."""


def why_not(device: torch.device) -> str | None:
    """Why nothing can be compiled here, or None. A compiler that is there but does not work is not seen."""
    if device.type not in WORTH:
        return f"PyTorch compiles little for {device.type} yet"
    if device.type == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        return "there is no C++ compiler (such as g++)"
    return None


def pays(device: torch.device, operations: float) -> bool:
    """Whether a run of so many floating-point operations is long enough."""
    return operations >= WORTH.get(device.type, float("inf"))


def compile_training(method: nn.Module, batch: Batch, precision: str) -> str | None:
    """Compile what the method trains with, by one step that changes nothing; says why if that fails.

    Blocks and loss only: they are nine tenths of the work, and all blocks are compiled as one. Evaluation and
    generation stay as they are: each of their shapes would be compiled anew, and a run that was resumed would
    do so in another order than one that was not.
    """
    # The compiled code is kept, so that the next run of the same shape starts in a few seconds.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))
    _use(method, torch.compile(Block.forward, dynamic=False), _compiled(surprise), _compiled(add))
    device = next(method.parameters()).device
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices):  # dropout draws
            method.train()
            with autocast(precision, device):
                loss, _ = method({name: tensor.to(device) for name, tensor in batch.items()})
            loss.backward()
    except Exception as error:  # Whatever a compiler may do, training goes on without it.
        _use(method, Block.forward, surprise, add)
        return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    finally:
        for parameter in method.parameters():
            parameter.grad = None
    return None


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, dynamic=False)


def _use(method: nn.Module, run_block: Callable[..., Any], *of_loss: Callable[..., Any]) -> None:
    """Let blocks train by this function, and losses work by those two."""
    for module in method.modules():
        if isinstance(module, Block):
            # A method, so that a copy of the block runs itself and not this one.
            module.forward = MethodType(_while_training(run_block), module)
        elif isinstance(module, LinearCrossEntropy):
            module.surprise, module.add = of_loss


def _while_training(run: Callable[..., Any]) -> Callable[..., Any]:
    def forward(block: Block, *args: Any, **kwargs: Any) -> Any:
        # Without gradients it is a look at the model, as the doctor takes one: to be compiled anew, too.
        learns = block.training and torch.is_grad_enabled()
        return (run if learns else Block.forward)(block, *args, **kwargs)

    return forward
