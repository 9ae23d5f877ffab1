"""Which family says a configuration, and one line for what none can say and for what we do not compute."""

import dataclasses
from typing import Any

import pytest

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.encoder import Encoder
from groundup.zoo import FAMILIES, family_for, family_of, lost_fields
from groundup.zoo._family import Family

SIZES: dict[str, Any] = {"vocab_size": 300, "context_length": 16, "d_model": 24, "n_layers": 2, "n_heads": 4}
GEMMA = {**FAMILIES.get("gemma").defaults, **SIZES}
ROPE = {**FAMILIES.get("llama").defaults, **SIZES}


@pytest.mark.parametrize(
    "name, fields",
    [
        ("gpt2", SIZES),
        ("gpt2", {**SIZES, "n_kv_heads": 4, "d_head": 6, "d_ff": 96}),  # what follows anyway, written out
        ("gpt2", {**SIZES, "attention_scale": 1.0, "dropout": 0.1, "window": 5, "rope_base": 7.0}),
        ("llama", ROPE),
        ("llama", {**ROPE, "d_model": 25, "n_heads": 3, "d_head": 8}),  # widths that GPT-2 cannot even have
        ("llama", {**ROPE, "activation": "gelu_tanh"}),
        ("llama", {**ROPE, "qkv_bias": True, "out_bias": True}),
        ("qwen3", {**ROPE, "qk_norm": True, "n_kv_heads": 2}),
        ("qwen2", {**ROPE, "qkv_bias": True}),
        ("mistral", {**ROPE, "window": 4, "layer_pattern": "L"}),
        ("gemma", {**ROPE, "norm": "rms_plus_one", "scale_embeddings": True, "activation": "gelu_tanh"}),
        ("gpt_neo", {**SIZES, "qkv_bias": False, "attention_scale": 1.0, "window": 4, "layer_pattern": "GL"}),
    ],
)
def test_a_configuration_finds_the_family_that_says_all_of_it(name: str, fields: dict[str, Any]):
    assert family_for(ModelConfig(**fields)).name == name


@pytest.mark.parametrize(
    "fields, told",
    [
        ({**SIZES, "n_kv_heads": 2}, "gpt2, cannot have n_kv_heads=2"),
        ({**SIZES, "d_head": 8}, "gpt2, cannot have d_head=8"),
        ({**SIZES, "d_model": 25, "n_heads": 3, "d_head": 8}, "gpt2, cannot have d_head=8"),
        ({**SIZES, "layer_pattern": "GL", "window": 4}, "gpt2, cannot have window=4, layer_pattern='GL'"),
        ({**SIZES, "attention_scale": 0.3}, "gpt2, cannot have attention_scale=0.3"),
        ({**SIZES, "scale_embeddings": True}, "gpt2, cannot have scale_embeddings=True"),
        ({**ROPE, "out_bias": True}, "llama, cannot have out_bias=True"),
        ({**ROPE, "window": 4, "layer_pattern": "LG"}, "mistral, cannot have layer_pattern='LG'"),
        ({**SIZES, "causal": False}, "gpt2, cannot have causal=False"),
        ({**SIZES, "norm_position": "post"}, "gpt2, cannot have norm_position='post'"),
        ({**SIZES, "n_segments": 2}, "gpt2, cannot have n_segments=2"),
        ({**SIZES, **FAMILIES.get("bert").defaults}, "cannot have causal=False, .*'post', n_segments=2"),
        ({**ROPE, "norm": "layer"}, "llama, cannot have norm='layer'"),
        ({**GEMMA, "activation": "gelu"}, "gemma, cannot have activation='gelu'"),
        ({**GEMMA, "mlp_bias": True}, "gemma, cannot have mlp_bias=True"),
        ({**ROPE, "qk_norm": True, "mlp_bias": True}, "llama, cannot have qk_norm=True"),
    ],
)
def test_a_configuration_that_no_family_says_is_refused_with_the_field(fields: dict[str, Any], told: str):
    with pytest.raises(UserError, match=told) as caught:
        family_for(ModelConfig(**fields))
    assert "\n" not in str(caught.value)


