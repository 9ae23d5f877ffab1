"""Tiny random models of transformers for every family, which say what is right."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel

from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.text.tokenizer import Tokenizer
from groundup.zoo import FAMILIES
from groundup.zoo._family import Family

VOCAB_SIZE = 270  # the 261 tokens of the byte tokenizer, and a few ids without a token
LLAMA = {
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": 24,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 44,
    "tie_word_embeddings": False,
}
GEMMA = LLAMA | {"head_dim": 14, "tie_word_embeddings": True}
GPT2 = {"vocab_size": VOCAB_SIZE, "n_positions": 24, "n_embd": 32, "n_layer": 2, "n_head": 4}
GPT_NEO = {
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": 24,
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 1]],
    "window_size": 5,
}
BERT = {
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": 24,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 44,
}
SLOWED = {  # of the angles of a head of eight, one is left alone, one is in the passage, two are divided
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 0.2,
    "high_freq_factor": 2.0,
    "original_max_position_embeddings": 16,
}


@dataclass(frozen=True)
class Examples:
    """What the conformance test needs to know of a family: shapes, and what old files of it hold besides."""

    shapes: dict[
        str, dict[str, Any]
    ]  # fields of its config class in transformers, by what is special in them
    leftover: tuple[str, ...]  # buffers that old files hold, and that mean nothing


EXAMPLES = {
    "gpt2": Examples(
        shapes={
            "plain": GPT2,
            "three heads of five": GPT2 | {"n_embd": 15, "n_head": 3},
            "one head": GPT2 | {"n_head": 1, "n_layer": 3},
            "exact gelu, untied": GPT2 | {"activation_function": "gelu", "tie_word_embeddings": False},
            "silu, own width, eps": GPT2
            | {"activation_function": "silu", "n_inner": 20, "layer_norm_epsilon": 1e-3},
            "unscaled attention": GPT2 | {"scale_attn_weights": False},
        },
        leftover=(
            "transformer.h.0.attn.bias",
            "h.1.attn.bias",
            "h.1.attn.masked_bias",
            "transformer.h.0.attn.masked_bias",
        ),
    ),
    "llama": Examples(
        shapes={
            "two heads share one key": LLAMA,
            "three heads share one key": LLAMA
            | {"hidden_size": 36, "num_attention_heads": 6, "num_key_value_heads": 2},
            "five heads, odd widths": LLAMA
            | {"hidden_size": 35, "num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": 6},
            "one key for all, tied": LLAMA | {"num_key_value_heads": 1, "tie_word_embeddings": True},
            "biases": LLAMA | {"attention_bias": True, "mlp_bias": True},
            "gelu, eps, far rotation": LLAMA
            | {"hidden_act": "gelu_pytorch_tanh", "rms_norm_eps": 1e-3, "rope_theta": 500_000.0},
            "angles divided by three": LLAMA
            | {"rope_parameters": {"rope_type": "linear", "rope_theta": 5000.0, "factor": 3.0}},
            "slow angles divided, as in Llama 3": LLAMA | {"rope_parameters": SLOWED},
        },
        leftover=("model.layers.0.self_attn.rotary_emb.inv_freq", "layers.1.self_attn.rotary_emb.inv_freq"),
    ),
    "mistral": Examples(
        shapes={
            "a window of five": LLAMA | {"sliding_window": 5},
            "a window of one, one key for all, tied": LLAMA
            | {"sliding_window": 1, "num_key_value_heads": 1, "tie_word_embeddings": True},
            "a window of all but one": LLAMA | {"sliding_window": 23, "num_key_value_heads": 4},
            "a window of all, wide heads": LLAMA | {"sliding_window": 24, "head_dim": 14},
            "no window, three heads": LLAMA
            | {"sliding_window": None, "hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 3},
        },
        leftover=("model.layers.0.self_attn.rotary_emb.inv_freq",),
    ),
    "gpt_neo": Examples(
        shapes={
            "a window of five": GPT_NEO,
            "three heads, local first": GPT_NEO
            | {
                "hidden_size": 15,
                "num_heads": 3,
                "attention_types": [[["local", "global"], 1], [["local"], 1]],
            }
            | {"num_layers": 3},
            "a window of all but one": GPT_NEO | {"window_size": 23},
            "a window of all, untied": GPT_NEO | {"window_size": 24, "tie_word_embeddings": False},
            "no windows, own width, eps": GPT_NEO
            | {"attention_types": [[["global"], 2]], "intermediate_size": 20, "layer_norm_epsilon": 1e-3},
        },
        leftover=(
            "transformer.h.0.attn.attention.bias",
            "h.1.attn.attention.bias",
            "h.1.attn.attention.masked_bias",
        ),
    ),
    "qwen2": Examples(
        shapes={
            "two heads share one key": LLAMA,
            "three heads share one key, tied": LLAMA
            | {"hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 1}
            | {"tie_word_embeddings": True},
            "one key for all, wide heads, far rotation": LLAMA
            | {"num_key_value_heads": 1, "head_dim": 14, "rope_theta": 1_000_000.0},
            "a key for each head": LLAMA | {"num_key_value_heads": 4},
        },
        leftover=("model.layers.0.self_attn.rotary_emb.inv_freq",),
    ),
    "bert": Examples(
        shapes={
            "plain": BERT,
            "three heads of five": BERT
            | {"hidden_size": 15, "num_attention_heads": 3, "num_hidden_layers": 3},
            "one segment, own width": BERT | {"type_vocab_size": 1, "intermediate_size": 20},
            "gelu_new, eps": BERT | {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3},
        },
        leftover=("bert.embeddings.position_ids", "cls.predictions.bias", "cls.seq_relationship.weight"),
    ),
    "gemma": Examples(
        shapes={
            "wide heads, one key for all": GEMMA | {"num_key_value_heads": 1},
            "three heads share one key": GEMMA
            | {"hidden_size": 36, "num_attention_heads": 6, "num_key_value_heads": 2},
            "five heads, odd width, untied": GEMMA
            | {"hidden_size": 35, "num_attention_heads": 5, "num_key_value_heads": 5}
            | {"tie_word_embeddings": False},
            "biases, eps, far rotation": GEMMA
            | {"attention_bias": True, "rms_norm_eps": 1e-3, "rope_theta": 500_000.0},
        },
        leftover=("model.layers.0.self_attn.rotary_emb.inv_freq",),
    ),
    "qwen3": Examples(
        shapes={
            "two heads share one key": LLAMA | {"head_dim": 8},
            "wide heads, tied": LLAMA | {"head_dim": 14, "tie_word_embeddings": True},
            "biases": LLAMA | {"head_dim": 8, "attention_bias": True},
            "three heads share one key": LLAMA
            | {"hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10},
            "one key for all, far rotation": LLAMA
            | {"num_key_value_heads": 1, "head_dim": 8, "rope_theta": 1_000_000.0},
            "a key for each head, slow angles divided": LLAMA
            | {"num_key_value_heads": 4, "head_dim": 8, "rope_parameters": SLOWED},
        },
        leftover=("model.layers.0.self_attn.rotary_emb.inv_freq",),
    ),
}


@dataclass(frozen=True)
class Case:
    """One tiny model of transformers, all its numbers shaken, and the folder that it wrote itself."""

    family: Family
    theirs: PreTrainedModel
    folder: Path
    ids: Tensor  # (B, T) a text as long as the context


DECODERS = [family.name for family in FAMILIES.all() if family.model is Decoder]
ENCODERS = [family.name for family in FAMILIES.all() if family.model is Encoder]


def shapes_of(names: list[str]) -> list[tuple[str, str]]:
    """(family, shape) for all shapes of these families."""
    return [
        (name, shape) for name in names for shape in (EXAMPLES[name].shapes if name in EXAMPLES else [""])
    ]


def spoken(parameter: tuple[str, str]) -> str:
    """What to call a case."""
    return ": ".join(parameter)


@pytest.fixture(scope="session", params=shapes_of(DECODERS), ids=spoken)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Every shape of every family of decoders."""
    name, shape = request.param
    return make_case(name, shape, AutoModelForCausalLM, tmp_path_factory.mktemp("theirs"))


