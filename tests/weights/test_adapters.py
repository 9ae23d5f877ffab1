"""Adapters: PEFT opens ours and we open PEFT's, with the same outputs, gradients and steps of training."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.testing import assert_close

from groundup.model.lora import add_lora, lora_layers, merge_lora
from groundup.weights.adapter_config import ADAPTER_CONFIG
from groundup.weights.adapters import ADAPTER, attach, save
from groundup.weights.folder import Loaded, load
from tests.weights.adapted import (
    Base,
    assert_differs,
    assert_same,
    named,
    ours_of,
    outputs,
    peft_folder,
    seeded,
    shake,
)

TARGETS = ["attention,mlp", "query", "attention.key,attention.value,mlp.down", "blocks.1"]


@pytest.mark.parametrize("targets", TARGETS)
def test_peft_opens_our_adapter_with_the_same_outputs(base, tmp_path, targets):
    loaded = ours_of(base, targets=targets.split(","))
    save(tmp_path / "adapter", loaded)
    wrapped = base.wrapped(tmp_path / "adapter")
    assert_differs(loaded.model, base.theirs, base.ids)
    assert_same(loaded.model, wrapped, base.ids)
    assert_same(load(tmp_path / "adapter").model, wrapped, base.ids)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
@pytest.mark.parametrize("targets", TARGETS)
def test_our_adapter_comes_back_as_it_was(base_of_family, tmp_path, name, targets):
    base = base_of_family(name)
    loaded = ours_of(base, targets=targets.split(","), dropout=0.1)
    save(tmp_path / "adapter", loaded)
    back = attach(base.loaded(), tmp_path / "adapter")
    ours, theirs = lora_layers(loaded.model), lora_layers(back.model)
    assert [*ours] == [*theirs]
    for name, layer in ours.items():
        assert (theirs[name].rank, theirs[name].drop.p) == (3, 0.1)
        assert theirs[name].alpha == pytest.approx(5, rel=1e-12)
        assert torch.equal(theirs[name].lora_A, layer.lora_A)
        assert torch.equal(theirs[name].lora_B, layer.lora_B)
    save(tmp_path / "again", back)
    for name in (ADAPTER, ADAPTER_CONFIG):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "adapter" / name).read_bytes()


ALL = {"target_modules": "all-linear"}
FOREIGN = {
    "every matrix": ALL,
    "other scale": ALL | {"use_rslora": True, "lora_alpha": 3},
    "gaussian start, one layer": ALL | {"init_lora_weights": "gaussian", "layers_to_transform": [1]},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_an_adapter_of_peft_loads_with_the_same_outputs(base, tmp_path, kind):
    fields = dict(FOREIGN[kind])
    if "layers_to_transform" in fields:
        fields["target_modules"] = [*named(base)]
    theirs = peft_folder(base, tmp_path, **fields)
    ours = attach(base.loaded(), tmp_path)
    assert_differs(theirs, base.theirs, base.ids)
    assert_same(ours.model, theirs, base.ids)
    assert_same(merge_lora(ours.model), theirs, base.ids)


@pytest.mark.filterwarnings("ignore:The following alpha_pattern keys did not match:RuntimeWarning")
def test_ranks_and_scales_by_pattern_are_honoured(base, tmp_path):
    attention, mlp = named(base)
    theirs = peft_folder(
        base,
        tmp_path,
        target_modules=[attention, mlp],
        rank_pattern={attention.replace(".", r"\."): 2, rf".*\.1\..*{mlp}": 5},
        alpha_pattern={mlp[:-1]: 99, mlp: 11},  # a name without its last letter fits nothing
    )
    ours = attach(base.loaded(), tmp_path)
    ranks = {layer.rank for layer in lora_layers(ours.model).values()}
    assert ranks == {2, 4, 5}
    assert_same(ours.model, theirs, base.ids)


@pytest.mark.parametrize("kind", FOREIGN)
def test_from_peft_to_us_and_back_it_is_the_same_adapter(base, tmp_path, kind):
    fields = dict(FOREIGN[kind])
    if "layers_to_transform" in fields:
        fields["target_modules"] = [*named(base)]
    theirs = peft_folder(base, tmp_path / "peft", **fields)
    save(tmp_path / "ours", attach(base.loaded(), tmp_path / "peft"))
    wrapped = base.wrapped(tmp_path / "ours")
    assert_same(theirs, wrapped, base.ids)
    before, after = (load_file(tmp_path / name / ADAPTER) for name in ("peft", "ours"))
    assert {name: t.shape for name, t in before.items()} == {name: t.shape for name, t in after.items()}
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_modules_that_learned_in_full_travel_with_the_adapter_both_ways(base_of_family, tmp_path):
    for name, module in (("gpt2", "ln_f"), ("llama", "lm_head"), ("bert", "pooler.dense")):
        base = base_of_family(name)
        theirs = peft_folder(base, tmp_path / name, target_modules=[named(base)[0]], modules_to_save=[module])
        ours = attach(base.loaded(), tmp_path / name)
        assert_same(ours.model, theirs, base.ids)
        save(tmp_path / f"{name} again", ours)
        assert_same(theirs, base.wrapped(tmp_path / f"{name} again"), base.ids)


def test_a_matrix_that_lies_on_its_side_learns_in_full_too(gpt2, tmp_path):
    loaded = gpt2.loaded()
    add_lora(loaded.model, rank=2, alpha=2, targets="mlp", generator=seeded())
    for part in ("query", "key", "value"):
        getattr(loaded.model.blocks[0].attention, part).requires_grad_()
    shake(loaded.model)
    save(tmp_path, loaded)
    assert_same(loaded.model, gpt2.wrapped(tmp_path), gpt2.ids)
    assert_same(attach(gpt2.loaded(), tmp_path).model, loaded.model, gpt2.ids)


def test_of_fused_query_key_and_value_some_can_stay_without(gpt2, tmp_path):
    loaded = ours_of(gpt2, targets=["query", "value"])
    save(tmp_path, loaded)
    b = load_file(tmp_path / ADAPTER)["base_model.model.transformer.h.0.attn.c_attn.lora_B.weight"]
    used = b.view(3, 32, 6).ne(0).any(1).tolist()  # which columns each of query, key and value reads
    assert used == [[True] * 3 + [False] * 3, [False] * 6, [False] * 3 + [True] * 3]
    assert_same(loaded.model, gpt2.wrapped(tmp_path), gpt2.ids)


def test_fused_parts_of_different_scale_and_rank_share_one_alpha_in_the_file(gpt2, tmp_path):
    loaded = ours_of(gpt2, targets=["query", "key"])
    for block in loaded.model.blocks:
        block.attention.key.alpha = 1.25
        block.attention.query.lora_A = nn.Parameter(block.attention.query.lora_A[:2].clone())
        block.attention.query.lora_B = nn.Parameter(block.attention.query.lora_B[:, :2].clone())
        block.attention.query.rank = 2
    save(tmp_path, loaded)
    assert_same(loaded.model, gpt2.wrapped(tmp_path), gpt2.ids)
    back = lora_layers(attach(gpt2.loaded(), tmp_path).model)
    assert [back[f"blocks.0.attention.{part}"].rank for part in ("query", "key")] == [2, 3]


def test_the_config_of_an_adapter_says_what_peft_needs_in_few_words(base_of_family, tmp_path):
    save(tmp_path / "gpt2", ours_of(base_of_family("gpt2")))
    config = json.loads((tmp_path / "gpt2" / ADAPTER_CONFIG).read_text())
    assert config["target_modules"] == ["c_attn", "c_proj", "c_fc"]
    assert (config["r"], config["rank_pattern"]) == (3, {"c_attn": 9})
    assert (config["lora_alpha"], config["alpha_pattern"]) == (5, {"c_attn": 15})
    assert (config["fan_in_fan_out"], config["task_type"]) == (True, "CAUSAL_LM")
    assert config["base_model_name_or_path"] == str(base_of_family("gpt2").folder)
    # Here "output.dense" alone would also be attention.output.dense.
    save(tmp_path / "bert", ours_of(base_of_family("bert"), targets="mlp.down"))
    config = json.loads((tmp_path / "bert" / ADAPTER_CONFIG).read_text())
    assert config["target_modules"] == ["0.output.dense", "1.output.dense"]
    assert (config["fan_in_fan_out"], config["task_type"]) == (False, "FEATURE_EXTRACTION")


def test_an_adapter_that_has_learned_nothing_yet_is_its_base(base, tmp_path):
    loaded = base.loaded()
    save(tmp_path, Loaded(**{**vars(loaded), "model": add_lora(loaded.model, rank=2, alpha=4)}))
    fresh = load(tmp_path)
    for name, tensor in base.loaded().model.state_dict().items():
        assert torch.equal(fresh.model.state_dict()[name], tensor)
    assert_same(attach(base.loaded(), tmp_path).model, base.wrapped(tmp_path), base.ids)


# Two steps of training: ours and PEFT's from the same start.


def steps_of(model: nn.Module, loss: Callable[[], Tensor], keep: Callable[[], None] = lambda: None) -> None:
    """Two steps of AdamW over what can learn; `keep` may look at the gradients first."""
    learns = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learns, lr=1e-2, weight_decay=0.1)
    for _ in range(2):
        loss().backward()
        keep()
        optimizer.step()
        optimizer.zero_grad()


def trained_both(base: Base, folder: Path, targets: list[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The matrices of the same adapter after two steps of ours, and of PEFT's, under PEFT's names.

    Where query, key and value are fused there, B's zeros beside its blocks are held at zero in PEFT's model:
    ours cannot learn there.
    """
    loaded = base.loaded()
    add_lora(loaded.model, rank=3, alpha=5, targets=targets, generator=seeded())
    with torch.no_grad():
        for layer in lora_layers(loaded.model).values():
            layer.lora_B.normal_(std=0.05, generator=seeded(1))
    save(folder / "start", loaded)
    wrapped = peft.PeftModel.from_pretrained(
        copy.deepcopy(base.theirs), folder / "start", is_trainable=True
    ).eval()
    fused = [p for name, p in wrapped.named_parameters() if "c_attn.lora_B" in name]
    blocks = [parameter.detach() != 0 for parameter in fused]

    def only_blocks() -> None:
        for parameter, block in zip(fused, blocks, strict=True):
            assert parameter.grad is not None
            parameter.grad *= block

    def loss(model: Any) -> Tensor:
        logits = outputs(model, base.ids)[0][:, :-1]
        return nn.functional.cross_entropy(logits.flatten(0, 1), base.ids[:, 1:].flatten())

    steps_of(loaded.model, lambda: loss(loaded.model))
    steps_of(wrapped, lambda: loss(wrapped), only_blocks)
    save(folder / "ours", loaded)
    wrapped.save_pretrained(str(folder / "theirs"))
    return load_file(folder / "ours" / ADAPTER), load_file(folder / "theirs" / ADAPTER)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("targets", ["attention", "mlp"])
