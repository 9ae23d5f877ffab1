"""PyTorch files of nanoGPT, "LLMs from scratch" and our own, read without running any code in them."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.zoo import family_of
from groundup.zoo._table import NameTable, Rule
from groundup.zoo.gpt2 import FAMILY as GPT2

GPT2_HEAD_WIDTH = 64  # the same in all four sizes

# What nanoGPT keeps is a GPT-2 of plain Linear layers, so none of its matrices lies on its side.
NANOGPT = replace(GPT2.table, rules=tuple(Rule(rule.ours, rule.theirs) for rule in GPT2.table.rules))

BLOCK = "trf_blocks.{i}."
FROM_SCRATCH = NameTable(
    ignored=(r"trf_blocks\.\d+\.att\.mask",),
    rules=(
        Rule("tokens", "tok_emb"),
        Rule("positions", "pos_emb"),
        Rule("blocks.{i}.attention_norm", BLOCK + "norm1"),
        Rule("blocks.{i}.attention.query", BLOCK + "att.W_query"),
        Rule("blocks.{i}.attention.key", BLOCK + "att.W_key"),
        Rule("blocks.{i}.attention.value", BLOCK + "att.W_value"),
        Rule("blocks.{i}.attention.output", BLOCK + "att.out_proj"),
        Rule("blocks.{i}.mlp_norm", BLOCK + "norm2"),
        Rule("blocks.{i}.mlp.up", BLOCK + "ff.layers.0"),
        Rule("blocks.{i}.mlp.down", BLOCK + "ff.layers.2"),
        Rule("final_norm", "final_norm"),
        Rule("unembed", "out_head"),
    ),
)
PARTS = ("model", "model_state_dict")
"""Under which names training scripts keep the weights."""
OWN = (
    "groundup"  # under which a .pth of ours keeps its config.json, in the `_metadata` that PyTorch passes by
)


@dataclass
class Foreign:
    """What a file of another project holds, in groundup's terms, and what is to be said about it."""

    origin: str  # the project
    config: ModelConfig
    table: NameTable
    tensors: dict[str, Tensor]
    asking: str = "its other tensors"  # what the shapes are measured by
    optional: str = r"(?!)"  # a regular expression: biases that the project leaves out in some models
    notes: list[str] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)  # what the file holds besides

    def left_out(self) -> list[str]:
        """One line on what of the rest nobody has taken."""
        if not self.rest:
            return []
        optimizer = {"optimizer", "optimizer_state_dict"} & self.rest.keys()
        why = " Training begins with a fresh optimizer." if optimizer else ""
        return [f"Left out: {', '.join(self.rest)}.{why}"]


def read_state_dict(path: Path, n_heads: int | None = None) -> Foreign:
    """A model in a file of torch.save. UserError if it is none that is known, or would have to run code.

    n_heads: how many heads the model has, where the file does not say it.
    """
    found = read_pickle(path)
    part = next((name for name in PARTS if isinstance(found.get(name), dict)), None)
    tensors = _plain_names(found if part is None else found[part])
    about = getattr(found, "_metadata", None)
    if isinstance(about, dict) and isinstance(about.get(OWN), dict):
        foreign = _own(about[OWN], tensors)
    elif "tok_emb.weight" in tensors and "pos_emb.weight" in tensors:
        foreign = _from_scratch(path, tensors, n_heads)
    elif "transformer.wte.weight" in tensors and "transformer.wpe.weight" in tensors:
        foreign = _nanogpt(path, tensors, found.get("model_args"), n_heads)
    else:
        raise UserError(
            f"{path} holds {_some(tensors)}: no model that groundup knows. Expected nanoGPT's "
            f"transformer.wte.weight and wpe, or tok_emb.weight and pos_emb of LLMs-from-scratch."
        )
    if part is not None:
        foreign.rest = {str(name): value for name, value in found.items() if name not in (part, "model_args")}
    return foreign


