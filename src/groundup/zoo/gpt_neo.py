"""GPT-Neo: a GPT-2 in which every other layer looks back over a window. Source: Black et al. 2021."""

from typing import Any

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.zoo._family import Family, activation, required
from groundup.zoo._table import NameTable, Rule

OWN: dict[str, Any] = {"qkv_bias": False, "attention_scale": 1.0}
LETTERS = {"global": "G", "local": "L"}


def read(config_json: dict[str, Any]) -> ModelConfig:
    """GPTNeoConfig -> ModelConfig. UserError for a kind of layer that is neither global nor local."""
    types = config_json.get("attention_types") or [[["global", "local"], 12]]
    names = [name for group, times in types for _ in range(times) for name in group]
    n_layers = required(config_json, "num_layers", "num_hidden_layers")
    if len(names) != n_layers or set(names) - set(LETTERS):
        raise UserError(
            f"config.json has attention_types {types}, which does not fit. It must name each of the "
            f"{n_layers} layers 'global' or 'local'."
        )
    pattern = "".join(LETTERS[name] for name in names)
    d_model = required(config_json, "hidden_size")
    return ModelConfig(
        **OWN,
        vocab_size=required(config_json, "vocab_size"),
        context_length=required(config_json, "max_position_embeddings"),
        d_model=d_model,
        n_layers=n_layers,
        n_heads=required(config_json, "num_heads", "num_attention_heads"),
        d_ff=config_json.get("intermediate_size") or 4 * d_model,
        window=config_json.get("window_size", 256) if "L" in pattern else None,
        layer_pattern=pattern,
        activation=activation(config_json, "activation_function", "gelu_new"),
        norm_eps=config_json.get("layer_norm_epsilon", 1e-5),
        dropout=config_json.get("resid_dropout", 0.0),
        tie_embeddings=config_json.get("tie_word_embeddings", True),
    )


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of GPTNeoConfig."""
    windows = [config.window_of(layer) for layer in range(config.n_layers)]
    layers = ["global" if window is None else "local" for window in windows]
    return {
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.context_length,
        "hidden_size": config.d_model,
        "num_layers": config.n_layers,
        "num_heads": config.n_heads,
        "intermediate_size": config.hidden_width,
        "window_size": config.window or config.context_length,
        "attention_types": [[layers, 1]],
        "attention_layers": layers,
        "activation_function": {"gelu_tanh": "gelu_new"}.get(config.activation, config.activation),
        "layer_norm_epsilon": config.norm_eps,
        "resid_dropout": config.dropout,
        "embed_dropout": config.dropout,
        "attention_dropout": config.dropout,
        "tie_word_embeddings": config.tie_embeddings,
    }


BLOCK = "transformer.h.{i}."
SIZE: dict[str, Any] = {"vocab_size": 50257, "context_length": 2048}

FAMILY = Family(
    name="gpt_neo",
    about="GPT-Neo and what is built like it: a GPT-2 with windows in every other layer",
    model_type="gpt_neo",
    architecture="GPTNeoForCausalLM",
    defaults={**OWN, "window": 256, "layer_pattern": "GL"},
    sizes={
        "125M": {**SIZE, "d_model": 768, "n_layers": 12, "n_heads": 12},
        "1.3B": {**SIZE, "d_model": 2048, "n_layers": 24, "n_heads": 16},
        "2.7B": {**SIZE, "d_model": 2560, "n_layers": 32, "n_heads": 20},
    },
    read=read,
    write=write,
    table=NameTable(
        prefix="transformer.",
        ignored=(r"(transformer\.)?h\.\d+\.attn\.attention\.(masked_)?bias",),
        rules=(
            Rule("tokens", "transformer.wte"),
            Rule("positions", "transformer.wpe"),
            Rule("blocks.{i}.attention_norm", BLOCK + "ln_1"),
            Rule("blocks.{i}.attention.query", BLOCK + "attn.attention.q_proj"),
            Rule("blocks.{i}.attention.key", BLOCK + "attn.attention.k_proj"),
            Rule("blocks.{i}.attention.value", BLOCK + "attn.attention.v_proj"),
            Rule("blocks.{i}.attention.output", BLOCK + "attn.attention.out_proj"),
            Rule("blocks.{i}.mlp_norm", BLOCK + "ln_2"),
            Rule("blocks.{i}.mlp.up", BLOCK + "mlp.c_fc"),
            Rule("blocks.{i}.mlp.down", BLOCK + "mlp.c_proj"),
            Rule("final_norm", "transformer.ln_f"),
            Rule("unembed", "lm_head"),
            Rule("head", "score"),  # of a classifier
        ),
    ),
)
