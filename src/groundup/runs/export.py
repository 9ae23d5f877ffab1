"""The job of `groundup export`: a model for other programs, and the proof that it is the same one."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from groundup.errors import UserError, did_you_mean
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.system.files import check_writable, whole_file, whole_folder
from groundup.system.progress import View
from groundup.weights.folder import Loaded, load, write_model
from groundup.weights.foreign import load_foreign, refuse_options_of_files
from groundup.weights.gguf import check_gguf, read_gguf, write_gguf
from groundup.weights.state_dicts import OWN, read_pickle
from groundup.weights.tensors import SHARD_BYTES
from groundup.zoo import family_for
from groundup.zoo._table import EMBEDDING, UNEMBEDDING

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NUMBERS = {"hf": [*DTYPES], "pth": [*DTYPES], "gguf": [*DTYPES, "q8_0"]}
"""The forms, and what numbers can be written as in each."""

ENDINGS = {".gguf": "gguf", ".pth": "pth", ".pt": "pth"}
"""Names of files that say the form."""

OTHER_NAMES = {"f32": "float32", "f16": "fp16", "float16": "fp16", "bfloat16": "bf16"}

TOLERATED = {"fp16": 0.05, "bf16": 0.3, "q8_0": 0.3}
"""The largest difference of a logit by rounding alone, in standard deviations of the logits; tensors that
changed places differ by several."""

LOOKED_AT = 64  # positions at which logits are compared


def export(
    where: Path | str,
    target: Path,
    view: View,
    *,
    form: str | None = None,
    dtype: str = "float32",
    verify: bool = False,
    shard_bytes: float = SHARD_BYTES,
    tokenizer: Path | None = None,
    n_heads: int | None = None,
) -> Path:
    """Write a model as a Hugging Face folder, a state dict of PyTorch or a GGUF file, whole or not at all.

    where: a run, a model's folder, or a file as `load_foreign` takes it, with its `tokenizer` and `n_heads`.
    form: "hf", "pth" or "gguf"; by default what the target's name ends with, else "hf". dtype: "float32",
    "bf16" or "fp16"; for "gguf" also "q8_0". verify: read it back and compare before it gets its name.
    shard_bytes: of a Hugging Face folder, no file of weights is larger. UserError for what cannot be.
    """
    form = form or ENDINGS.get(target.suffix.lower(), "hf")
    dtype = OTHER_NAMES.get(dtype, dtype)
    for given, known, what in ((form, NUMBERS, "--to"), (dtype, NUMBERS.get(form, ()), "--dtype")):
        if given not in known:
            near = did_you_mean(given, known)
            raise UserError(f"{what} {given} is not there.{near} Known{_of(what, form)}: {', '.join(known)}.")
    if not shard_bytes >= 1:
        raise UserError("--shard-gb must be above 0. Leave it out for shards of 5 GB.")
    if os.path.lexists(target):
        raise UserError(f"{target} is there already. Choose another name, or delete it first.")
    check_writable(target)
    if os.path.isfile(where):
        loaded = load_foreign(where, tokenizer=tokenizer, n_heads=n_heads, tell=view.say)
    else:
        refuse_options_of_files(where, tokenizer, n_heads)
        loaded = load(where)
    if form != "hf" and not isinstance(loaded.model, Decoder):
        raise UserError(f"This model is an encoder, which --to {form} cannot hold. Write a folder: --to hf.")
    for note in check_gguf(loaded) if form == "gguf" else []:
        view.say(note)
    with (whole_folder if form == "hf" else whole_file)(target) as part:
        if form == "hf":
            write_model(part, loaded, dtype=DTYPES[dtype], shard_bytes=shard_bytes)
        elif form == "pth":
            write_state_dict(part, loaded, DTYPES[dtype])
        else:
            write_gguf(part, loaded, dtype)
        told = compare(loaded.model, READERS[form](part, loaded), dtype) if verify else ""
    size = sum(file.stat().st_size for file in ([target] if target.is_file() else target.iterdir()))
    numbers = sum(parameter.numel() for parameter in loaded.model.parameters())
    view.say(f"{numbers:,} parameters as {dtype}: {size:,} bytes in {target}.")
    if told:
        view.say(told)
    return target


def _of(what: str, form: str) -> str:
    return f" for {form}" if what == "--dtype" else ""


def write_state_dict(path: Path, loaded: Loaded, dtype: torch.dtype) -> None:
    """Write a .pth: the state dict of the model's class in transformers, tied matrices under both names.

    Its config.json is in `_metadata`, where state dicts of PyTorch keep versions of modules: whoever loads
    the tensors passes it by, and importing the file finds it. It is the only pickle that groundup writes,
    and only where it was asked for by name.
    """
    family, tied = family_for(loaded.config), loaded.config.tie_embeddings
    table, pushed = family.table, family.table.push(loaded.model, tied=tied)
    tensors = OrderedDict((name, t.to("cpu", dtype)) for name, t in pushed.items())
    if tied:  # one matrix in memory, so that torch.save writes it once
        names = {rule.ours: rule.theirs + ".weight" for rule in table.rules}
        tensors[names[_module(UNEMBEDDING)]] = tensors[names[_module(EMBEDDING)]]
    config_json = {"model_type": family.model_type, **family.write(loaded.config)}
    vars(tensors)["_metadata"] = OrderedDict({OWN: config_json})
    with open(path, "wb") as file:
        try:
            torch.save(tensors, file)
        except RuntimeError as error:  # of closing what could not be written; it hides the disk's own
            raise error.__context__ or error from None


def _module(parameter: str) -> tuple[str]:
    return (parameter.removesuffix(".weight"),)


def _read_state_dict(path: Path, loaded: Loaded) -> Decoder:
    model = Decoder(loaded.config)
    family_for(loaded.config).table.pull(model, read_pickle(path), tied=loaded.config.tie_embeddings)
    return model.eval()


READERS: dict[str, Callable[[Path, Loaded], Decoder | Encoder]] = {
    "hf": lambda path, loaded: load(path).model,
    "pth": _read_state_dict,
    "gguf": lambda path, loaded: read_gguf(path, loaded.config),
}
"""How each form is read back, in float32."""


@torch.no_grad()
def compare(model: Decoder | Encoder, back: Decoder | Encoder, dtype: str) -> str:
    """What the comparison of a model with its written form gave, in one line. UserError if they differ.

    Where nothing is lost, as in float32, tensors must be the same bits; elsewhere it is what they compute.
    """
    ours, theirs = dict(model.named_parameters()), dict(back.named_parameters())
    if dtype == "float32" or _keeps_all(ours.values(), DTYPES.get(dtype)):
        wrong = [
            name for name, t in ours.items() if not torch.equal(t.to("cpu", torch.float32), theirs[name])
        ]
        if wrong:
            raise UserError(
                f"What was written is not the model: {len(wrong)} of {len(ours)} tensors differ, such as "
                f"{wrong[0]}. Nothing was kept; check the disk, and try again."
            )
        return f"Verified: all {len(ours)} tensors, read back, are the same bit for bit."
    config = model.config
    ids = torch.randint(
        config.vocab_size,
        (1, min(LOOKED_AT, config.context_length)),
        generator=torch.Generator().manual_seed(0),
    )
    before, after = _computed(model, ids), _computed(back, ids)  # (1, T, V), of an encoder (1, T, D)
    worst = float((before - after).abs().max())
    spread = float(before.std())
    what = "logits" if isinstance(model, Decoder) else "hidden numbers"
    told = (
        f"{what} at {ids.shape[1]} positions differ by at most {worst:.2g} (their standard deviation is "
        f"{spread:.2g})"
    )
    if isinstance(model, Decoder):
        same = int((before.argmax(-1) == after.argmax(-1)).sum())
        told += f"; the likeliest token is the same at {same}"
    if not worst <= TOLERATED[dtype] * spread:
        raise UserError(f"As {dtype} it is another model: {told}. Nothing was kept; choose --dtype float32.")
    return f"Verified: rounded to {dtype}, so that {what} were compared, not tensors: {told}."


def _keeps_all(tensors: Iterable[Tensor], dtype: torch.dtype | None) -> bool:
    """Whether these numbers lose nothing in that form, such as those of a bf16 model in bf16."""
    return dtype is not None and all(torch.equal(t.to(dtype).to(t), t) for t in tensors)


def _computed(model: Decoder | Encoder, ids: Tensor) -> Tensor:
    """The logits of a decoder, or the hidden numbers of an encoder, in float32."""
    found = model(ids.to(model.tokens.weight.device))
    return (found if isinstance(model, Decoder) else found[0]).float().cpu()
