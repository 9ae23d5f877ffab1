"""Named tensors in safetensors files, one or several: each is read when it is asked for."""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from groundup.errors import UserError
from groundup.system.files import write_json
from groundup.text.library import read_json
from groundup.weights.openai import is_openai_folder, openai_tensors
from groundup.zoo._table import Pushed

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
SHARD_BYTES = 5 * 10**9
"""No file of weights becomes larger, unless a single tensor is."""

FORMS = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What safetensors calls the kinds of numbers that are written here, in the order in which a file has them:
the widest first, so that each tensor begins where its width allows it to be mapped."""


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of some files; none is in memory before it is asked for, and none is kept.

    A file is opened for each tensor anew, because all that was ever read of an open one stays mapped: a model
    would take twice its size while it is loaded.
    """

    def __init__(self, files: list[Path]):
        self._file_of: dict[str, Path] = {}
        self._states: dict[Path, tuple[int, int, int]] = {}
        for path in files:
            try:
                self._states[path] = _state(path)
                with safe_open(path, framework="pt") as file:
                    self._file_of |= dict.fromkeys(file.keys(), path)
            except FileNotFoundError:
                raise UserError(
                    f"The index names {path.name}, which is not there. Get the missing file."
                ) from None
            except SafetensorError as error:
                raise UserError(
                    f"{path} is damaged ({error}). Get the file again, or use another checkpoint."
                ) from None

    def __getitem__(self, name: str) -> Tensor:
        path = self._file_of[name]
        if _state(path) != self._states[path]:  # half of one model and half of another would load as well
            raise UserError(f"{path} was replaced while it was read. Try again when that is done.")
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file_of)

    def __len__(self) -> int:
        return len(self._file_of)


def _state(path: Path) -> tuple[int, int, int]:
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns


def read_tensors(folder: Path) -> Mapping[str, Tensor]:
    """All tensors of a folder, from one file or from the shards that its index names."""
    files = _files(folder)
    if files:
        return StoredTensors(files)
    if is_openai_folder(folder):
        return openai_tensors(folder)
    raise UserError(f"{folder} holds no {SINGLE}. Get the model's weights in the safetensors form.")


def _files(folder: Path) -> list[Path]:
    """The files of a folder's weights; what else has the form of safetensors is no part of the model."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        return [
            folder / name for name in sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
        ]
    return []


def stored_dtype(folder: Path) -> torch.dtype:
    """The form of a folder's numbers: float16 or bfloat16 where all of them have it, else float32."""
    kinds: set[str] = set()
    for file in _files(folder):
        with (
            suppress(SafetensorError, FileNotFoundError),
            safe_open(file, "pt") as tensors,
        ):  # reading it will tell the damage
            names = tensors.keys()  # no dictionary: it cannot be walked over itself
            kinds |= {tensors.get_slice(name).get_dtype() for name in names}
    halves = {"F16": torch.float16, "BF16": torch.bfloat16}
    return halves.get(kinds.pop(), torch.float32) if len(kinds) == 1 else torch.float32


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, outline: Mapping[str, Tensor] | None = None
) -> None:
    """Write a safetensors file, one tensor after the other: each is asked for when its turn comes.

    outline: which to write and as what, as tensors that need hold no numbers; by default all as they are.
    The bytes are those of the library, which wants all tensors at once.
    """
    outline = tensors if outline is None else outline
    kinds = list(FORMS)
    order = sorted(outline, key=lambda name: (kinds.index(outline[name].dtype), name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        tensor = outline[name]
        start, end = end, end + tensor.numel() * tensor.dtype.itemsize
        kind = {"dtype": FORMS[tensor.dtype], "shape": list(tensor.shape)}
        header[name] = {**kind, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            numbers = tensors[name].detach().to("cpu", outline[name].dtype).contiguous()
            file.write(numbers.reshape(-1).view(torch.uint8).numpy().data)


def write_model_tensors(
    folder: Path, tensors: Pushed, *, dtype: torch.dtype | None = None, shard_bytes: float = SHARD_BYTES
) -> None:
    """Write one file, or where that would be larger than shard_bytes several with an index.

    dtype: what to write numbers as; by default as they are.
    """
    outline = {name: t.to(dtype or t.dtype) for name, t in tensors.outline().items()}
    sizes = {name: t.numel() * t.dtype.itemsize for name, t in outline.items()}
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
        write_tensors(folder / file, tensors, outline={name: outline[name] for name in names})
        place |= dict.fromkeys(names, file)
    if count > 1:
        whole = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": place}
        write_json(folder / INDEX, whole)
