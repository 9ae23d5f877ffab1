"""What may be done to a run's folder that is there already: go on, start over, or leave it alone."""

import torch

from groundup.errors import UserError
from groundup.runs.folder import RunFolder
from groundup.runs.prepare import Prepared
from groundup.runs.recipe import Recipe, make_recipe
from groundup.settings import read_toml
from groundup.system.device import describe
from groundup.system.files import remove_folder, storage_errors
from groundup.system.progress import View


def clear(folder: RunFolder) -> None:
    """Forget an earlier run: its figures, checkpoints and model."""
    with storage_errors(folder.path):
        for item in folder.path.iterdir():
            if item.name != ".lock":
                remove_folder(item) if item.is_dir() else item.unlink()


def refuse_foreign_folder(folder: RunFolder) -> None:
    """UserError if the folder holds files but no run: nobody's own files are written to or cleared."""
    own = [item for item in folder.path.glob("*") if not item.name.startswith(".")]
    if own and not folder.recipe.is_file():
        raise UserError(
            f"{folder.path} holds {own[0].name}, but no run (no recipe.toml). "
            f"Choose another name with name=NAME."
        )


def refuse_other_run(folder: RunFolder, recipe: Recipe) -> None:
    """UserError if the folder's run is finished, or was started with another recipe."""
    if not folder.recipe.is_file():
        return
    before = make_recipe(read_toml(folder.recipe))
    other = [
        f"{section}.{key}" if isinstance(value, dict) else section
        for section, value in recipe.to_table().items()
        for key in (value if isinstance(value, dict) else [""])
        if _pick(before.to_table(), section, key) != _pick(recipe.to_table(), section, key)
    ]
    if other:
        raise UserError(
            f"{folder.path} was started with another recipe ({', '.join(other[:3])} differ). "
            f"Start it over with --restart, or choose another name with name=NAME."
        )
    if folder.read_facts().get("status") == "finished":
        raise UserError(
            f"{folder.path} is finished. Start it over with --restart, or choose another name with name=NAME."
        )


def refuse_changed_data(folder: RunFolder, prepared: Prepared) -> None:
    """UserError if the data of a run that is being continued are not what they were."""
    before = folder.read_facts().get("data", {}).get("fingerprint")
    if before not in (None, prepared.facts()["fingerprint"]):
        raise UserError(
            f"The data of {prepared.source.name} changed since {folder.path} was started. "
            f"Bring them back, or start over with --restart."
        )


def tell_other_machine(folder: RunFolder, device: torch.device, view: View) -> None:
    """Say what is not as it was when the run began: it goes on well, but not to the very same bytes."""
    before, now = folder.read_facts(), describe(device)
    changed = [name for name in now if name in before and before[name] != now[name]]
    other = [f"{name} {before[name]} → {now[name]}" for name in changed]
    if other:
        view.say(f"Not as when this run began: {', '.join(other)}. It goes on, but not to the same bytes.")


def _pick(table: dict, section: str, key: str) -> object:
    value = table.get(section)
    return value.get(key) if isinstance(value, dict) else value
