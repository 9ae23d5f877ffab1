"""In bf16 every family is as near to the exact result as two ways of transformers to compute in bf16."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.weights.folder import load
from groundup.zoo import FAMILIES
from tests.zoo.conftest import VOCAB_SIZE
from tests.zoo.test_conformance import ROTARY, config_of

# Measured over all shapes: 0.77 to 1.04 times the larger error of theirs.
NO_WORSE = 1.15


def off(found: Tensor, exact: Tensor) -> float:
    """The root mean square of all differences: the largest of them is a matter of luck."""
    return float((found.float() - exact).square().mean().sqrt())


@torch.no_grad()
def errors_of_theirs(folder: Any, exact: Tensor, *given: Any, **named: Any) -> list[float]:
    """The errors of transformers in bf16, with attention in single steps and, where it has it, in one."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    ways = ("eager", "sdpa") if model._supports_sdpa else ("eager",)
    found = []
    for way in ways:
        model.set_attn_implementation(way)
        assert model.config._attn_implementation == way
        found.append(off(model(*given, **named).logits, exact))
    return found


@torch.no_grad()
def exact_logits(model: Decoder, ids: Tensor, **named: Any) -> Tensor:
    """What the weights of a bf16 model give in float32, which test_conformance.py compares with theirs."""
    wide = Decoder(model.config).eval()
    wide.load_state_dict(model.state_dict())
    return wide(ids, **named)


def test_bf16_logits_are_off_by_no_more_than_those_of_transformers(case):
    model = load(case.folder, dtype=torch.bfloat16).model
    exact = exact_logits(model, case.ids)
    theirs = errors_of_theirs(case.folder, exact, case.ids)
    with torch.no_grad():
        logits = model(case.ids)
    assert logits.dtype == torch.bfloat16
    ours = off(logits, exact)
    assert 0 < ours < NO_WORSE * max(theirs), (ours, theirs)
    assert max(theirs) < 0.02 * exact.std()  # otherwise they would allow anything


@pytest.mark.parametrize("name", ROTARY)
def test_a_bf16_model_turns_far_positions_by_exact_angles(name, tmp_path):
    """bf16 has 8 bits: a position above 256, or its angle, cannot be held in it."""
    family = FAMILIES.get(name)
    sizes = {"vocab_size": VOCAB_SIZE, "d_model": 64, "n_layers": 1, "n_heads": 2, "d_head": 32, "d_ff": 8}
    config = ModelConfig(**{**family.defaults, **sizes, "context_length": 32_768, "window": 32_768})
    theirs = AutoModelForCausalLM.from_config(config_of(family, config), dtype=torch.bfloat16).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator).to(parameter)
    theirs.save_pretrained(tmp_path)
    model = Decoder(config).to(torch.bfloat16).eval()
    family.table.pull(model, theirs.state_dict(), tied=config.tie_embeddings)
    places = torch.tensor([0, 1, 700, 7001, 20_047, 30_001, 32_766, 32_767])
    ids = torch.arange(8)[None] * 30
    exact = exact_logits(model, ids, positions=places)
    worst = max(errors_of_theirs(tmp_path, exact, ids, position_ids=places[None]))
    with torch.no_grad():
        ours = off(model(ids, positions=places), exact)
    assert 0 < ours < NO_WORSE * worst, (ours, worst)
    assert worst < 0.02 * exact.std()
