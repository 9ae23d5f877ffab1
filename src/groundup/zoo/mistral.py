"""Mistral, and so Zephyr: a Llama whose layers look back over a window. Source: Jiang et al. 2023."""

from typing import Any

from groundup.model.config import ModelConfig
from groundup.zoo import _llama
from groundup.zoo._family import Family

OWN: dict[str, Any] = {"qkv_bias": False, "out_bias": False, "mlp_bias": False}


def read(config_json: dict[str, Any]) -> ModelConfig:
    """MistralConfig -> ModelConfig. Where sliding_window is null, as in later ones, every layer sees all."""
    window = config_json.get("sliding_window")
    return _llama.read(config_json, **OWN, window=window, layer_pattern="G" if window is None else "L")


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of MistralConfig, which has no biases."""
    fields = _llama.write(config)
    del fields["attention_bias"], fields["mlp_bias"]
    return fields | {"sliding_window": config.window if "L" in config.layer_pattern else None}


FAMILY = Family(
    name="mistral",
    about="Mistral, Zephyr and what is built like them: a Llama with windows",
    model_type="mistral",
    architecture="MistralForCausalLM",
    defaults={**_llama.DEFAULTS, "window": 4096, "layer_pattern": "L"},
    sizes={
        "7B": {
            "vocab_size": 32000,
            "context_length": 32768,
            "d_model": 4096,
            "n_layers": 32,
            "n_heads": 32,
            "n_kv_heads": 8,
            "d_ff": 14336,
            "norm_eps": 1e-5,
        },
    },
    read=read,
    write=write,
    table=_llama.TABLE,
)
