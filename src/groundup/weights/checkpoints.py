"""Checkpoints of a run: a Hugging Face folder, with what training needs to go on beside it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from groundup.errors import UserError
from groundup.system.files import remove_folder, sha256, whole_folder, write_json
from groundup.weights.folder import Loaded, checkpoints, write_model, write_tensors

TRAINING, STATE, MANIFEST = "training.safetensors", "state.json", "manifest.json"


@dataclass
class Checkpoint:
    """What a checkpoint holds beside the model: named tensors (optimizer, generators) and a few values."""

    folder: Path
    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


def save_checkpoint(
    folder: Path,
    loaded: Loaded,
    *,
    step: int,
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    keep: int,
) -> Path:
    """Save a step as folder/step-000500, whole or not at all; then drop all but the newest `keep`."""
    target = folder / f"step-{step:06d}"
    with whole_folder(target) as part:
        write_model(part, loaded)
        write_tensors(part / TRAINING, {name: t.detach().cpu().contiguous() for name, t in tensors.items()})
        write_json(part / STATE, {"step": step, **values})
        write_json(part / MANIFEST, {file.name: sha256(file) for file in sorted(part.iterdir())})
    for old in checkpoints(folder)[:-keep]:
        remove_folder(old)
    # What a process left that was killed while it saved or deleted.
    for unfinished in [*folder.glob(".step-*.part"), *folder.glob(".step-*.old")]:
        shutil.rmtree(unfinished)
    return target


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint after checking every file against its manifest. UserError naming a damaged file."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not {STATE, TRAINING} <= dict(manifest).keys():
            raise ValueError(f"{MANIFEST} does not name {STATE} and {TRAINING}")
        damaged = [name for name, digest in manifest.items() if sha256(folder / name) != digest]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"The checkpoint {folder} is incomplete ({error}). Delete it to go on from the one before."
        ) from None
    if damaged:
        raise UserError(
            f"The checkpoint {folder} is damaged ({damaged[0]}). Delete it to go on from the one before."
        )
    values = json.loads((folder / STATE).read_text(encoding="utf-8"))
    return Checkpoint(folder, values.pop("step"), load_file(folder / TRAINING), values)
