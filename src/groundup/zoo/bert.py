"""BERT: an encoder that reads in both directions, with segments and a pooler. Source: Devlin et al. 2018."""

from typing import Any

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.encoder import Encoder
from groundup.zoo._family import Family, activation, read_sizes, refuse, write_sizes
from groundup.zoo._table import NameTable, Rule

OWN: dict[str, Any] = {"causal": False, "norm_position": "post"}


def read(config_json: dict[str, Any]) -> ModelConfig:
    """BertConfig -> ModelConfig. UserError for BERTs that are decoders or tell positions by distance."""
    refuse(config_json, "is_decoder", "add_cross_attention")
    positions = config_json.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise UserError(
            f"config.json has position_embedding_type {positions!r}, which groundup does not compute. "
            f"Choose another model."
        )
    return ModelConfig(
        **OWN,
        **read_sizes(config_json),
        activation=activation(config_json, "hidden_act", "gelu"),
        norm_eps=config_json.get("layer_norm_eps", 1e-12),
        n_segments=config_json.get("type_vocab_size") or 2,
        dropout=config_json.get("hidden_dropout_prob", 0.1),
        tie_embeddings=config_json.get("tie_word_embeddings", True),
    )


def write(config: ModelConfig) -> dict[str, Any]:
    """ModelConfig -> the fields of BertConfig."""
    return {
        **write_sizes(config),
        "hidden_act": {"gelu_tanh": "gelu_new"}.get(config.activation, config.activation),
        "layer_norm_eps": config.norm_eps,
        "type_vocab_size": config.n_segments,
        "position_embedding_type": "absolute",
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "tie_word_embeddings": config.tie_embeddings,
    }


LAYER = "bert.encoder.layer.{i}."
SIZE: dict[str, Any] = {"vocab_size": 30522, "context_length": 512}

FAMILY = Family(
    name="bert",
    about="BERT and what is built like it: reads a whole text at once, to sort or to compare texts",
    model_type="bert",
    architecture="BertModel",
    defaults={**OWN, "activation": "gelu", "norm_eps": 1e-12, "n_segments": 2},
    sizes={
        "base": {**SIZE, "d_model": 768, "n_layers": 12, "n_heads": 12},
        "large": {**SIZE, "d_model": 1024, "n_layers": 24, "n_heads": 16},
        "MiniLM-L6": {**SIZE, "d_model": 384, "n_layers": 6, "n_heads": 12},
    },
    read=read,
    write=write,
    model=Encoder,
    table=NameTable(
        prefix="bert.",
        ignored=(r"cls\..*", r"(bert\.)?embeddings\.position_ids"),  # the heads that guess hidden words
        aliases=(("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")),
        optional=("pooler",),  # which a model that only guesses hidden words does without
        rules=(
            Rule("tokens", "bert.embeddings.word_embeddings"),
            Rule("positions", "bert.embeddings.position_embeddings"),
            Rule("segments", "bert.embeddings.token_type_embeddings"),
            Rule("embedding_norm", "bert.embeddings.LayerNorm"),
            Rule("blocks.{i}.attention.query", LAYER + "attention.self.query"),
            Rule("blocks.{i}.attention.key", LAYER + "attention.self.key"),
            Rule("blocks.{i}.attention.value", LAYER + "attention.self.value"),
            Rule("blocks.{i}.attention.output", LAYER + "attention.output.dense"),
            Rule("blocks.{i}.attention_norm", LAYER + "attention.output.LayerNorm"),
            Rule("blocks.{i}.mlp.up", LAYER + "intermediate.dense"),
            Rule("blocks.{i}.mlp.down", LAYER + "output.dense"),
            Rule("blocks.{i}.mlp_norm", LAYER + "output.LayerNorm"),
            Rule("pooler", "bert.pooler.dense"),
            Rule("head", "classifier"),  # of a classifier
        ),
    ),
)