def read_pickle(path: Path) -> dict[str, Any]:
    """What torch.save wrote, if it is tensors and plain values: code in the file is never executed."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of a pickle in another protocol than torch writes
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        code = re.search(r"Unsupported (?:global|class|operand)[^\n]*?((?:\w+\.)+\w+)", str(error))
        if code:
            raise UserError(
                f"{path} holds code ({code[1]}), which is not executed. Where you trust the file, save it "
                f"again with its tensors alone: torch.save(model.state_dict(), FILE)."
            ) from None
        raise UserError(
            f"{path} is no whole file of torch.save, or holds code, which is not executed. Get it again, or "
            f"save its tensors alone: torch.save(model.state_dict(), FILE)."
        ) from None
    except FileNotFoundError:
        raise UserError(f"There is no file {path}. Give the path of a model's file.") from None
    except Exception as error:  # what a damaged pickle makes of its reader has no narrower kind
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f"{path} is damaged or cut short ({reason}). Get it again.") from None
    if not isinstance(found, dict):
        raise UserError(
            f"{path} holds a {type(found).__name__}, no state dict. Save model.state_dict() instead."
        )
    return found


def fill(foreign: Foreign, path: Path) -> Decoder:
    """The model with the tensors in their places. UserError for missing, misshapen and left-over ones."""
    with torch.device("meta"):
        model = Decoder(foreign.config)
    tied, tensors = foreign.config.tie_embeddings, foreign.tensors
    outline = foreign.table.push(model, tied=tied).outline()
    wanted = {name: tuple(tensor.shape) for name, tensor in outline.items()}
    # A bias that one layer has and another lacks was not left out by the project: it is lost.
    kinds = {_kind(name) for name in tensors}
    optional = [name for name in wanted if re.fullmatch(foreign.optional, name)]
    zeros = [name for name in optional if _kind(name) not in kinds]
    if zeros:
        tensors = tensors | {name: torch.zeros(wanted[name]) for name in zeros}
        foreign.notes.append(
            f"{len(zeros)} biases that the file lacks, such as {zeros[0]}, are zeros here: a GPT-2 of "
            f"transformers must have them, and zeros change nothing."
        )
    for name, shape in wanted.items():
        if name not in tensors:
            raise UserError(f"{path} lacks {name!r}. It is incomplete, or of another project.")
        if tuple(tensors[name].shape) != shape:
            raise UserError(
                f"{name!r} in {path} has shape {tuple(tensors[name].shape)}, but {foreign.asking} ask for "
                f"{shape}. The file is damaged, or of a changed model."
            )
    left = {name for name in tensors if name not in wanted}
    if left:
        raise UserError(f"{path} holds {_some(left)}, which such a model does not have. It is another model.")
    model = model.to_empty(device="cpu")
    model.tie()
    foreign.table.pull(model, tensors, tied=tied)
    return model.eval()


def _own(config_json: dict[str, Any], tensors: dict[str, Tensor]) -> Foreign:
    """A .pth that groundup wrote says itself what it is."""
    family = family_of(config_json)
    config = family.read(config_json)
    named = {full: tensors[name] for full, name in family.table.known(tensors).items()}
    tied = config.tie_embeddings and "lm_head.weight"
    return Foreign(
        "groundup", config, family.table, _without(named, (), tied), asking="the numbers of its config.json"
    )


def _nanogpt(path: Path, tensors: dict[str, Tensor], given: Any, n_heads: int | None) -> Foreign:
    """nanoGPT's own checkpoints name their sizes in model_args; without these, the tensors' shapes tell."""
    vocab_size, d_model = _matrix(path, tensors, "transformer.wte.weight")
    measured = {
        "vocab_size": vocab_size,
        "n_embd": d_model,
        "block_size": len(tensors["transformer.wpe.weight"]),
        "n_layer": _layers(tensors, "transformer.h."),
    }
    arguments = {**measured, "n_head": n_heads, "dropout": 0.0, **(given if isinstance(given, dict) else {})}
    wanted = dict.fromkeys(measured, int) | {"n_head": int | None, "dropout": int | float}
    for name, kind in wanted.items():
        if not isinstance(arguments[name], kind):
            raise UserError(f"{path} has {name}={arguments[name]!r} in model_args, which is no such number.")
    notes: list[str] = []
    # The option came later than the files: where model_args do not name it, the biases are there.
    has_biases = arguments.get("bias", True) if isinstance(given, dict) else False
    inner = tensors.get("transformer.h.0.mlp.c_fc.bias")
    on_its_side = tensors.get("transformer.h.0.attn.c_attn.weight", torch.empty(0)).shape[:1] == (d_model,)
    config = ModelConfig(
        vocab_size=arguments["vocab_size"],
        context_length=arguments["block_size"],
        d_model=arguments["n_embd"],
        n_layers=arguments["n_layer"],
        n_heads=_heads(path, arguments["n_embd"], arguments["n_head"], notes),
        d_ff=None if inner is None else len(inner),
        # nanoGPT computes the exact GELU, also with OpenAI's weights, which learned with the tanh form.
        activation="gelu_tanh" if on_its_side else "gelu",
        dropout=arguments["dropout"],
        tie_embeddings=_tied(tensors, "transformer.wte.weight", "lm_head.weight"),
    )
    return Foreign(
        "transformers' GPT-2" if on_its_side else "nanoGPT",
        config,
        GPT2.table if on_its_side else NANOGPT,
        _without(tensors, GPT2.table.ignored, config.tie_embeddings and "lm_head.weight"),
        asking="its model_args" if isinstance(given, dict) else "its other tensors",
        optional=r"(?!)" if has_biases else r".*\.bias",
        notes=notes,
    )


def _from_scratch(path: Path, tensors: dict[str, Tensor], n_heads: int | None) -> Foreign:
    """The book's GPTModel; its files are state dicts alone, so that the shapes must tell everything."""
    notes: list[str] = []
    vocab_size, d_model = _matrix(path, tensors, "tok_emb.weight")
    inner = tensors.get("trf_blocks.0.ff.layers.0.weight")
    config = ModelConfig(
        vocab_size=vocab_size,
        context_length=len(tensors["pos_emb.weight"]),
        d_model=d_model,
        n_layers=_layers(tensors, "trf_blocks."),
        n_heads=_heads(path, d_model, n_heads, notes),
        d_ff=None if inner is None else len(inner),
        tie_embeddings=_tied(tensors, "tok_emb.weight", "out_head.weight"),
    )
    renamed = {}
    for name, tensor in tensors.items():
        stem = re.sub(r"(norm\d?)\.scale$", r"\1.weight", name)
        renamed[re.sub(r"(norm\d?)\.shift$", r"\1.bias", stem)] = tensor
    return Foreign(
        "LLMs-from-scratch",
        config,
        FROM_SCRATCH,
        _without(renamed, FROM_SCRATCH.ignored, config.tie_embeddings and "out_head.weight"),
        optional=r".*\.W_(query|key|value)\.bias",
        notes=notes,
    )


