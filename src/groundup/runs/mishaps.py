"""What can go wrong in the middle of training, told in one line: where, what is kept, and what helps."""

import contextlib
from collections.abc import Iterator

import torch

from groundup.data.batches import Batches
from groundup.errors import UserError
from groundup.runs.farewell import command
from groundup.runs.folder import RunFolder
from groundup.training.loop import NotFinite, State
from groundup.training.settings import TrainSettings
from groundup.weights.folder import checkpoints

SHOWN = 5
"""So many windows of a bad step are named; `groundup data show` prints them all."""


@contextlib.contextmanager
def told(folder: RunFolder, settings: TrainSettings, batches: Batches, state: State) -> Iterator[None]:
    """Turns a loss that is no number, and memory that does not suffice, into a UserError with the remedy."""
    try:
        yield
    except NotFinite as error:
        raise UserError(_astray(error, folder, settings, batches)) from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(_too_large(folder, settings, batches, state)) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice, on whatever device: on the CPU torch says so in words only."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = str(error).lower()
    return "allocate memory" in words or "out of memory" in words or "defaultcpuallocator" in words


def _astray(error: NotFinite, folder: RunFolder, settings: TrainSettings, batches: Batches) -> str:
    windows = batches.indices(error.step - 1)
    named = ", ".join(map(str, windows[:SHOWN])) + (" …" if len(windows) > SHOWN else "")
    show = command("data", "show", str(folder.path), "--step", str(error.step))
    return (
        f"{error.what} at step {error.step}, which read the windows {named} (to see them: {show}). "
        f"{_kept(folder)} Lower train.learning_rate = {settings.learning_rate} and start over with "
        f"--restart."
    )


def _too_large(folder: RunFolder, settings: TrainSettings, batches: Batches, state: State) -> str:
    rows, tokens = batches.micro_batch, settings.sequence_length
    says = f"Out of memory in step {state.step + 1}, {rows} rows of {tokens} tokens at once. {_kept(folder)}"
    if rows == 1:
        return f"{says} Choose a smaller model (model.d_model), or a shorter train.sequence_length."
    return (
        f"{says} Half as many should fit: give the same command with train.micro_batch={rows // 2}. A step "
        f"still learns from the same {settings.tokens_per_step:,} tokens, in more parts."
    )


def _kept(folder: RunFolder) -> str:
    """What there is to go back to."""
    kept = checkpoints(folder.checkpoints)
    return f"{kept[-1].name} is kept." if kept else "No checkpoint had been saved yet."
