"""What Llama, Mistral and Qwen share: rotary positions, RMSNorm, a gated MLP, grouped heads."""

from typing import Any

from groundup.model.config import ModelConfig
from groundup.zoo._family import activation, read_sizes, refuse, write_sizes
from groundup.zoo._rope import read_rope, write_rope
from groundup.zoo._table import NameTable, Rule

DEFAULTS: dict[str, Any] = {
    "position": "rope",
    "qkv_bias": False,
    "out_bias": False,
    "mlp": "gated",
    "activation": "silu",
    "mlp_bias": False,
    "norm": "rms",
    "norm_eps": 1e-6,
    "tie_embeddings": False,
}


def read(config_json: dict[str, Any], **more: Any) -> ModelConfig:
    """LlamaConfig and its relatives -> ModelConfig; `more` holds what the family itself decides."""
    refuse(config_json, "use_sliding_window")
    fields = {
        **DEFAULTS,
        **read_sizes(config_json),
        "n_kv_heads": config_json.get("num_key_value_heads"),
        "d_head": config_json.get("head_dim"),
        **read_rope(config_json),
        "activation": activation(config_json, "hidden_act", "silu"),
        "qkv_bias": config_json.get("attention_bias", False),
        "out_bias": config_json.get("attention_bias", False),
        "mlp_bias": config_json.get("mlp_bias", False),
        "norm_eps": config_json.get("rms_norm_eps", 1e-6),
        "tie_embeddings": config_json.get("tie_word_embeddings", False),
    }
    return ModelConfig(**{**fields, **more})


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of LlamaConfig, in the old and the new names."""
    return {
        **write_sizes(config),
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "hidden_act": {"gelu_tanh": "gelu_pytorch_tanh"}.get(config.activation, config.activation),
        **write_rope(config),
        "attention_bias": config.qkv_bias,
        "attention_dropout": 0.0,
        "mlp_bias": config.mlp_bias,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
    }


LAYER = "model.layers.{i}."
TABLE = NameTable(
    prefix="model.",
    ignored=(r"(model\.)?layers\.\d+\.self_attn\.rotary_emb\.inv_freq",),
    rules=(
        Rule("tokens", "model.embed_tokens"),
        Rule("blocks.{i}.attention_norm", LAYER + "input_layernorm"),
        Rule("blocks.{i}.attention.query", LAYER + "self_attn.q_proj"),
        Rule("blocks.{i}.attention.key", LAYER + "self_attn.k_proj"),
        Rule("blocks.{i}.attention.value", LAYER + "self_attn.v_proj"),
        Rule("blocks.{i}.attention.output", LAYER + "self_attn.o_proj"),
        Rule("blocks.{i}.attention.query_norm", LAYER + "self_attn.q_norm"),
        Rule("blocks.{i}.attention.key_norm", LAYER + "self_attn.k_norm"),
        Rule("blocks.{i}.mlp_norm", LAYER + "post_attention_layernorm"),
        Rule("blocks.{i}.mlp.gate", LAYER + "mlp.gate_proj"),
        Rule("blocks.{i}.mlp.up", LAYER + "mlp.up_proj"),
        Rule("blocks.{i}.mlp.down", LAYER + "mlp.down_proj"),
        Rule("final_norm", "model.norm"),
        Rule("unembed", "lm_head"),
        Rule("head", "score"),  # of a classifier
    ),
)
