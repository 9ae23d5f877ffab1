"""The job of `groundup import`: make a folder of a model from elsewhere, and check what was written."""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from groundup.errors import UserError
from groundup.system.files import check_writable, sha256, whole_folder
from groundup.system.progress import View
from groundup.text.known import GPT2_FILES
from groundup.weights.adapter_config import is_adapter
from groundup.weights.folder import Loaded, load, model_folder, read_config, write_model
from groundup.weights.foreign import load_with_memory, refuse_options_of_files
from groundup.weights.memory import MEMORY, read_memory
from groundup.weights.places import OPENAI, is_elsewhere
from groundup.weights.tensors import read_tensors, stored_dtype, write_tensors
from groundup.zoo import family_for
from groundup.zoo._family import Family

HELLO, HELLO_IDS = "Hello, I am", [15496, 11, 314, 716]
NEXT_IDS = {"124M": 257}
"""GPT-2's ids of a text, and the id of what it likeliest says next, " a", where that is known."""

LOGITS_AGREE = 1e-4
"""The part of the largest logit by which two right programs may differ in float32."""


def import_model(
    where: str,
    folder: Path,
    view: View,
    *,
    verify: bool = False,
    tokenizer: Path | None = None,
    n_heads: int | None = None,
) -> Loaded:
    """Write a model from elsewhere as a Hugging Face folder, whole or not at all.

    The numbers of a folder keep their form, those of a single file become float32. What its AdamW remembers
    is written beside the model (weights.memory), so that training can go on with it.

    where: "openai:SIZE", "hf:ORG/NAME@REVISION", a folder, or a file of another program; only for such a
    file `tokenizer` and `n_heads` say what it lacks. verify: also check what was written, before the folder
    appears. UserError if `folder` is not empty, before anything is fetched, and for whatever is wrong.
    """
    check_writable(folder)
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise UserError(f"{folder} is there already. Choose another folder, or delete it first.")
    source, memory = None, None
    if not is_elsewhere(where) and os.path.isfile(where):
        loaded, memory = load_with_memory(where, tokenizer=tokenizer, n_heads=n_heads, tell=view.say)
    else:
        refuse_options_of_files(where, tokenizer, n_heads)
        source = model_folder(where)
        loaded, memory = load(source, dtype=stored_dtype(source)), read_memory(source)
    with whole_folder(folder) as part:
        write_model(part, loaded)
        if memory:
            write_tensors(part / MEMORY, memory)
        if verify:
            stored = None if source is None or is_adapter(source) else read_tensors(source)
            theirs = in_full(loaded, stored or _pushed(loaded))
            view.say(compare_tensors(theirs, in_full(loaded, read_tensors(part)), source or Path(where)))
            if source and where.startswith(OPENAI):
                for found in check_openai(where.removeprefix(OPENAI), source, load(part), part):
                    view.say(found)
    kind, dtype = _family(loaded).name, str(loaded.model.tokens.weight.dtype).removeprefix("torch.")
    numbers = sum(parameter.numel() for parameter in loaded.model.parameters())
    view.say(f"{kind}, {numbers:,} parameters in {dtype}, saved in {folder}.")
    return loaded


class Renamed(Mapping[str, Tensor]):
    """Tensors under other names; each is still read only when it is asked for."""

    def __init__(self, tensors: Mapping[str, Tensor], name_there: dict[str, str]):
        self._tensors, self._name_there = tensors, name_there

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self._name_there[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._name_there)

    def __len__(self) -> int:
        return len(self._name_there)


def in_full(loaded: Loaded, tensors: Mapping[str, Tensor]) -> Renamed:
    """Tensors by what they are called today; the second copy of tied embeddings is left out."""
    names = _family(loaded).table.known(tensors)
    if loaded.config.tie_embeddings:
        names.pop("lm_head.weight", None)  # loading has compared it with the first
    return Renamed(tensors, names)


def compare_tensors(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], source: Path) -> str:
    """What was compared, in words, one tensor at a time. UserError unless names, shapes and numbers agree."""
    different, numbers = theirs.keys() ^ ours.keys(), 0
    for name in theirs.keys() & ours.keys():
        their, our = theirs[name], ours[name]
        numbers += our.numel()
        if not torch.equal(their.to(our), our):
            different.add(name)
    if different:
        raise UserError(
            f"{len(different)} of {len(theirs)} tensors are not what {source} has, such as "
            f"{min(different)!r}. Nothing was written; the disk may be damaged: try another one."
        )
    return f"Verified: {len(ours)} tensors ({numbers:,} numbers), read back, are equal to those of {source}."


def check_openai(size: str, source: Path, loaded: Loaded, folder: Path) -> list[str]:
    """What is right about OpenAI's GPT-2 of a size; UserError for what is not.

    source: its own files, whose tensors were compared with their checksums by reading them. loaded: the model
    as it was read back from `folder`.
    """
    for name, (_, known) in GPT2_FILES.items():
        _refuse_unless((found := sha256(source / name)) == known, f"the sha256 of {name}", found, known)
    published = read_config(f"{OPENAI}{size}")
    _refuse_unless(loaded.config == published, "its shape", loaded.config, published)
    ids = loaded.tokenizer.encode(HELLO)
    _refuse_unless(ids == HELLO_IDS, f"the ids of {HELLO!r}", ids, HELLO_IDS)
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([ids]))[0]  # (S, V)
    following = int(logits[-1].argmax())
    _refuse_unless(following == NEXT_IDS.get(size, following), "the next id", following, NEXT_IDS.get(size))
    told = "as known" if size in NEXT_IDS else "which is known for 124M only"
    right = [
        "Verified: the sha256 of the vocabulary, and a CRC32C for each tensor and for the index.",
        f"Verified: the shape is that of {size}, and {HELLO!r} has the ids {ids}.",
        f"The likeliest next id is {following}, {loaded.tokenizer.decode([following])!r}, {told}.",
    ]
    if importlib.util.find_spec("transformers") is None:
        return [*right, "Not compared with transformers, which is not installed."]
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        theirs = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits[0]
    difference, most = float((theirs - logits).abs().max()), float(theirs.abs().max())
    near = f"at most {LOGITS_AGREE * most:.2g}"
    _refuse_unless(
        difference <= LOGITS_AGREE * most, "the difference from transformers", f"{difference:.2g}", near
    )
    return [*right, f"Verified: the logits are those of transformers (they differ by {difference:.1g})."]


def _pushed(loaded: Loaded) -> Mapping[str, Tensor]:
    """The tensors of a model in memory, as its family names them."""
    return _family(loaded).table.push(loaded.model, tied=loaded.config.tie_embeddings)


def _family(loaded: Loaded) -> Family:
    return family_for(loaded.config, type(loaded.model))


def _refuse_unless(right: bool, what: str, found: object, expected: object) -> None:
    if not right:
        raise UserError(
            f"This is not OpenAI's model: {what} should be {expected}, not {found}. Nothing was written; "
            f"delete the downloaded files, or take another mirror."
        )
