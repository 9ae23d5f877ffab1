"""Named tensors in safetensors files, one or several: each is read when it is asked for."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from groundup.errors import UserError
from groundup.system.files import write_json
from groundup.text.library import read_json
from groundup.weights.openai import is_openai_folder, openai_tensors

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
SHARD_BYTES = 5 * 10**9
"""No file of weights becomes larger, unless a single tensor is."""


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of some files; none is in memory before it is asked for, and none is kept."""

    def __init__(self, files: list[Path]):
        self._file_of: dict[str, Any] = {}
        for path in files:
            try:
                file = safe_open(path, framework="pt")
            except FileNotFoundError:
                raise UserError(
                    f"The index names {path.name}, which is not there. Get the missing file."
                ) from None
            except SafetensorError as error:
                raise UserError(
                    f"{path} is damaged ({error}). Get the file again, or use another checkpoint."
                ) from None
            self._file_of |= dict.fromkeys(file.keys(), file)

    def __getitem__(self, name: str) -> Tensor:
        return self._file_of[name].get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file_of)

    def __len__(self) -> int:
        return len(self._file_of)


def read_tensors(folder: Path) -> Mapping[str, Tensor]:
    """All tensors of a folder, from one file or from the shards that its index names."""
    if (folder / SINGLE).is_file():
        return StoredTensors([folder / SINGLE])
    if (folder / INDEX).is_file():
        shards = read_json(folder / INDEX).get("weight_map", {}).values()
        return StoredTensors([folder / shard for shard in sorted(set(shards))])
    if is_openai_folder(folder):
        return openai_tensors(folder)
    raise UserError(f"{folder} holds no {SINGLE}. Get the model's weights in the safetensors form.")


def stored_dtype(folder: Path) -> torch.dtype:
    """The form of a folder's numbers: float16 or bfloat16 where all of them have it, else float32."""
    files = [folder / SINGLE] if (folder / SINGLE).is_file() else sorted(folder.glob("*.safetensors"))
    kinds: set[str] = set()
    for file in files:
        with suppress(SafetensorError), safe_open(file, "pt") as tensors:  # reading it will tell the damage
            names = tensors.keys()  # no dictionary: it cannot be walked over itself
            kinds |= {tensors.get_slice(name).get_dtype() for name in names}
    halves = {"F16": torch.float16, "BF16": torch.bfloat16}
    return halves.get(kinds.pop(), torch.float32) if len(kinds) == 1 else torch.float32


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file that the same people may read as any other file made here."""
    path.touch()
    usual = path.stat().st_mode
    save_file(dict(tensors), path, metadata={"format": "pt"})
    path.chmod(usual)  # safetensors puts a file of its own there, which only its owner may read


def write_model_tensors(
    folder: Path,
    tensors: Mapping[str, Tensor],
    *,
    dtype: torch.dtype | None = None,
    shard_bytes: float = SHARD_BYTES,
) -> None:
    """Write one file, or where that would be larger than shard_bytes several with an index.

    dtype: what to write numbers as; by default as they are. Only one shard at a time is converted.
    """
    sizes = {name: t.numel() * (dtype or t.dtype).itemsize for name, t in tensors.items()}
    shards: list[list[str]] = [[]]
    used = 0
    for name, size in sizes.items():
        if shards[-1] and used + size > shard_bytes:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += size
    count, place = len(shards), {}
    for number, names in enumerate(shards, 1):
        file = SINGLE if count == 1 else f"model-{number:05d}-of-{count:05d}.safetensors"
        write_tensors(folder / file, {name: tensors[name].to("cpu", dtype).contiguous() for name in names})
        place |= dict.fromkeys(names, file)
    if count > 1:
        whole = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": place}
        write_json(folder / INDEX, whole)
