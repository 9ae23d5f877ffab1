"""Every family against transformers: logits, gradients, files in both directions, the cache, old files."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.activations import ACT2FN

from groundup.errors import UserError
from groundup.model.cache import KVCache
from groundup.model.config import ModelConfig, RopeScaling
from groundup.model.decoder import Decoder
from groundup.model.layers import ACTIVATIONS
from groundup.model.visible import Visible
from groundup.weights.folder import load, save
from groundup.zoo import FAMILIES, family_for, family_of, lost_fields, resolved

WEIGHTS = "model.safetensors"
ACTIVATION_KEYS = ("hidden_act", "activation_function")
SIZES = [(family, size) for family in FAMILIES.all() for size in family.sizes]


def read_config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text("utf-8"))


def changed_copy(folder: Path, to: Path, *, tensors=None, config=None) -> Path:
    """The folder again, with other tensors or another config.json."""
    shutil.copytree(folder, to)
    if tensors is not None:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, to / WEIGHTS)
    if config is not None:
        (to / "config.json").write_text(json.dumps(config), "utf-8")
    return to


def test_the_file_name_is_the_family_name(family):
    assert FAMILIES.get(family.name) is family
    assert family_of({"model_type": family.model_type}) is family


def test_logits_equal_those_of_transformers(case):
    with torch.no_grad():
        ours, theirs = load(case.folder).model(case.ids), case.theirs(case.ids).logits
    assert theirs.std() > 0.05
    assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_gradients_of_every_parameter_equal_those_of_transformers(case):
    loaded, theirs = load(case.folder), copy.deepcopy(case.theirs)
    targets = case.ids.roll(1, dims=1).flatten()
    F.cross_entropy(loaded.model(case.ids).flatten(0, 1), targets).backward()
    F.cross_entropy(theirs(case.ids).logits.flatten(0, 1), targets).backward()
    expected = {name: p.grad for name, p in theirs.named_parameters()}
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            assert parameter.grad is not None
            parameter.copy_(parameter.grad)
    found = case.family.table.push(loaded.model, tied=loaded.config.tie_embeddings)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        error, size = (gradient - expected[name]).norm(), expected[name].norm()
        # Of a key's bias it is 0 but for rounding: softmax does not see what all scores share.
        assert error < 1e-4 * size + 1e-8, f"{name}: error {error:.2g} of {size:.2g}"


def test_transformers_opens_what_we_save_with_the_same_logits(case, tmp_path):
    loaded = load(case.folder)
    save(tmp_path / "ours", loaded)
    opened: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "ours", output_loading_info=True)
    again, told = opened
    without_windows = (case.family.name, loaded.config.window) == ("mistral", None)
    family = FAMILIES.get("llama") if without_windows else case.family  # they compute, and call, all the same
    assert type(again).__name__ == family.architecture
    assert not {name: list(keys) for name, keys in told.items() if keys}
    with torch.no_grad():
        assert_close(again.eval()(case.ids).logits, case.theirs(case.ids).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])
def test_a_foreign_folder_loaded_and_saved_again_holds_bit_identical_tensors(case, dtype, tmp_path):
    theirs = {name: tensor.to(dtype) for name, tensor in load_file(case.folder / WEIGHTS).items()}
    folder = changed_copy(case.folder, tmp_path / "theirs", tensors=theirs)
    save(tmp_path / "ours", load(folder, dtype=dtype))
    ours = load_file(tmp_path / "ours" / WEIGHTS)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == dtype
        assert torch.equal(tensor, theirs[name]), name
    assert read_config(tmp_path / "ours")["dtype"] == str(dtype).removeprefix("torch.")


def test_reading_piece_by_piece_with_a_cache_gives_the_same_logits(case):
    model = load(case.folder).model
    cache = KVCache(model.config, len(case.ids), case.ids.shape[1], dtype=torch.float32)
    with torch.no_grad():
        pieces = [model(piece, cache=cache) for piece in case.ids.split([7, 5, 4, 1, 1, 1, 3, 1, 1], dim=1)]
        assert_close(torch.cat(pieces, dim=1), model(case.ids), atol=1e-5, rtol=0)


def test_a_padded_text_has_the_logits_of_transformers_for_the_text_alone(case):
    model, lengths = load(case.folder).model, [24, 9]
    ids = case.ids * (torch.arange(24) < torch.tensor(lengths)[:, None])  # the padding id is 0
    cache = KVCache(model.config, 2, 24, dtype=torch.float32)
    with torch.no_grad():
        padded = model(ids, visible=Visible(lengths=torch.tensor(lengths)))
        # Then the shorter row reads on behind its own end, beside the longer one.
        model(ids[:, :20], cache=cache)
        cache.cut([20, 9])
        further = model(case.ids[:, 20:], cache=cache)
        for row, length in enumerate(lengths):
            assert_close(
                padded[row, :length], case.theirs(ids[row : row + 1, :length]).logits[0], atol=1e-5, rtol=0
            )
        alone = torch.cat([ids[1, :9], case.ids[1, 20:]])[None]
        assert_close(further[1], case.theirs(alone).logits[0, 9:], atol=1e-5, rtol=0)
        assert_close(further[0], padded[0, 20:], atol=1e-5, rtol=0)


ROTARY = [family.name for family in FAMILIES.all() if family.defaults.get("position") == "rope"]
SCALINGS = {
    "as they are": None,
    "linear": RopeScaling(kind="linear", factor=4.0),
    "llama3": RopeScaling(kind="llama3", factor=8.0, original_context=8192),
}


@pytest.mark.parametrize("scaling", SCALINGS.values(), ids=SCALINGS)
@pytest.mark.parametrize("name", ROTARY)
def test_far_positions_are_turned_as_in_transformers(name, scaling):
    """An angle is position times frequency, so a last-bit difference in a frequency grows with it."""
    family = FAMILIES.get(name)
    fields = {
        "vocab_size": 270,
        "context_length": 32_768,
        "d_model": 64,
        "n_layers": 1,
        "n_heads": 1,
        "d_ff": 8,
    }
    config = ModelConfig(**{**family.defaults, **fields, "rope_base": 500_000.0, "rope_scaling": scaling})
    theirs = AutoModelForCausalLM.from_config(config_of(family, config)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    model = Decoder(config)
    family.table.pull(model, theirs.state_dict(), tied=config.tie_embeddings)
    places = torch.tensor([0, 1, 700, 7001, 20_047, 30_001, 32_766, 32_767])
    ids = torch.arange(8)[None]
    with torch.no_grad():
        ours = model(ids, positions=places)
        assert_close(ours, theirs(ids, position_ids=places[None]).logits, atol=1e-5, rtol=0)
        assert (ours - model(ids)).abs().max() > 1e-3


def config_of(family, config):
    """The config object of transformers that our config.json describes."""
    return AutoConfig.for_model(**{**family.write(config), "model_type": family.model_type})


def test_config_json_says_the_whole_configuration(case):
    config = case.family.read(read_config(case.folder))
    assert resolved(case.family.read(case.family.write(config))) == resolved(config)
    assert lost_fields(case.family, config) == []
    assert lost_fields(family_for(config), config) == []


@pytest.mark.parametrize("family, size", SIZES, ids=[f"{family.name}: {size}" for family, size in SIZES])
def test_a_published_size_has_as_many_parameters_as_in_transformers(family, size):
    config = ModelConfig(**{**family.defaults, **family.sizes[size]})
    assert family_for(config, family.model) is family
    opener: Any = AutoModelForCausalLM if family.model is Decoder else AutoModel
    with torch.device("meta"):
        ours, theirs = family.model(config), opener.from_config(config_of(family, config))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_an_old_file_without_prefix_and_with_leftover_buffers_opens(case, leftover, tmp_path):
    prefix = case.family.table.prefix
    old = {name.removeprefix(prefix): tensor for name, tensor in load_file(case.folder / WEIGHTS).items()}
    old |= {name: torch.zeros(3) for name in leftover}
    folder = changed_copy(case.folder, tmp_path / "old", tensors=old)
    assert_same_weights(load(folder).model, load(case.folder).model)


@pytest.mark.parametrize("kind", ["rope_type", "type"])
def test_a_config_json_of_transformers_4_reads_alike(case, kind):
    new = read_config(case.folder)
    old = {name: value for name, value in new.items() if name not in ("dtype", "rope_parameters")}
    old["torch_dtype"] = new["dtype"]
    if "rope_parameters" in new:
        rope = dict(new["rope_parameters"])
        old |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": None}
        rope[kind] = rope.pop("rope_type")
        if rope[kind] != "default":
            old["rope_scaling"] = rope
    assert case.family.read(old) == case.family.read(new)


@pytest.mark.parametrize("lacks", ["rope_parameters", "rope_theta rope_scaling"])
def test_what_we_write_reads_alike_in_transformers_4_and_in_5(case, lacks):
    """Each knows only its own names of the rotary positions."""
    config = case.family.read(read_config(case.folder))
    written = case.family.write(config)
    known = {name: value for name, value in written.items() if name not in lacks.split()}
    assert resolved(case.family.read(known)) == resolved(config)


def test_a_second_copy_of_tied_embeddings_is_welcome_only_if_it_is_equal(case, tmp_path):
    tensors, model = load_file(case.folder / WEIGHTS), load(case.folder).model
    assert ("lm_head.weight" in tensors) != model.config.tie_embeddings
    if not model.config.tie_embeddings:
        return
    both = tensors | {"lm_head.weight": model.tokens.weight.detach().clone()}
    assert_same_weights(load(changed_copy(case.folder, tmp_path / "equal", tensors=both)).model, model)
    both["lm_head.weight"] += 1
    with pytest.raises(UserError, match="'lm_head.weight' differs from the embedding"):
        load(changed_copy(case.folder, tmp_path / "other", tensors=both))


def test_missing_and_additional_tensors_and_wrong_shapes_are_refused_in_one_line(case, tmp_path):
    tensors = load_file(case.folder / WEIGHTS)
    model = load(case.folder).model
    for name in tensors:
        without = {other: tensor for other, tensor in tensors.items() if other != name}
        with pytest.raises(UserError, match=f"lack '{name}'"):
            case.family.table.pull(model, without, tied=model.config.tie_embeddings)
        wider = tensors | {name: torch.zeros(*tensors[name].shape[:-1], tensors[name].shape[-1] + 1)}
        with pytest.raises(UserError, match=f"'{name}' has shape") as caught:
            case.family.table.pull(model, wider, tied=model.config.tie_embeddings)
        assert str(tuple(tensors[name].shape)) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="hold 1 tensors that this family does not have: extra.weight"):
        load(
            changed_copy(case.folder, tmp_path / "extra", tensors=tensors | {"extra.weight": torch.zeros(1)})
        )


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "silu"])
def test_every_activation_has_a_name_in_config_json_that_means_the_same_in_transformers(family, activation):
    sizes = {"vocab_size": 270, "context_length": 12, "d_model": 12, "n_layers": 1, "n_heads": 2}
    config = ModelConfig(**{**family.defaults, **sizes, "activation": activation})
    if (family.name, activation) == ("gemma", "gelu"):  # which its config.json says for the approximation
        assert lost_fields(family, config) == ["activation"]
        return
    assert lost_fields(family, config) == []
    name = next(value for key, value in family.write(config).items() if key in ACTIVATION_KEYS)
    x = torch.linspace(-4, 4, 33)
    assert_close(ACT2FN[name](x), ACTIVATIONS[activation](x), atol=1e-6, rtol=0)


def assert_same_weights(ours: Decoder, others: Decoder) -> None:
    for (name, mine), other in zip(ours.state_dict().items(), others.state_dict().values(), strict=True):
        assert torch.equal(mine, other), name
