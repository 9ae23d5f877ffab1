"""Parameters and arithmetic, counted from the configuration alone, are the model's own in every family."""

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from groundup.model.config import ModelConfig
from groundup.model.counting import block_matrices, count_parameters, flops_per_token
from groundup.model.decoder import Decoder
from groundup.model.layers import Block
from groundup.zoo import FAMILIES
from groundup.zoo._family import Family

SMALL = {"vocab_size": 97, "context_length": 24, "d_model": 24, "n_layers": 3, "n_heads": 4}
SHAPES: dict[str, dict[str, Any]] = {
    "as the family has it": {},
    "tied": {"tie_embeddings": True},
    "untied": {"tie_embeddings": False},
    "two heads share a key": {"n_kv_heads": 2},
    "wide heads, own width inside": {"d_head": 10, "d_ff": 50},
    "a layer that sees little": {"layer_pattern": "LG", "window": 5},
    "every bias, normalised keys, LayerNorm": {
        "qkv_bias": True,
        "out_bias": True,
        "mlp_bias": True,
        "qk_norm": True,
        "norm": "layer",
    },
}
DECODERS = [family for family in FAMILIES.all() if family.model is Decoder]
FAMILY = pytest.mark.parametrize("family", DECODERS, ids=lambda family: family.name)
SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def make(family: Family, shape: dict[str, Any]) -> ModelConfig:
    return ModelConfig(**{**SMALL, **family.defaults, **shape})


@FAMILY
@SHAPE
def test_the_count_is_that_of_the_model(family: Family, shape: dict[str, Any]) -> None:
    config = make(family, shape)
    model = Decoder(config)
    assert count_parameters(config) == model.n_parameters()
    assert count_parameters(config, embeddings=False) == model.n_parameters(embeddings=False)
    inside = (p for m in model.modules() if isinstance(m, Block) for p in m.parameters() if p.ndim == 2)
    assert block_matrices(config) == sum(p.numel() for p in inside)


@FAMILY
def test_the_count_is_that_of_the_model_for_the_smallest_published_size(family: Family) -> None:
    config = ModelConfig(**{**family.defaults, **next(iter(family.sizes.values()))})
    with torch.device("meta"):  # shapes without numbers, so a large model costs nothing
        assert count_parameters(config) == Decoder(config).n_parameters()


def test_gpt2_has_the_published_numbers_of_parameters() -> None:
    sizes = FAMILIES.get("gpt2").sizes.values()
    counts = [count_parameters(ModelConfig(**size)) for size in sizes]
    assert counts == [124_439_808, 354_823_168, 774_030_080, 1_557_611_200]


@FAMILY
@SHAPE
def test_the_arithmetic_is_what_pytorch_counts_forward_and_backward(
    family: Family, shape: dict[str, Any]
) -> None:
    config, length = make(family, shape), 16
    model = Decoder(config)
    ids = torch.arange(2 * length).view(2, length)
    # The kernel that writes all scores out: the fused ones count what they compute a second time.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        model(ids).sum().backward()
    assert flops_per_token(config, length) * ids.numel() == counted.get_total_flops()


def test_the_16m_model_costs_what_was_worked_out_by_hand() -> None:
    config = ModelConfig(vocab_size=50_304, context_length=1024, d_model=256, n_layers=4, n_heads=8)
    blocks, head, scores = 4 * 12 * 256**2, 50_304 * 256, 4 * 256 * 512
    assert flops_per_token(config, 512) == 6 * (blocks + head) + 12 * scores == 102_432_768
