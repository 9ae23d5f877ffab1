"""GPT-2: learned positions, LayerNorm, GELU, biases, tied embeddings. Source: Radford et al. 2019."""

from typing import Any

from groundup.model.config import ModelConfig
from groundup.zoo._family import Family, activation, refuse, required
from groundup.zoo._table import NameTable, Rule


def read(config_json: dict[str, Any]) -> ModelConfig:
    """GPT2Config -> ModelConfig. UserError for options that no GPT-2 of OpenAI uses and we do not compute."""
    refuse(config_json, "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention")
    d_model = required(config_json, "n_embd", "hidden_size")
    return ModelConfig(
        vocab_size=required(config_json, "vocab_size"),
        context_length=required(config_json, "n_positions", "n_ctx"),
        d_model=d_model,
        n_layers=required(config_json, "n_layer"),
        n_heads=required(config_json, "n_head"),
        d_ff=config_json.get("n_inner") or 4 * d_model,
        activation=activation(config_json, "activation_function", "gelu_new"),
        norm_eps=config_json.get("layer_norm_epsilon", 1e-5),
        attention_scale=None if config_json.get("scale_attn_weights", True) else 1.0,
        dropout=config_json.get("resid_pdrop", 0.1),
        tie_embeddings=config_json.get("tie_word_embeddings", True),
    )


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of GPT2Config."""
    return {
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.d_model,
        "n_layer": config.n_layers,
        "n_head": config.n_heads,
        "n_inner": config.hidden_width,
        "activation_function": {"gelu_tanh": "gelu_new"}.get(config.activation, config.activation),
        "layer_norm_epsilon": config.norm_eps,
        "scale_attn_weights": config.attention_scale != 1.0,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "tie_word_embeddings": config.tie_embeddings,
    }


BLOCK = "transformer.h.{i}."
QUERY_KEY_VALUE = tuple(f"blocks.{{i}}.attention.{part}" for part in ("query", "key", "value"))

FAMILY = Family(
    name="gpt2",
    about="GPT-2 and what is built like it: the classic to learn from",
    model_type="gpt2",
    architecture="GPT2LMHeadModel",
    defaults={},
    sizes={
        "124M": {"vocab_size": 50257, "context_length": 1024, "d_model": 768, "n_layers": 12, "n_heads": 12},
        "355M": {"vocab_size": 50257, "context_length": 1024, "d_model": 1024, "n_layers": 24, "n_heads": 16},
        "774M": {"vocab_size": 50257, "context_length": 1024, "d_model": 1280, "n_layers": 36, "n_heads": 20},
        "1558M": {
            "vocab_size": 50257,
            "context_length": 1024,
            "d_model": 1600,
            "n_layers": 48,
            "n_heads": 25,
        },
    },
    read=read,
    write=write,
    table=NameTable(
        prefix="transformer.",
        ignored=(r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias",),
        rules=(
            Rule("tokens", "transformer.wte"),
            Rule("positions", "transformer.wpe"),
            Rule("blocks.{i}.attention_norm", BLOCK + "ln_1"),
            Rule(QUERY_KEY_VALUE, BLOCK + "attn.c_attn", transposed=True),
            Rule("blocks.{i}.attention.output", BLOCK + "attn.c_proj", transposed=True),
            Rule("blocks.{i}.mlp_norm", BLOCK + "ln_2"),
            Rule("blocks.{i}.mlp.up", BLOCK + "mlp.c_fc", transposed=True),
            Rule("blocks.{i}.mlp.down", BLOCK + "mlp.c_proj", transposed=True),
            Rule("final_norm", "transformer.ln_f"),
            Rule("unembed", "lm_head"),
            Rule("head", "score"),  # of a classifier
        ),
    ),
)
