"""Tiny random models of transformers for every family, which say what is right."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

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
GPT2 = {"vocab_size": VOCAB_SIZE, "n_positions": 24, "n_embd": 32, "n_layer": 2, "n_head": 4}


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
        },
        leftover=("model.layers.0.self_attn.rotary_emb.inv_freq", "layers.1.self_attn.rotary_emb.inv_freq"),
    ),
    "qwen3": Examples(
        shapes={
            "two heads share one key": LLAMA | {"head_dim": 8},
            "wide heads, tied": LLAMA | {"head_dim": 14, "tie_word_embeddings": True},
            "biases": LLAMA | {"head_dim": 8, "attention_bias": True},
            "three heads share one key": LLAMA
            | {"hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10},
            "far rotation": LLAMA | {"head_dim": 8, "rope_theta": 1_000_000.0},
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


CASES = [
    (name, shape)
    for name in FAMILIES.names()
    for shape in (EXAMPLES[name].shapes if name in EXAMPLES else [""])
]


@pytest.fixture(scope="session", params=CASES, ids=[f"{name}: {shape}" for name, shape in CASES])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Every shape of every family."""
    name, shape = request.param
    family = FAMILIES.get(name)
    config = AutoConfig.for_model(
        family.model_type, **examples(family).shapes[shape], bos_token_id=0, eos_token_id=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        theirs = AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for (
                parameter
            ) in theirs.parameters():  # norms and biases too: left at 1 and 0 they would hide mistakes
                parameter += 0.05 * torch.randn_like(parameter)
        ids = torch.randint(VOCAB_SIZE, (2, 24))
    folder = tmp_path_factory.mktemp("theirs")
    theirs.save_pretrained(folder)
    Tokenizer.from_bytes().save(folder)
    return Case(family, theirs, folder, ids)


@pytest.fixture(params=FAMILIES.names())
def family(request: pytest.FixtureRequest) -> Family:
    """Every family."""
    return FAMILIES.get(request.param)


@pytest.fixture
def leftover(case: Case) -> tuple[str, ...]:
    """The buffers that old files of this family hold besides the weights."""
    return examples(case.family).leftover


def examples(family: Family) -> Examples:
    """The family's row of the table; a new family must bring one."""
    assert family.name in EXAMPLES, f"Give {family.name!r} a row in EXAMPLES, in tests/zoo/conftest.py."
    return EXAMPLES[family.name]
