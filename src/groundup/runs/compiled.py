"""Whether a run trains compiled: as its recipe says, or where the machine can and the run is long enough."""

import torch
from torch import nn

from groundup.errors import UserError
from groundup.runs.folder import RunFolder
from groundup.system.progress import View
from groundup.training.compiling import compile_training, pays, why_not
from groundup.training.loop import Batch
from groundup.training.settings import TrainSettings


def refuse_impossible(settings: TrainSettings, device: torch.device) -> None:
    """UserError if the recipe insists on what this machine cannot do."""
    reason = why_not(device)
    if settings.compile == "on" and reason:
        raise UserError(f"train.compile = 'on', but {reason}. Use train.compile=auto or off.")


def wants_compiling(settings: TrainSettings, device: torch.device, operations: float) -> bool:
    """Whether a run of so many operations is to be compiled, if the machine can."""
    return settings.compile == "on" or (settings.compile == "auto" and pays(device, operations))


def compile_run(
    method: nn.Module, batch: Batch, settings: TrainSettings, operations: float, view: View
) -> bool:
    """Compile what trains in a run of so many operations, and say whether it is. batch: for the shapes."""
    device = next(method.parameters()).device
    if not wants_compiling(settings, device, operations):
        return False
    reason = why_not(device)
    if reason is None:
        with view.phase("Compiling for this machine"):
            reason = compile_training(method, batch, settings.precision)
    if reason:
        view.say(f"Not compiled: {reason}. Training takes longer, and works the same.")
    return reason is None


def note_compiled(folder: RunFolder, compiled: bool, view: View) -> None:
    """Keep in run.json whether the run trains compiled; say so if that is not as it was before."""
    before = folder.read_facts().get("compiled")
    if before not in (None, compiled):
        words = {True: "compiled", False: "not compiled"}
        view.say(f"This run was {words[before]} and is {words[compiled]} now: not to the same bytes.")
    folder.update_facts(compiled=compiled)