def _heads(path: Path, d_model: int, given: int | None, notes: list[str]) -> int:
    if given is not None:
        return given
    if d_model % GPT2_HEAD_WIDTH:
        raise UserError(
            f"{path} does not say how many heads it has, and its width of {d_model} is no multiple of "
            f"GPT-2's {GPT2_HEAD_WIDTH} for each. Say how many: --heads N."
        )
    heads = d_model // GPT2_HEAD_WIDTH
    notes.append(
        f"The file does not say how many heads there are: {heads} of GPT-2's width {GPT2_HEAD_WIDTH} are "
        f"taken. If that is wrong, the texts are nonsense: say how many with --heads N."
    )
    return heads


def _matrix(path: Path, tensors: Mapping[str, Tensor], name: str) -> tuple[int, int]:
    shape = tuple(tensors[name].shape)
    if len(shape) != 2:
        raise UserError(f"{name!r} in {path} has shape {shape}, but an embedding has two sizes.")
    return shape[0], shape[1]


def _plain_names(found: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors, without the prefixes that torch.compile and DistributedDataParallel put before names."""
    wraps = r"^(?:_orig_mod\.|module\.)+"
    return {re.sub(wraps, "", str(k)): value for k, value in found.items() if isinstance(value, Tensor)}


def _without(tensors: dict[str, Tensor], ignored: tuple[str, ...], tied: str | bool) -> dict[str, Tensor]:
    """Without buffers that mean nothing, and without the second copy of a tied matrix."""
    buffers = re.compile("|".join(ignored))
    return {name: t for name, t in tensors.items() if name != tied and not buffers.fullmatch(name)}


def _tied(tensors: Mapping[str, Tensor], embedding: str, unembedding: str) -> bool:
    return unembedding not in tensors or torch.equal(tensors[embedding], tensors[unembedding])


def _layers(tensors: Mapping[str, Tensor], before: str) -> int:
    numbers = (re.match(re.escape(before) + r"(\d+)\.", name) for name in tensors)
    return max((int(number[1]) + 1 for number in numbers if number), default=1)


def _kind(name: str) -> str:
    return re.sub(r"\.\d+\.", ".", name)


def _some(names: Any) -> str:
    names = sorted(map(str, names))
    return f"{len(names)} tensors ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
