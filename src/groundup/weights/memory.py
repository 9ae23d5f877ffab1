"""What AdamW remembers of a training done elsewhere: taken from a checkpoint, so that training can go on.

A memory is a mapping of tensors: "step", and for each parameter by our name "exp_avg.NAME", the running mean
of its gradient, and "exp_avg_sq.NAME", that of the gradient's square. Source: Loshchilov and Hutter 2019.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groundup.errors import UserError
from groundup.weights.state_dicts import Foreign, fill
from groundup.weights.tensors import StoredTensors

MEMORY = "optimizer.safetensors"
STEP, MEANS = "step", ("exp_avg", "exp_avg_sq")
SETTINGS = ("lr", "betas", "eps", "weight_decay")


class Unfit(Exception):
    """Why a memory cannot be taken over, in words."""


def take_memory(foreign: Foreign, path: Path) -> dict[str, Tensor]:
    """The memory of the AdamW that a checkpoint holds; empty where it has none, or none that fits.

    What was taken, or why not, becomes a note of the model.
    """
    found = next((name for name in ("optimizer", "optimizer_state_dict") if name in foreign.rest), None)
    if found is None:
        return {}
    saved = foreign.rest.pop(found)
    try:
        memory = _by_our_names(foreign, saved, path)
    except Unfit as reason:
        foreign.notes.append(f"Left out: {found}, because {reason}. Training begins with a fresh optimizer.")
        return {}
    told = [f"{name} {_each(saved['param_groups'], name)}" for name in SETTINGS]
    foreign.notes.append(
        f"Taken over: what AdamW remembers after {int(memory[STEP]):,} steps ({', '.join(told)} there). "
        f'A run from this model with optimizer = "adamw" goes on with it, at the rates of its own recipe. '
        f"Where in its data the training stood is not known here."
    )
    return memory


def read_memory(folder: Path) -> Mapping[str, Tensor] | None:
    """The memory beside a model, or None. UserError if its file is damaged."""
    return StoredTensors([folder / MEMORY]) if (folder / MEMORY).is_file() else None


def go_on_with(memory: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, model: nn.Module) -> int:
    """Put a memory into an AdamW over the model's parameters; the steps that it has behind it.

    Parameters that the memory does not know begin without one. UserError if it is of another model.
    """
    names = {parameter: name for name, parameter in model.named_parameters()}
    learned = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    known = {name.partition(".")[2] for name in memory if name != STEP}
    wrong = known - {names.get(parameter) for parameter in learned}
    state: dict[int, dict[str, Tensor]] = {}
    for number, parameter in enumerate(learned):
        if (name := names.get(parameter)) not in known:
            continue
        means = {mean: memory[f"{mean}.{name}"].clone() for mean in MEANS if f"{mean}.{name}" in memory}
        if {mean: tuple(tensor.shape) for mean, tensor in means.items()} != dict.fromkeys(
            MEANS, tuple(parameter.shape)
        ):
            wrong.add(name)
        state[number] = {STEP: memory[STEP].clone(), **means}
    if wrong:
        raise UserError(
            f"{MEMORY} is of another model than the one beside it, as its {min(wrong)} shows. Delete it, and "
            f"training begins with a fresh optimizer."
        )
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return int(memory[STEP])


def _by_our_names(foreign: Foreign, saved: Any, path: Path) -> dict[str, Tensor]:
    """The memory, in the form of our parameters. Unfit if it is no AdamW's, or not of these parameters."""
    try:
        sizes = [len(group["params"]) for group in saved["param_groups"]]
        entries = [
            saved["state"].get(number) for group in saved["param_groups"] for number in group["params"]
        ]
        keys = {key for entry in entries if entry for key in entry}
        steps = {float(entry[STEP]) if entry else 0.0 for entry in entries if keys == {STEP, *MEANS}}
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError):  # it may hold anything
        raise Unfit("it is not in PyTorch's form") from None
    if not keys:
        raise Unfit("it has made no step")
    if not steps:
        raise Unfit(f"it keeps {', '.join(sorted(map(str, keys)))}, so it is no plain AdamW's")
    if len(steps) > 1:
        raise Unfit("its parameters have not all made the same steps")
    names = _order(foreign.tensors, sizes, entries)
    memory = {STEP: torch.tensor(steps.pop())}
    for mean in MEANS:
        theirs = {name: entry[mean] for name, entry in zip(names, entries, strict=True)}
        # It has the shapes of the weights, so it takes the same way: split, turned and renamed as they are.
        ours = fill(replace(foreign, tensors=theirs, notes=[]), path)
        memory |= {f"{mean}.{name}": tensor.detach() for name, tensor in ours.named_parameters()}
    # Biases that are zeros here and were nowhere there have no memory, and must not seem to have made steps.
    for name in [name for name in memory if name.startswith(MEANS[1]) and not memory[name].any()]:
        del memory[name], memory[name.replace(MEANS[1], MEANS[0])]
    return memory


def _order(tensors: Mapping[str, Tensor], sizes: list[int], entries: list[dict[str, Tensor]]) -> list[str]:
    """The names of the parameters in the optimizer's order: it counts them, and knows no names.

    That of the model in one group, or matrices and vectors apart, as where only matrices decay.
    """
    names = list(tensors)
    matrices = [name for name in names if tensors[name].ndim >= 2]
    vectors = [name for name in names if tensors[name].ndim < 2]
    for order in ([names], [matrices, vectors], [vectors, matrices]):
        inside = [name for group in order for name in group]
        if [len(group) for group in order] == sizes and all(
            getattr(entry.get(mean), "shape", None) == tensors[name].shape
            for name, entry in zip(inside, entries, strict=True)
            for mean in MEANS
        ):
            return inside
    raise Unfit(
        f"its {len(entries)} parameters in {len(sizes)} group{'s' * (len(sizes) > 1)} do not have the shapes "
        f"of the model's {len(names)} in any usual order"
    )


def _each(groups: list[dict[str, Any]], name: str) -> str:
    """A setting of all groups, in words: "0.1 and 0" where it is not the same in all."""
    values = dict.fromkeys(str(group.get(name)) for group in groups)
    return " and ".join(values)
