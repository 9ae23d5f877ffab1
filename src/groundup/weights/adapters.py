"""Adapters as PEFT folders: what LoRA learned, without the model it was learned on, in both directions.

Shapes: I inputs and O outputs of a matrix, R rank.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from groundup.errors import UserError
from groundup.model.classifier import Classifier
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.model.lora import LoRA, lora_layers
from groundup.system.files import whole_folder, write_json, write_text
from groundup.weights.adapter_config import (
    ADAPTER_CONFIG,
    WRITTEN,
    alpha_of,
    describe,
    name_of_base,
    read_adapter_config,
)
from groundup.weights.classifiers import HEAD, LABELS, label_fields, labels_beside
from groundup.weights.state_dicts import read_pickle
from groundup.weights.tensors import StoredTensors, write_tensors
from groundup.zoo import family_for
from groundup.zoo._family import Family

if TYPE_CHECKING:
    from groundup.weights.folder import Loaded

ADAPTER, OLD_ADAPTER = "adapter_model.safetensors", "adapter_model.bin"
START = "base_model.model."  # before each name in a PEFT file
TASKS = {Decoder: "CAUSAL_LM", Encoder: "FEATURE_EXTRACTION", Classifier: "SEQ_CLS"}
A, B = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True)
class Place:
    """One of their modules, and those of ours that are stacked in it."""

    full_name: str  # theirs, as in a model's file
    theirs: str  # as in the model that PEFT wraps: BertModel itself knows no "bert."
    ours: tuple[str, ...]
    parts: list[Any]  # our modules
    turned: bool  # they keep the weight as (I, O)

    @property
    def has_lora(self) -> bool:
        """Whether one of ours has LoRA."""
        return any(isinstance(part, LoRA) for part in self.parts)

    @property
    def learns(self) -> bool:
        """Whether something besides LoRA can learn here."""
        return any(p.requires_grad for parts in self.parameters().values() for p in parts)

    @property
    def is_end(self) -> bool:
        """Whether it is an embedding or the head that belongs to it."""
        return self.ours[0] in ("tokens", "unembed")

    @property
    def is_head(self) -> bool:
        """Whether it is the head of a classifier."""
        return self.ours == (HEAD,)

    def parameters(self) -> dict[str, list[nn.Parameter]]:
        """The weights, and the biases, of all parts; without LoRA's."""
        names = [n for n, _ in self.parts[0].named_parameters(recurse=False) if not n.startswith("lora_")]
        return {name: [part.get_parameter(name) for part in self.parts] for name in names}


def body_of(model: Any) -> Decoder | Encoder:
    """A classifier's model, or the model itself."""
    return model.model if isinstance(model, Classifier) else model


def places_of(model: nn.Module, family: Family) -> list[Place]:
    """Where something of the model stands in theirs."""
    flat = model.parts() if isinstance(model, Classifier) else model
    found = {n: m for n, m in flat.named_modules() if isinstance(getattr(m, "weight", None), Tensor)}
    gone = family.table.prefix if isinstance(model, Encoder) else ""
    return [
        Place(theirs, theirs.removeprefix(gone), ours, [found[name] for name in ours], turned)
        for ours, theirs, turned in family.table.modules(found)
    ]


def save(folder: Path | str, loaded: "Loaded[Any]") -> Path:
    """Save what LoRA learned, and whatever else could learn, as a PEFT folder, whole or not at all.

    The folder names the model that `loaded` came from, but does not hold it. UserError if there is no LoRA in
    the model, or if something learned that such a folder cannot hold. Returns the folder.
    """
    with whole_folder(folder) as part:
        write(part, loaded)
    return Path(folder)