def test_two_steps_of_training_give_the_adapter_that_peft_gets(base_of_family, tmp_path, name, targets):
    ours, theirs = trained_both(base_of_family(name), tmp_path, [targets])
    start = load_file(tmp_path / "start" / ADAPTER)
    assert {*ours} == {*theirs} == {*start}
    for key, tensor in theirs.items():
        assert (ours[key] - start[key]).abs().max() > 5e-3
        assert_close(ours[key], tensor, atol=2e-6, rtol=0)


def test_a_shared_a_has_the_sum_of_our_three_gradients(gpt2, tmp_path):
    theirs = peft_folder(gpt2, tmp_path, target_modules=["c_attn"])
    ours = attach(gpt2.loaded(), tmp_path).model
    for model in (ours, theirs):
        outputs(model, gpt2.ids)[0].square().sum().backward()
    attention = ours.blocks[0].attention
    parts = [attention.query, attention.key, attention.value]
    layer = theirs.base_model.model.transformer.h[0].attn.c_attn
    a, b = layer.lora_A["default"].weight.grad, layer.lora_B["default"].weight.grad
    assert (sum(part.lora_A.grad for part in parts) - a).norm() < 1e-5 * a.norm()
    assert (torch.cat([part.lora_B.grad for part in parts]) - b).norm() < 1e-5 * b.norm()
