"""What may be done to a run's folder that is there already: go on, start over, or leave it alone."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch

from groundup.errors import UserError
from groundup.model.decoder import Decoder
from groundup.runs.farewell import command
from groundup.runs.folder import RunFolder
from groundup.runs.recipe import Recipe
from groundup.settings import Table, read_toml
from groundup.system.device import describe
from groundup.system.files import remove_folder, storage_errors
from groundup.system.lock import LOCK
from groundup.system.progress import View
from groundup.training.loop import State
from groundup.training.settings import TrainSettings
from groundup.weights.checkpoints import Checkpoint, keep_checkpoints, newest_checkpoint
from groundup.weights.folder import model_folder
from groundup.weights.memory import go_on_with, read_memory
from groundup.weights.places import is_elsewhere


class Plan(Protocol):
    """What every recipe has, whatever its run does."""

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def train(self) -> TrainSettings: ...

    def to_table(self) -> Table: ...

    def to_toml(self) -> str: ...

    def like(self, table: Table) -> "Plan":
        """A recipe of the same kind from its tables."""
        ...


FREE = ("train.micro_batch", "train.checkpoint", "train.compile")
"""What a run may change on its way: how many rows are computed at once, and what is kept. Each step still
learns from the same texts."""


def clear(folder: RunFolder) -> None:
    """Forget an earlier run: its checkpoints first and its recipe last, so that a crash leaves a run."""
    last = {folder.checkpoints: 0, folder.recipe: 2}
    with storage_errors(folder.path):
        for item in sorted(folder.path.iterdir(), key=lambda item: last.get(item, 1)):
            if item.name != LOCK:
                remove_folder(item) if item.is_dir() else item.unlink()


def find_checkpoint(folder: RunFolder, recipe: Plan, view: View) -> Checkpoint | None:
    """The newest good checkpoint of a run, or None; damaged ones after it are set aside, and that is said.

    UserError if none of them is good, or if it belongs to another recipe.
    """
    found, damaged = newest_checkpoint(folder.checkpoints)
    if found is None:
        return None
    for problem in damaged:
        view.say(f"{problem} Going on from {found.folder.name}, the one before it.")
    recorded = found.values.get("recipe")
    other = [] if recorded is None else differences(recipe.like(recorded), recipe)
    if other:
        raise UserError(
            f"{found.folder} was made by another recipe ({told_names(other)}). "
            f"Bring the run's own checkpoint back, or start over with --restart."
        )
    folder.cut_back(found.step)
    keep_checkpoints(folder.checkpoints, recipe.train.checkpoint.keep, folder.validation_losses())
    return found


def refuse_foreign_folder(folder: RunFolder) -> None:
    """UserError if the folder holds files but no run: nobody's own files are written to or cleared."""
    own = [item for item in folder.path.glob("*") if not item.name.startswith(".")]
    if own and not folder.recipe.is_file():
        raise UserError(
            f"{folder.path} holds {own[0].name}, but no run (no recipe.toml). "
            f"Choose another name with name=NAME."
        )


def refuse_other_run(folder: RunFolder, recipe: Plan) -> None:
    """UserError if the folder's run is finished, or was started with another recipe."""
    if not folder.recipe.is_file():
        return
    table = read_toml(folder.recipe)
    if ("method" in table) != ("method" in recipe.to_table()):
        raise UserError(
            f"{folder.path} holds a run of another verb (pretrain or finetune). Choose another name with "
            f"name=NAME."
        )
    other = differences(recipe.like(table), recipe)
    if other:
        raise UserError(
            f"{folder.path} was started with another recipe ({told_names(other)}). "
            f"Start it over with --restart, or choose another name with name=NAME."
        )
    if folder.read_facts().get("status") == "finished":
        raise UserError(
            f"{folder.path} is finished: {command('report', str(folder.path))} shows it. "
            f"Start it over with --restart, or choose another name with name=NAME."
        )


def refuse_changed_data(folder: RunFolder, data: Mapping[str, Any]) -> None:
    """UserError if the data of a run that is being continued are not what they were."""
    before = folder.read_facts().get("data", {}).get("fingerprint")
    if before not in (None, data["fingerprint"]):
        raise UserError(
            f"The data of {data['source']} changed since {folder.path} was started. "
            f"Bring them back, or start over with --restart."
        )


def tell_what_differs(folder: RunFolder, recipe: Plan, device: torch.device, view: View) -> None:
    """Say what is not as it was when the run began: it goes on well, but not to the very same bytes."""
    before, now = folder.read_facts(), describe(device)
    changed = [name for name in now if name in before and before[name] != now[name]]
    other = [f"{name} {before[name]} → {now[name]}" for name in changed]
    rows = recipe.like(read_toml(folder.recipe)).train.micro_batch if folder.recipe.is_file() else None
    if rows not in (None, recipe.train.micro_batch):  # the same sums, added up in another order
        other.append(f"micro_batch {rows} → {recipe.train.micro_batch}")
    if other:
        view.say(f"Not as when this run began: {', '.join(other)}. It goes on, but not to the same bytes.")


def take_over_memory(state: State, model: Decoder, recipe: Recipe, say: Callable[[str], None]) -> None:
    """Begin with what AdamW remembers, where the model that a run starts from brings that along."""
    where = recipe.model.get("from")
    memory = None if where is None or is_elsewhere(where) else read_memory(model_folder(where))
    if memory is None:
        return
    if recipe.train.optimizer != "adamw":
        say(
            f"{where} brings what AdamW remembers; this run learns by {recipe.train.optimizer}, and does "
            f'without. Set train.optimizer = "adamw" to go on with it.'
        )
        return
    (adamw,) = state.optimizer.parts
    steps = go_on_with(memory, adamw, model)
    say(f"Going on with what AdamW remembers of the {steps:,} steps that {where} has behind it.")


def differences(before: Plan, now: Plan) -> list[str]:
    """The names of the settings in which a recipe is not what it was, but for those that may change."""
    old, new = _flat(before.to_table()), _flat(now.to_table())
    names = [*new, *(name for name in old if name not in new)]
    return [name for name in names if old.get(name) != new.get(name) and name not in FREE]


def told_names(names: list[str]) -> str:
    """The settings that are not the same, for a message: "a, b, c and 3 more differ"."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} differ{'s' * (len(names) == 1)}"


def _flat(table: Table) -> Table:
    """Values by name: {"train": {"steps": 3}} becomes {"train.steps": 3}."""
    flat: Table = {}
    for name, value in table.items():
        flat |= (
            {f"{name}.{key}": inner for key, inner in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
    return flat