def write(folder: Path, loaded: "Loaded[Any]") -> None:
    """Write the files of a PEFT folder into a folder; errors as `save` gives them."""
    model = loaded.model
    if not lora_layers(model):
        raise UserError("This model has no LoRA to save. Call add_lora first, or save it as a whole model.")
    places = places_of(model, family_for(loaded.config, type(body_of(model))))
    adapted = [place for place in places if place.has_lora]
    besides = [place for place in places if place.learns or place.is_head]
    for place in besides:
        if place.has_lora or (place.is_end and loaded.config.tie_embeddings):
            raise UserError(
                f"{', '.join(place.ours)} can learn in full, which no adapter can hold there. Freeze it, or "
                f"call merge_lora and save the whole model."
            )
    tensors, kinds = {}, {}
    for place in adapted:
        a, b, alpha = stack(place.parts)
        tensors |= {place.theirs + A: a, place.theirs + B: b}
        kinds[place.theirs] = len(a), int(alpha) if alpha == int(alpha) else alpha
    for place in besides:
        for leaf, parts in place.parameters().items():
            whole = torch.cat([part.detach() for part in parts])
            tensors[f"{place.theirs}.{leaf}"] = whole.t() if place.turned and leaf == "weight" else whole
    config = {
        **WRITTEN,
        **describe(kinds, [place.theirs for place in places if not place.has_lora]),
        **name_of_base(loaded.source),
        "fan_in_fan_out": any(place.turned for place in adapted),
        "lora_dropout": next(iter(lora_layers(model).values())).drop.p,
        "modules_to_save": [place.theirs for place in besides] or None,
        "task_type": TASKS[type(model)],
    }
    write_json(folder / ADAPTER_CONFIG, config)
    stored = {START + name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_tensors(folder / ADAPTER, stored)
    loaded.tokenizer.save(folder)
    if isinstance(model, Classifier):
        write_json(folder / LABELS, label_fields(model, loaded.labels))
    if loaded.card:
        write_text(folder / "README.md", loaded.card)


def stack(parts: list[nn.Linear]) -> tuple[Tensor, Tensor, float]:
    """A (R, I), B (O, R) and alpha for our modules that are one of theirs: GPT-2's query, key and value.

    Where all share one A, as in an adapter that PEFT made, it stays one. Else their As are stacked, and B has
    a block for each, so that each reads its own. A part without LoRA gets zeros.
    """
    adapted = [part for part in parts if isinstance(part, LoRA)]
    first = adapted[0]
    scale = first.alpha / first.rank
    shared = all(torch.equal(part.lora_A, first.lora_A) for part in adapted)
    blocks = [
        part.lora_B * (part.alpha / part.rank / scale)  # in the file one alpha counts for all of them
        if isinstance(part, LoRA)
        else first.lora_B.new_zeros(part.out_features, first.rank if shared else 0)
        for part in parts
    ]
    a = first.lora_A if shared else torch.cat([part.lora_A for part in adapted])  # (R, I)
    return a, torch.cat(blocks) if shared else torch.block_diag(*blocks), scale * len(a)


def unstack(a: Tensor, b: Tensor, rows: list[int]) -> list[tuple[Tensor, Tensor]]:
    """A and B for each of our modules that are one of theirs; `rows`: the outputs of each.

    What a module does not read of A, because its rows of B have zeros there, it does not get: so blocks come
    apart again, and a module that gets nothing (R = 0) needs no LoRA. Where B is all zeros, because nothing
    was learned yet, that cannot be seen, and each gets all of A.
    """
    if len(rows) == 1 or not b.any():
        return [(a, part) for part in b.split(rows)]
    return [(a[part.any(0)], part[:, part.any(0)]) for part in b.split(rows)]


def attach(loaded: "Loaded[Any]", folder: Path | str) -> "Loaded[Any]":
    """Put an adapter from a PEFT folder beside the matrices of its base model, and freeze all the rest.

    Changes the model in `loaded` and returns `loaded`; `merge_lora` then makes one model of both. An adapter
    with the head of a classifier makes a Classifier of the model. UserError, with nothing changed, if the
    adapter is of a kind that groundup does not compute, or for another model.
    """
    model, labels = loaded.model, loaded.labels
    if lora_layers(model):
        raise UserError("This model has LoRA already. Call merge_lora first, or load the base model anew.")
    family = family_for(loaded.config, type(body_of(model)))
    stored = Stored.read(Path(folder), family)
    if stored.n_labels:
        labels = labels_beside(Path(folder), stored.n_labels)
        if not isinstance(model, Classifier):
            model = Classifier(model, stored.n_labels)
    layers: dict[str, LoRA] = {}
    learned: list[tuple[nn.Parameter, Tensor]] = []
    places = places_of(model, family)
    for place in places:
        if not (place.is_end or place.is_head) and all(isinstance(part, nn.Linear) for part in place.parts):
            layers |= stored.layers(place)
        if not (place.is_end and loaded.config.tie_embeddings):
            learned += stored.learned(place)
    for full_name, name in stored.left.items():
        if any(full_name.startswith(f"{place.full_name}.") for place in places):
            raise UserError(
                f"The adapter in {folder} holds {name}, which groundup does not compute. Choose one with "
                f"LoRA on the matrices of the blocks."
            )
        raise stored.misfit(f"{name} has no place in it")
    if not layers:
        raise UserError(f"The adapter in {folder} holds no LoRA. Get its files again.")
    model.requires_grad_(False)
    for name, layer in layers.items():
        body_of(model).set_submodule(name, layer)
    for parameter, values in learned:
        parameter.data.copy_(values)
        parameter.requires_grad_()
    loaded.model, loaded.labels = model, labels
    return loaded


@dataclass(frozen=True)
class Stored:
    """An adapter's folder while it is read: what of it still has no place in the model."""

    folder: Path
    config: dict[str, Any]
    tensors: Mapping[str, Tensor]
    left: dict[str, str]  # names in the file, by the name as in a model's file
    n_labels: int  # of the classifier's head in it; 0: there is none

    @staticmethod
    def read(folder: Path, family: Family) -> "Stored":
        """Open the folder. UserError if it holds no adapter that groundup computes."""
        config = read_adapter_config(folder)
        if (folder / ADAPTER).is_file():
            tensors = StoredTensors([folder / ADAPTER])
        elif (folder / OLD_ADAPTER).is_file():
            tensors = read_pickle(folder / OLD_ADAPTER)
        else:
            raise UserError(f"{folder} holds no {ADAPTER}. Get the adapter's matrices.")
        named = {name.removeprefix(START): name for name in tensors}
        left = {full: named[name] for full, name in family.table.known(named).items()}
        heads = [left.get(f"{rule.theirs}.weight") for rule in family.table.rules if rule.ours == (HEAD,)]
        return Stored(folder, config, tensors, left, sum(len(tensors[name]) for name in heads if name))

    def layers(self, place: Place) -> dict[str, LoRA]:
        """The LoRA of our modules at a place, by their names."""
        names = [self.left.get(place.full_name + end) for end in (A, B)]
        if None in names:
            return {}
        a, b = (self.tensors[self.left.pop(place.full_name + end)] for end in (A, B))
        rows = [part.out_features for part in place.parts]
        wanted = sum(rows), place.parts[0].in_features
        if (len(b), a.shape[1]) != wanted or b.shape[1] != len(a):
            raise self.misfit(f"it changes a {place.theirs} of {(len(b), a.shape[1])}, here it is {wanted}")
        scale = alpha_of(self.config, str(names[0]).removeprefix(START).removesuffix(A), len(a)) / len(a)
        layers = {}
        for name, part, (own_a, own_b) in zip(place.ours, place.parts, unstack(a, b, rows), strict=True):
            if rank := len(own_a):
                dropout, unused = self.config.get("lora_dropout", 0.0), torch.Generator()
                layer = LoRA(part, rank=rank, alpha=scale * rank, dropout=dropout, generator=unused)
                layer.lora_A.data.copy_(own_a)
                layer.lora_B.data.copy_(own_b)
                layers[name] = layer
        return layers

    def learned(self, place: Place) -> list[tuple[nn.Parameter, Tensor]]:
        """Our parameters at a place that learned in full, and their values."""
        found: list[tuple[nn.Parameter, Tensor]] = []
        for leaf, parts in place.parameters().items():
            name = self.left.pop(f"{place.full_name}.{leaf}", None)
            if name is None:
                continue
            turned = place.turned and leaf == "weight"
            whole = self.tensors[name].t() if turned else self.tensors[name]
            rows = [len(part) for part in parts]
            wanted = (sum(rows), *parts[0].shape[1:])
            if tuple(whole.shape) != wanted:
                raise self.misfit(f"its {place.theirs}.{leaf} is {tuple(whole.shape)}, here {wanted}")
            found += zip(parts, whole.split(rows), strict=True)
        return found

    def misfit(self, why: str) -> UserError:
        """The error that the adapter is for another model."""
        base = self.config.get("base_model_name_or_path")
        return UserError(
            f"The adapter in {self.folder}, made for {base}, does not fit this model: {why}. Choose the "
            f"model it was made for."
        )
