"""Checkpoints of a run: a Hugging Face folder, with what training needs to go on beside it.

The newest few are kept, and besides them the best: the one with the lowest validation loss, which `best.json`
names. Each file is checked by its sha256 before training goes on from it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from groundup.errors import UserError
from groundup.system.files import remove_folder, remove_leftovers, sha256, whole_folder, write_json
from groundup.text.library import read_json
from groundup.weights.folder import Loaded, checkpoints, write_model
from groundup.weights.tensors import write_tensors

TRAINING, STATE, MANIFEST = "training.safetensors", "state.json", "manifest.json"
BEST = "best.json"
DAMAGED = "damaged-"  # put before the name of a checkpoint that was set aside


class DamagedCheckpoint(UserError):
    """A file of a checkpoint is not what was written, or is not there."""


@dataclass
class Checkpoint:
    """What a checkpoint holds beside the model: named tensors (optimizer, generators) and a few values."""

    folder: Path
    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


def save_checkpoint(
    folder: Path,
    loaded: Loaded[Any],
    *,
    step: int,
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    keep: int,
    losses: Mapping[int, float] | None = None,
) -> Path:
    """Save a step as folder/step-000500, whole or not at all; then `keep_checkpoints`."""
    target = folder / f"step-{step:06d}"
    with whole_folder(target) as part:
        write_model(part, loaded)
        write_tensors(part / TRAINING, {name: t.detach().cpu().contiguous() for name, t in tensors.items()})
        write_json(part / STATE, {"step": step, **values})
        write_json(part / MANIFEST, {file.name: sha256(file) for file in sorted(part.iterdir())})
    keep_checkpoints(folder, keep, losses or {})
    return target


def keep_checkpoints(folder: Path, keep: int, losses: Mapping[int, float]) -> None:
    """Drop all but the newest `keep` and the best by validation loss, which is named in best.json.

    losses: the validation loss by step. A checkpoint of a step without one cannot be the best.
    """
    kept = checkpoints(folder)
    scored = {step_of(path): path for path in kept if math.isfinite(losses.get(step_of(path), math.nan))}
    best = min(scored, key=lambda step: (losses[step], step), default=None)
    if best is not None:  # named before anything goes, so that no crash leaves a name without its folder
        named = {"step": best, "folder": scored[best].name, "validation_loss": losses[best]}
        write_json(folder / BEST, named)
    else:
        (folder / BEST).unlink(missing_ok=True)
    # One that was set aside goes when there is another of its step.
    for path in kept:
        if (aside := folder / (DAMAGED + path.name)).is_dir():
            remove_folder(aside)
    for old in kept[:-keep]:
        if step_of(old) != best:
            remove_folder(old)
    remove_leftovers(folder)


def best_checkpoint(folder: Path) -> Path | None:
    """The checkpoint that best.json names, if it is there."""
    if not (folder / BEST).is_file():
        return None
    named = folder / str(read_json(folder / BEST).get("folder"))
    return named if named.is_dir() else None


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is as it was written, and what is wrong with those after it.

    Damaged ones are set aside under another name, but only if there is one to go on from: UserError if all
    are damaged. Nothing at all is there before the first has been saved.
    """
    wrong: dict[Path, str] = {}
    for path in reversed(checkpoints(folder)):
        try:
            found = read_checkpoint(path)
        except DamagedCheckpoint as error:
            wrong[path] = str(error)
            continue
        for damaged in wrong:
            aside = damaged.with_name(DAMAGED + damaged.name)
            if aside.exists():
                remove_folder(aside)
            damaged.rename(aside)
        return found, list(wrong.values())
    if wrong:
        which = "The only checkpoint" if len(wrong) == 1 else f"All {len(wrong)} checkpoints"
        raise UserError(
            f"{which} in {folder} cannot be used: {next(iter(wrong.values()))} "
            f"Bring a good copy back, or start over with --restart."
        )
    return None, []


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint after checking every file against its manifest.

    DamagedCheckpoint, a UserError that names the file, if one is missing or changed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not {STATE, TRAINING} <= dict(manifest).keys():
            raise ValueError(f"{MANIFEST} does not name {STATE} and {TRAINING}")
        wrong = [name for name, digest in manifest.items() if sha256(folder / name) != digest]
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError, TypeError) as error:
        raise DamagedCheckpoint(f"{folder.name} is incomplete ({_reason(error)}).") from None
    except OSError as error:  # it may well be good, and only not be readable now
        raise UserError(
            f"The checkpoint {folder} cannot be read ({error}). Mend that, and try again."
        ) from None
    if wrong:
        raise DamagedCheckpoint(f"{folder.name} is damaged ({wrong[0]}).")
    values = json.loads((folder / STATE).read_text(encoding="utf-8"))
    return Checkpoint(folder, values.pop("step"), load_file(folder / TRAINING), values)


def step_of(folder: Path) -> int:
    """The step in the name of a checkpoint."""
    return int(folder.name.rpartition("-")[2])


def _reason(error: Exception) -> str:
    """What is wrong, in few words: the name of a missing file instead of its whole path."""
    name = getattr(error, "filename", None)
    return f"no {Path(name).name}" if name else str(error)
