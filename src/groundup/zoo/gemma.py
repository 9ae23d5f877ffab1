"""Gemma: a Llama with scaled embeddings, wide heads and norms around one. Source: Gemma Team 2024."""

from typing import Any

from groundup.model.config import ModelConfig
from groundup.zoo import _llama
from groundup.zoo._family import Family, refuse

OWN: dict[str, Any] = {"mlp_bias": False, "norm": "rms_plus_one", "scale_embeddings": True}


def read(config_json: dict[str, Any]) -> ModelConfig:
    """GemmaConfig -> ModelConfig. UserError for a Gemma that sees the future."""
    refuse(config_json, "use_bidirectional_attention")
    # Google's first files say "gelu" and mean the approximation that the model was trained with.
    meant = {"gelu": "gelu_pytorch_tanh"}
    given = config_json.get("hidden_act", "gelu_pytorch_tanh")
    usual = {"head_dim": 256, "tie_word_embeddings": True}  # where config.json does not say
    return _llama.read({**usual, **config_json, "hidden_act": meant.get(given, given)}, **OWN)


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of GemmaConfig, which has no biases in its MLP."""
    fields = _llama.write(config)
    del fields["mlp_bias"]
    return fields


SIZE: dict[str, Any] = {"vocab_size": 256_000, "context_length": 8192, "d_head": 256}

FAMILY = Family(
    name="gemma",
    about="Gemma and what is built like it: a Llama with scaled embeddings and wide heads",
    model_type="gemma",
    architecture="GemmaForCausalLM",
    defaults={**_llama.DEFAULTS, **OWN, "activation": "gelu_tanh", "tie_embeddings": True},
    sizes={
        "2B": {**SIZE, "d_model": 2048, "n_layers": 18, "n_heads": 8, "n_kv_heads": 1, "d_ff": 16_384},
        "7B": {**SIZE, "d_model": 3072, "n_layers": 28, "n_heads": 16, "d_ff": 24_576},
    },
    read=read,
    write=write,
    table=_llama.TABLE,
)