@pytest.fixture(scope="session", params=shapes_of(ENCODERS), ids=spoken)
def encoder_case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Every shape of every family of encoders."""
    name, shape = request.param
    return make_case(name, shape, AutoModel, tmp_path_factory.mktemp("theirs"))


def make_case(name: str, shape: str, opener: Any, folder: Path) -> Case:
    """A tiny model of this shape, shaken and saved by transformers, and the texts to try it with."""
    family = FAMILIES.get(name)
    config = AutoConfig.for_model(
        family.model_type, **examples(family).shapes[shape], bos_token_id=0, eos_token_id=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = opener.from_config(config).eval()
        with torch.no_grad():
            # Norms and biases too: left at 1 and 0 they would hide mistakes.
            for parameter in theirs.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        ids = torch.randint(1, VOCAB_SIZE, (2, 24))
    theirs.save_pretrained(folder)
    Tokenizer.from_bytes().save(folder)
    return Case(family, theirs, folder, ids)


@pytest.fixture(params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> Family:
    """Every family."""
    return FAMILIES.get(request.param)


@pytest.fixture(params=DECODERS)
def decoder_family(request: pytest.FixtureRequest) -> Family:
    """Every family of decoders."""
    return FAMILIES.get(request.param)


@pytest.fixture
def leftover(case: Case) -> tuple[str, ...]:
    """The buffers that old files of this family hold besides the weights."""
    return examples(case.family).leftover


def examples(family: Family) -> Examples:
    """The family's row of the table; a new family must bring one."""
    assert family.name in EXAMPLES, f"Give {family.name!r} a row in EXAMPLES, in tests/zoo/conftest.py."
    return EXAMPLES[family.name]
