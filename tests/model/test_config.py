"""The architecture as data: what follows from other fields, and one line for what cannot be."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from groundup.errors import UserError
from groundup.model.config import ModelConfig, RopeScaling
from groundup.settings import build, read_toml, to_table, to_toml, with_changes

SIZES: dict[str, Any] = {"vocab_size": 300, "context_length": 16, "d_model": 24, "n_layers": 3, "n_heads": 4}


def test_what_is_not_said_follows_from_the_rest():
    config = ModelConfig(**SIZES)
    assert (config.kv_heads, config.head_width, config.hidden_width) == (4, 6, 96)
    config = ModelConfig(**SIZES, n_kv_heads=2, d_head=10, d_ff=7)
    assert (config.kv_heads, config.head_width, config.hidden_width) == (2, 10, 7)


@pytest.mark.parametrize(
    "d_model, hidden", [(12, 32), (24, 64), (48, 128), (52, 160), (768, 2048), (4096, 10944)]
)
def test_a_gated_mlp_is_two_thirds_as_wide_rounded_up_to_a_multiple_of_32(d_model: int, hidden: int):
    config = ModelConfig(**{**SIZES, "d_model": d_model}, mlp="gated")
    assert config.hidden_width == hidden
    assert hidden - 32 < 8 * d_model / 3 <= hidden


def test_the_layer_pattern_is_tiled_over_the_layers():
    config = ModelConfig(**{**SIZES, "n_layers": 5}, layer_pattern="LGL", window=4)
    assert [config.window_of(layer) for layer in range(5)] == [4, None, 4, 4, None]


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig(**SIZES).d_model = 3  # type: ignore[misc]


LLAMA3 = RopeScaling(kind="llama3", factor=8.0, original_context=8192)


@pytest.mark.parametrize("scaling", [RopeScaling(kind="linear", factor=4.0), LLAMA3])
def test_scaled_rotary_positions_can_be_written_in_a_recipe(tmp_path: Path, scaling: RopeScaling):
    config = ModelConfig(**SIZES, position="rope", rope_scaling=scaling)
    (tmp_path / "recipe.toml").write_text(to_toml({"model": to_table(config)}), encoding="utf-8")
    assert build(ModelConfig, read_toml(tmp_path / "recipe.toml")["model"], where="model") == config
    words = [f"model.rope_scaling.{name}={value}" for name, value in to_table(scaling).items()]
    changed = with_changes({"model": {**SIZES, "position": "rope"}}, words)
    assert build(ModelConfig, changed["model"], where="model") == config


@pytest.mark.parametrize(
    "given, told",
    [
        ({"kind": "linear", "factr": 4.0}, r"'factr' in \[model\.rope_scaling\]\. Did you mean 'factor'"),
        ({"kind": "yarn", "factor": 4.0}, "model.rope_scaling.kind = 'yarn' does not fit"),
        ({"kind": "linear"}, r"\[model\.rope_scaling\] lacks 'factor'"),
        ("linear", "model.rope_scaling = 'linear' does not fit: expected a table"),
        ({"kind": "linear", "factor": 0.5}, "factor=0.5 is too small"),
        ({"kind": "linear", "factor": float("nan")}, "factor=nan is too small"),
        (
            {"kind": "linear", "factor": 2.0, "original_context": 9},
            "original_context is for kind='llama3' only",
        ),
        ({"kind": "llama3", "factor": 2.0}, "original_context=None does not fit"),
        (
            {"kind": "llama3", "factor": 2.0, "original_context": 9, "low_frequency_factor": 4.0},
            "low_frequency_factor=4.0 does not fit",
        ),
    ],
)
def test_a_scaling_that_cannot_be_is_refused_in_one_line(given: Any, told: str):
    with pytest.raises(UserError, match=told) as caught:
        build(ModelConfig, {**SIZES, "position": "rope", "rope_scaling": given}, where="model")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"n_heads": 5}, "d_model=24 is not a multiple of n_heads=5"),
        ({"n_kv_heads": 3}, "n_heads=4 is not a multiple of n_kv_heads=3"),
        ({"d_head": 5, "position": "rope"}, "d_head=5 is odd"),
        ({"d_model": 12, "position": "rope"}, "d_head=3 is odd"),
        ({"vocab_size": 0}, "vocab_size=0 is too small"),
        ({"n_layers": -1}, "n_layers=-1 is too small"),
        ({"n_heads": 0}, "n_heads=0 is too small"),
        ({"n_kv_heads": 0}, "n_kv_heads=0 is too small"),
        ({"d_head": 0}, "d_head=0 is too small"),
        ({"d_ff": 0}, "d_ff=0 is too small"),
        ({"layer_pattern": ""}, "layer_pattern='' is unknown"),
        ({"layer_pattern": "GX"}, "layer_pattern='GX' is unknown"),
        ({"layer_pattern": "GL"}, "Set window to 1 or more"),
        ({"layer_pattern": "GL", "window": 0}, "Set window to 1 or more"),
        ({"dropout": 1.0}, "dropout=1.0 is no share"),
        ({"dropout": float("nan")}, "dropout=nan is no share"),
        ({"norm_eps": -1e-5}, "norm_eps=-1e-05"),
        ({"rope_base": 0.0}, "rope_base=0.0"),
        ({"attention_scale": 0.0}, "attention_scale=0.0"),
        ({"rope_scaling": LLAMA3}, "rope_scaling is set, but position='learned'"),
        ({"n_segments": -1}, "n_segments=-1 is too small"),
        ({"norm_position": "middle"}, "norm_position='middle' is unknown. Known: pre, post"),
        ({"norm": "batch"}, "norm='batch' is unknown. Known: layer, rms, rms_plus_one"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(change: dict[str, Any], told: str):
    with pytest.raises(UserError, match=told) as caught:
        ModelConfig(**{**SIZES, **change})
    assert "\n" not in str(caught.value)
