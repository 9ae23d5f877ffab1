"""Qwen2 and Qwen2.5: a Llama whose queries, keys and values have biases. Source: Yang et al. 2024."""

from typing import Any

from groundup.model.config import ModelConfig
from groundup.zoo import _llama
from groundup.zoo._family import Family

OWN: dict[str, Any] = {"qkv_bias": True, "out_bias": False, "mlp_bias": False}


def read(config_json: dict[str, Any]) -> ModelConfig:
    """Qwen2Config -> ModelConfig."""
    return _llama.read(config_json, **OWN)


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of Qwen2Config, whose biases are always the same."""
    fields = _llama.write(config)
    del fields["attention_bias"], fields["mlp_bias"]
    return fields | {"use_sliding_window": False}


FAMILY = Family(
    name="qwen2",
    about="Qwen2, Qwen2.5 and what is built like them: a Llama with biases at queries, keys and values",
    model_type="qwen2",
    architecture="Qwen2ForCausalLM",
    defaults={**_llama.DEFAULTS, **OWN},
    sizes={
        "0.5B": {
            "vocab_size": 151936,
            "context_length": 32768,
            "d_model": 896,
            "n_layers": 24,
            "n_heads": 14,
            "n_kv_heads": 2,
            "d_ff": 4864,
            "rope_base": 1_000_000.0,
            "tie_embeddings": True,
        },
    },
    read=read,
    write=write,
    table=_llama.TABLE,
)
