"""Qwen3: a Llama whose queries and keys are normalised, head by head. Source: Yang et al. 2025."""

from typing import Any

from groundup.model.config import ModelConfig
from groundup.zoo import _llama
from groundup.zoo._family import Family

OWN: dict[str, Any] = {"qk_norm": True, "mlp_bias": False}


def read(config_json: dict[str, Any]) -> ModelConfig:
    """Qwen3Config -> ModelConfig."""
    return _llama.read(config_json, **OWN)


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of Qwen3Config, which has no biases in its MLP."""
    fields = _llama.write(config)
    del fields["mlp_bias"]
    return fields | {"use_sliding_window": False}


FAMILY = Family(
    name="qwen3",
    about="Qwen3 and what is built like it: a Llama with normalised queries and keys",
    model_type="qwen3",
    architecture="Qwen3ForCausalLM",
    defaults={**_llama.DEFAULTS, **OWN},
    sizes={
        "0.6B": {
            "vocab_size": 151936,
            "context_length": 40960,
            "d_model": 1024,
            "n_layers": 28,
            "n_heads": 16,
            "n_kv_heads": 8,
            "d_head": 128,
            "d_ff": 3072,
            "rope_base": 1_000_000.0,
            "tie_embeddings": True,
        },
    },
    read=read,
    write=write,
    table=_llama.TABLE,
)
