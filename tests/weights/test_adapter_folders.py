"""Folders of adapters: loaded, exported, stacked; and one line for each thing that can be wrong with them."""

import json

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from groundup.errors import UserError
from groundup.model.lora import add_lora, lora_layers
from groundup.runs.export import export
from groundup.runs.importing import import_model
from groundup.system.progress import View
from groundup.text.tokenizer import Tokenizer
from groundup.weights.adapter_config import ADAPTER_CONFIG, base_of
from groundup.weights.adapters import ADAPTER, attach, save
from groundup.weights.folder import load, read_config
from groundup.weights.folder import save as save_whole
from tests.runs.conftest import quiet_view, said
from tests.weights.adapted import assert_same, make_base, ours_of, peft_folder, seeded, shake


def test_loading_an_adapter_merges_it_into_the_base_that_it_names_and_the_card_says_so(gpt2, tmp_path):
    loaded = ours_of(gpt2)
    save(tmp_path / "poet", loaded)
    merged = load(tmp_path / "poet")
    assert not lora_layers(merged.model)
    assert_same(merged.model, loaded.model, gpt2.ids)
    assert "The LoRA adapter poet is merged into these weights of" in merged.card
    assert read_config(tmp_path / "poet") == merged.config == loaded.config
    assert merged.source == str(tmp_path / "poet")
    half = load(tmp_path / "poet", dtype=torch.bfloat16).model
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}


def test_the_export_of_an_adapter_is_the_merged_model_for_transformers(base_of_family, tmp_path):
    for name in ("gpt2", "llama"):
        base = base_of_family(name)
        loaded = ours_of(base)
        save(tmp_path / name, loaded)
        export(tmp_path / name, tmp_path / f"{name} whole", View(), verify=True)
        opened = AutoModelForCausalLM.from_pretrained(tmp_path / f"{name} whole")
        assert_same(loaded.model, opened, base.ids)


def test_an_adapter_is_imported_merged_and_verified_against_what_was_merged(gpt2, tmp_path):
    save(tmp_path / "adapter", ours_of(gpt2))
    view = quiet_view()
    import_model(str(tmp_path / "adapter"), tmp_path / "whole", view, verify=True)
    assert "read back, are equal to those of" in said(view)
    assert_same(load(tmp_path / "whole").model, load(tmp_path / "adapter").model, gpt2.ids)


def test_an_adapter_can_stand_on_another_one(gpt2, tmp_path):
    save(tmp_path / "first", ours_of(gpt2))
    second = load(tmp_path / "first")
    add_lora(second.model, rank=2, alpha=4, generator=seeded(8))
    shake(second.model)
    save(tmp_path / "second", second)
    assert base_of(tmp_path / "second") == str(tmp_path / "first")
    assert_same(load(tmp_path / "second").model, second.model, gpt2.ids)


def test_the_tokenizer_beside_the_adapter_goes_before_the_one_of_the_base(gpt2, tmp_path):
    loaded = ours_of(gpt2)
    loaded.tokenizer = Tokenizer.from_merges([("t", "h")])
    save(tmp_path, loaded)
    assert load(tmp_path).tokenizer.fingerprint == loaded.tokenizer.fingerprint
    (tmp_path / "tokenizer.json").unlink()
    assert load(tmp_path).tokenizer.fingerprint == gpt2.loaded().tokenizer.fingerprint
    Tokenizer.from_merges([("a", chr(97 + n)) for n in range(20)]).save(tmp_path)
    with pytest.raises(UserError, match="has 281 tokens, but the model knows only 270"):
        load(tmp_path)


def test_an_old_adapter_in_a_pickle_without_code_is_read_too(gpt2, tmp_path):
    loaded = ours_of(gpt2)
    save(tmp_path, loaded)
    torch.save(load_file(tmp_path / ADAPTER), tmp_path / "adapter_model.bin")
    (tmp_path / ADAPTER).unlink()
    assert_same(load(tmp_path).model, loaded.model, gpt2.ids)


