"""Tiny models of transformers with adapters, ours and PEFT's, that have learned something."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from transformers import AutoModel, AutoModelForCausalLM

from groundup.model.encoder import Encoder
from groundup.model.lora import add_lora
from groundup.weights.adapter_config import ADAPTER_CONFIG
from groundup.weights.folder import Loaded, load
from groundup.zoo import FAMILIES
from tests.zoo.conftest import EXAMPLES, make_case

QKV_SHARED = {"gpt2"}  # families whose query, key and value are one module in transformers


@dataclass
class Base:
    """A tiny model that transformers made, shaken, its folder, and a text to try it with."""

    name: str
    theirs: Any
    folder: Path
    ids: Tensor

    def loaded(self) -> Loaded[Any]:
        return load(self.folder)

    def wrapped(self, folder: Path) -> Any:
        """The model with PEFT's own reading of an adapter."""
        return peft.PeftModel.from_pretrained(copy.deepcopy(self.theirs), folder).eval()


def make_base(name: str, folder: Path, shape: str = "") -> Base:
    """A tiny model of this family, by default of its first shape."""
    opener = AutoModel if FAMILIES.get(name).model is Encoder else AutoModelForCausalLM
    case = make_case(name, shape or next(iter(EXAMPLES[name].shapes)), opener, folder)
    return Base(name, case.theirs, folder, case.ids)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def outputs(model: Any, ids: Tensor) -> tuple[Tensor, ...]:
    """Logits; of an encoder its hidden states and the pooled token."""
    out = model(ids)
    if isinstance(out, Tensor):
        return (out,)
    return (
        tuple(out)
        if type(out) is tuple
        else tuple(out[key] for key in [*out][:2] if key != "past_key_values")
    )


def assert_same(ours: Any, theirs: Any, ids: Tensor) -> None:
    with torch.no_grad():
        mine, others = outputs(ours, ids), outputs(theirs, ids)
    assert len(mine) == len(others)
    for one, other in zip(mine, others, strict=True):
        assert_close(one, other, atol=1e-5, rtol=0)


def assert_differs(ours: Any, theirs: Any, ids: Tensor) -> None:
    with torch.no_grad():
        assert (outputs(ours, ids)[0] - outputs(theirs, ids)[0]).abs().max() > 2e-3


@torch.no_grad()
def shake(model: nn.Module) -> None:
    """Give every B, ours or PEFT's, and what else can learn, numbers as if it had learned."""
    for number, (name, parameter) in enumerate(model.named_parameters()):
        if "lora_B" in name or (parameter.requires_grad and "lora_" not in name):
            parameter += 0.1 * torch.randn(parameter.shape, generator=seeded(number))


def ours_of(base: Base, **fields: Any) -> Loaded[Any]:
    """Our model with an adapter that has learned."""
    loaded = base.loaded()
    add_lora(loaded.model, **{"rank": 3, "alpha": 5, "generator": seeded(), **fields})
    shake(loaded.model)
    return loaded


def peft_folder(base: Base, folder: Path, **fields: Any) -> Any:
    """PEFT's model with an adapter that has learned, saved by PEFT."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        turned = base.name in QKV_SHARED
        config = peft.LoraConfig(**{"r": 4, "lora_alpha": 6, "fan_in_fan_out": turned, **fields})
        model = peft.get_peft_model(copy.deepcopy(base.theirs), config).eval()
    shake(model)
    model.save_pretrained(str(folder))
    settings = json.loads((folder / ADAPTER_CONFIG).read_text())
    (folder / ADAPTER_CONFIG).write_text(json.dumps(settings | {"base_model_name_or_path": str(base.folder)}))
    return model


NAMES = {  # (part of the attention, part of the feed-forward) in each family's own words
    "gpt2": ("attn.c_attn", "mlp.c_fc"),
    "gpt_neo": ("k_proj", "c_proj"),
    "bert": ("self.value", "intermediate.dense"),
}


def named(base: Base) -> tuple[str, str]:
    return NAMES.get(base.name, ("v_proj", "down_proj"))
