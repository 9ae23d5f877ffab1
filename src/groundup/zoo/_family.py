"""What a family file exports: its names, its defaults, config.json both ways, and its table of tensors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.zoo._table import NameTable


@dataclass(frozen=True)
class Family:
    """One family of models, as data and two functions."""

    name: str
    about: str
    model_type: str  # what config.json calls it
    architecture: str  # the class that transformers opens it with
    defaults: dict[str, Any]  # fields of ModelConfig that make a model this family's
    sizes: dict[str, dict[str, Any]]  # published sizes: fields of ModelConfig
    read: Callable[[dict[str, Any]], ModelConfig]  # config.json -> configuration
    write: Callable[[ModelConfig], dict[str, Any]]  # configuration -> the fields of config.json
    table: NameTable
    model: type[Decoder] | type[Encoder] = Decoder  # what computes it


ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "silu": "silu",
    "swish": "silu",
}
"""Activations as config.json calls them, and as ModelConfig does."""


def activation(config_json: dict[str, Any], name: str, default: str) -> Any:
    """The activation that config.json names under `name`. UserError for one that groundup does not have."""
    given = config_json.get(name, default)
    if given not in ACTIVATIONS:
        raise UserError(
            f"config.json has {name} {given!r}, which groundup does not know. Known: "
            f"{', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[given]


SIZES = {
    "vocab_size": "vocab_size",
    "context_length": "max_position_embeddings",
    "d_model": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
}
"""Sizes as ModelConfig calls them, and as config.json does in BERT and in all that is built like Llama."""


def read_sizes(config_json: dict[str, Any]) -> dict[str, Any]:
    """The SIZES of a config.json. UserError if one is missing."""
    return {ours: required(config_json, theirs) for ours, theirs in SIZES.items()}


def write_sizes(config: ModelConfig) -> dict[str, Any]:
    """The SIZES of a configuration, under their names."""
    written = {theirs: getattr(config, ours) for ours, theirs in SIZES.items()}
    return {**written, SIZES["d_ff"]: config.hidden_width}


def refuse(config_json: dict[str, Any], *options: str) -> None:
    """UserError if one of these options is switched on: the model would compute what groundup does not."""
    for option in options:
        if config_json.get(option):
            raise UserError(
                f"config.json switches on {option}, which groundup does not compute. Choose another model."
            )


def required(config_json: dict[str, Any], *names: str) -> Any:
    """The first of these names that stands in config.json. UserError if none does."""
    for name in names:
        if config_json.get(name) is not None:
            return config_json[name]
    raise UserError(
        f"config.json lacks {names[0]!r}. The file is incomplete: get the model's own config.json."
    )