@pytest.mark.parametrize(
    "source, base",
    [
        ("hf:someone/model@abc", "hf:someone/model@abc"),
        ("hf:gpt2", "hf:gpt2"),
        ("openai:124M", "openai:124M"),
    ],
)
def test_a_base_that_lies_elsewhere_is_named_as_peft_names_it(gpt2, tmp_path, source, base):
    loaded = ours_of(gpt2)
    loaded.source = source
    save(tmp_path, loaded)
    assert base_of(tmp_path) == base
    written = peft.LoraConfig.from_pretrained(tmp_path)
    named = source.removeprefix("hf:").split("@")
    assert [written.base_model_name_or_path, written.revision][: len(named)] == named


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"peft_type": "IA3"}, "an adapter of the kind IA3, which groundup does not compute"),
        ({"use_dora": True}, "an adapter with use_dora, which"),
        ({"bias": "all"}, "an adapter with bias 'all', which"),
        ({"lora_bias": True}, "an adapter with lora_bias"),
        ({"some_new_kind": {"a": 1}}, "an adapter with some_new_kind"),
        ({"init_lora_weights": "pissa_niter_4"}, "changed its base at the start .*pissa_niter_4"),
        ({"r": 2}, "says rank 9 for transformer.h.0.attn.c_proj|says rank 2 for .*, but its matrices have 3"),
        ({"lora_alpha": "5"}, "says lora_alpha '5' for .*, which is no number"),
        ({"base_model_name_or_path": None}, "does not say for which model it was made. Write where"),
        (
            {"base_model_name_or_path": "/no/such/place"},
            "made for /no/such/place, and no such model is there",
        ),
        ({"base_model_name_or_path": "../a/b/c"}, "made for ../a/b/c, and no such model is there"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_told_in_one_line(gpt2, tmp_path, fields, told):
    save(tmp_path, ours_of(gpt2))
    config = json.loads((tmp_path / ADAPTER_CONFIG).read_text())
    (tmp_path / ADAPTER_CONFIG).write_text(json.dumps(config | fields))
    with pytest.raises(UserError, match=told) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_base_that_is_there_but_does_not_load_is_told_with_its_adapter(gpt2, tmp_path):
    save(tmp_path / "adapter", ours_of(gpt2))
    config = json.loads((tmp_path / "adapter" / ADAPTER_CONFIG).read_text())
    (tmp_path / "empty").mkdir()
    for name, told in (
        (tmp_path / "empty", "holds no model"),
        (tmp_path / "adapter", "no such model is there"),
    ):
        (tmp_path / "adapter" / ADAPTER_CONFIG).write_text(
            json.dumps(config | {"base_model_name_or_path": str(name)})
        )
        with pytest.raises(UserError, match=f"adapter in .*adapter.*{told}"):
            load(tmp_path / "adapter")


def test_an_adapter_for_another_model_is_refused_with_both_and_changes_nothing(
    base_of_family, gpt2, tmp_path
):
    save(tmp_path / "adapter", ours_of(gpt2))
    llama = base_of_family("llama").loaded()
    with pytest.raises(
        UserError, match=f"made for {gpt2.folder}, does not fit this model: .*h.0.attn.c_attn"
    ):
        attach(llama, tmp_path / "adapter")
    wide = make_base("gpt2", tmp_path / "wide", "three heads of five")
    with pytest.raises(
        UserError, match=r"a transformer.h.0.attn.c_attn of \(96, 32\), here it is \(45, 15\)"
    ):
        attach(load(wide.folder), tmp_path / "adapter")
    deep = make_base("gpt2", tmp_path / "deep", "one head")  # three layers, not two
    loaded = load(deep.folder)
    add_lora(loaded.model, rank=1, alpha=1)
    save(tmp_path / "deep adapter", loaded)
    shallow = gpt2.loaded()
    with pytest.raises(
        UserError, match="does not fit this model: base_model.model.transformer.h.2.* no place"
    ):
        attach(shallow, tmp_path / "deep adapter")
    assert not lora_layers(shallow.model)
    assert all(parameter.requires_grad for parameter in shallow.model.parameters())


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`", "ignore:Setting `save_embedding")
@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": ["lm_head"], "fan_in_fan_out": False},
        {"target_modules": ["c_attn", "wte"]},
        {"target_modules": ["c_attn"], "modules_to_save": ["lm_head"]},
    ],
)
def test_what_peft_adapts_and_we_do_not_is_named(gpt2, tmp_path, fields):
    peft_folder(gpt2, tmp_path, **fields)
    with pytest.raises(UserError, match="holds base_model.model.(lm_head|transformer.wte).*does not compute"):
        load(tmp_path)


def test_an_incomplete_adapter_is_told_in_one_line(gpt2, tmp_path):
    save(tmp_path, ours_of(gpt2))
    tensors = load_file(tmp_path / ADAPTER)
    name = "base_model.model.transformer.h.1.mlp.c_fc.lora_A.weight"
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, tmp_path / ADAPTER)
    with pytest.raises(UserError, match="h.1.mlp.c_fc.lora_B.weight"):
        load(tmp_path)
    save_file({}, tmp_path / ADAPTER)
    with pytest.raises(UserError, match="holds no LoRA. Get its files again"):
        load(tmp_path)
    (tmp_path / ADAPTER).write_bytes(b"short")
    with pytest.raises(UserError, match=f"{ADAPTER} is damaged"):
        load(tmp_path)
    (tmp_path / ADAPTER).unlink()
    with pytest.raises(UserError, match=f"holds no {ADAPTER}"):
        load(tmp_path)


def test_what_an_adapter_cannot_hold_is_refused_before_anything_is_written(gpt2, tmp_path):
    plain, tied, beside = gpt2.loaded(), ours_of(gpt2), ours_of(gpt2)
    tied.model.tokens.weight.requires_grad_()
    beside.model.blocks[0].mlp.up.bias.requires_grad_()
    for loaded, told in (
        (plain, "has no LoRA to save. Call add_lora first"),
        (tied, "tokens can learn in full, which no adapter can hold"),
        (beside, "blocks.0.mlp.up can learn in full"),
    ):
        with pytest.raises(UserError, match=told):
            save(tmp_path / "adapter", loaded)
    with pytest.raises(UserError, match="has LoRA already"):
        attach(ours_of(gpt2), tmp_path / "adapter")
    with pytest.raises(UserError, match="Call merge_lora, or adapters.save, first"):
        save_whole(tmp_path / "adapter", ours_of(gpt2))
    assert list(tmp_path.iterdir()) == []