def test_an_encoder_finds_its_family_when_an_encoder_is_asked_for():
    config = ModelConfig(**{**SIZES, **FAMILIES.get("bert").defaults})
    assert family_for(config, Encoder).name == "bert"
    with pytest.raises(UserError, match="No family of encoders .* bert, cannot have n_segments=0"):
        family_for(dataclasses.replace(config, n_segments=0), Encoder)


def test_every_decoder_family_refuses_what_only_an_encoder_computes(decoder_family: Family):
    for field, value in {"causal": False, "norm_position": "post", "n_segments": 2}.items():
        config = ModelConfig(**{**decoder_family.defaults, **SIZES, field: value})
        assert lost_fields(decoder_family, config) == [field]
        with pytest.raises(UserError, match=f"{field}={value!r}"):
            family_for(config)


@pytest.mark.parametrize("said", ["gelu", "gelu_pytorch_tanh", None])
def test_a_gemma_that_says_gelu_means_the_approximation(said: str | None):
    family = FAMILIES.get("gemma")
    config_json = family.write(ModelConfig(**GEMMA)) | {"hidden_act": said}
    kept = {key: value for key, value in config_json.items() if value is not None}
    assert family.read(kept).activation == "gelu_tanh"


def test_dropout_is_no_part_of_what_a_family_must_say():
    config = ModelConfig(**{**ROPE, "dropout": 0.2})
    assert lost_fields(FAMILIES.get("llama"), config) == []


@pytest.mark.parametrize(
    "name, change, told",
    [
        ("gpt2", {"activation_function": "relu"}, "activation_function 'relu', which groundup does not know"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "switches on scale_attn_by_inverse_layer_idx"),
        ("gpt2", {"n_layer": None}, "lacks 'n_layer'"),
        ("llama", {"hidden_act": "relu2"}, "hidden_act 'relu2'"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "positions by 'yarn'"),
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "positions by 'dynamic'"),
        ("llama", {"rope_scaling": {"type": "linear"}}, "lacks 'factor'"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 0.5}}, "rope_scaling.factor=0.5"),
        ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "lacks 'original_max_pos"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0, "mscale": 0.7}}, "positions mscale"),
        ("llama", {"partial_rotary_factor": 0.5}, "positions partial_rotary_factor"),
        ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "positions partial_rotary_factor"),
        ("llama", {"hidden_size": None}, "lacks 'hidden_size'"),
        ("gpt_neo", {"attention_types": [[["global", "sparse"], 1]]}, "'global' or 'local'"),
        ("gpt_neo", {"attention_types": [[["global", "local"], 2]]}, "each of the 2 layers"),
        ("bert", {"is_decoder": True}, "switches on is_decoder"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ("gemma", {"use_bidirectional_attention": True}, "switches on use_bidirectional_attention"),
        ("qwen3", {"use_sliding_window": True}, "switches on use_sliding_window"),
    ],
)
def test_an_option_that_we_do_not_compute_is_refused_by_name(name: str, change: dict[str, Any], told: str):
    family = FAMILIES.get(name)
    config_json = family.write(ModelConfig(**{**family.defaults, **SIZES}))
    assert family.read(config_json)
    with pytest.raises(UserError, match=told):
        family.read(config_json | change)


@pytest.mark.parametrize(
    "given",
    [{}, {"model_type": "gpt5"}, *({"model_type": f"gemma{more}"} for more in ("2", "3", "3_text"))],
    ids=str,
)
def test_an_unknown_kind_of_model_is_refused_with_the_known_ones(given: dict[str, Any]):
    with pytest.raises(UserError, match="does not know. Known: bert, gemma, gpt2, gpt_neo, llama, "):
        family_of(given)
