"""OpenAI's own GPT-2: its seven files, from its public storage and in TensorFlow's form.

Shapes as there: a weight is (1, in, out), or (V, D) for the tokens and (S, D) for the positions.
"""

import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.errors import UserError, did_you_mean
from groundup.model.config import ModelConfig
from groundup.system.download import download, downloads_folder
from groundup.system.progress import View
from groundup.text.known import GPT2_FILES, OPENAI
from groundup.text.library import read_json
from groundup.weights.bundle import Bundle, data_file, data_size, read_index
from groundup.zoo.gpt2 import FAMILY

HPARAMS, PREFIX = "hparams.json", "model.ckpt"
SMALL_FILES = ("checkpoint", "encoder.json", HPARAMS, f"{PREFIX}.index", f"{PREFIX}.meta", "vocab.bpe")
MIRROR = "GROUNDUP_GPT2_MIRROR"  # an address that has the folders 124M, 355M, 774M and 1558M
LEAVES = {"w": "weight", "b": "bias", "g": "weight"}  # g is for gain
FIELDS = {
    "n_vocab": "vocab_size",
    "n_ctx": "n_positions",
    "n_embd": "n_embd",
    "n_layer": "n_layer",
    "n_head": "n_head",
}
"""The words of hparams.json, and those of config.json."""


def check_size(size: str) -> str:
    """The name of a published size. UserError with the nearest one for any other."""
    if size not in FAMILY.sizes:
        hint = did_you_mean(size.upper(), FAMILY.sizes)
        raise UserError(
            f"OpenAI published no GPT-2 {size!r}.{hint} Known: "
            f"{', '.join(f'openai:{known}' for known in FAMILY.sizes)}."
        )
    return size


def fetch_openai(size: str, view: View) -> Path:
    """The folder with the seven files of a size, fetched where they are not there already.

    The vocabulary is checked by its sha256, the index by the checksums in it; it tells the size of the data,
    which have a checksum for each tensor. UserError as `download` gives it, and for what is damaged twice.
    """
    folder = downloads_folder() / "gpt2" / check_size(size)
    address = f"{(os.environ.get(MIRROR) or OPENAI).rstrip('/')}/{size}"
    with view.phase_once(f"Downloading OpenAI's GPT-2 {size}") as progress:
        for name in SMALL_FILES:
            bytes_, sha256 = GPT2_FILES.get(name, (0, ""))
            download(f"{address}/{name}", folder / name, sha256=sha256, size=bytes_)
        index = folder / f"{PREFIX}.index"
        try:
            entries, shards = read_index(index)
        except UserError:
            index.unlink()  # so that the same command fetches it again
            raise
        if shards != 1:
            raise UserError(f"{address} has {shards} files of data instead of one. It is no GPT-2 of OpenAI.")
        data, bytes_ = data_file(folder / PREFIX, 0, shards), data_size(entries)
        for is_last_try in (False, True):
            if data.is_file() and data.stat().st_size == bytes_:
                break  # checked when it came; and loading checks each tensor again
            download(f"{address}/{data.name}", data, size=bytes_, progress=progress)
            try:
                openai_tensors(folder)
            except UserError:
                data.unlink()
                if is_last_try:
                    raise
    return folder


def published_config(size: str) -> dict[str, Any]:
    """What openai_config gives for a published size, without its files. Its dropout was 0.1."""
    config = ModelConfig(**FAMILY.sizes[check_size(size)], dropout=0.1)
    return {"model_type": FAMILY.model_type, **FAMILY.write(config)}


def is_openai_folder(folder: Path) -> bool:
    """Whether a folder holds a GPT-2 in OpenAI's form."""
    return (folder / HPARAMS).is_file() and (folder / f"{PREFIX}.index").is_file()


def openai_config(folder: Path) -> dict[str, Any]:
    """What hparams.json says, in the words of a config.json. UserError for what it lacks."""
    given = read_json(folder / HPARAMS)
    for name in FIELDS:
        if not isinstance(given.get(name), int):
            raise UserError(
                f"{folder / HPARAMS} has {name} = {given.get(name)!r}, expected a whole number. "
                f"Delete the file, and get it again."
            )
    return {"model_type": FAMILY.model_type, **{new: given[old] for old, new in FIELDS.items()}}


def openai_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors under the names and in the shapes of a Hugging Face folder, still mapped from their file.

    Each was checked against its checksum. UserError for what is damaged or missing.
    """
    return {hugging_face_name(name): _plain(array) for name, array in Bundle(folder / PREFIX).items()}


def hugging_face_name(name: str) -> str:
    """model/h0/attn/c_attn/w -> h.0.attn.c_attn.weight; another name than GPT-2's stays what it is."""
    found = re.fullmatch(r"model/(?:h(\d+)/)?([\w/]+?)(?:/([wbg]))?", name)
    if not found:
        return name
    layer, module, leaf = found.groups()
    front = f"h.{layer}." if layer else ""
    return f"{front}{module.replace('/', '.')}.{LEAVES.get(leaf, 'weight')}"


def _plain(array: Any) -> Tensor:
    """A tensor over the same bytes. OpenAI keeps a weight as the kernel (1, in, out) of a convolution."""
    tensor = torch.from_numpy(array)
    return tensor[0] if tensor.ndim == 3 and len(tensor) == 1 else tensor
