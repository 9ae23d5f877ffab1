"""The encoder: everything sees everything but padding, its start, and one line for what it cannot be."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder

TINY: dict[str, Any] = {"vocab_size": 40, "context_length": 12, "d_model": 16, "n_layers": 1, "n_heads": 2}
BOTH_WAYS: dict[str, Any] = {"causal": False, "norm_position": "post", "n_segments": 2}


def shaken(**fields: Any) -> Encoder:
    """A model with all numbers away from their start, norms and biases too."""
    generator = torch.Generator().manual_seed(3)
    model = Encoder(ModelConfig(**{**TINY, **BOTH_WAYS, **fields})).initialise(generator).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


def test_the_encoder_equals_attention_written_out():
    """One layer, in loops: scores of each head, softmax over the real tokens, norms after the sums."""
    model, ids, segments, length = shaken(), torch.arange(7) * 5 % 40, torch.tensor([0, 0, 1, 1, 1, 1, 1]), 5
    block: Any = model.blocks[0]
    part = block.attention
    with torch.no_grad():
        assert model.segments is not None and model.pooler is not None
        x = model.tokens.weight[ids] + model.positions.weight[:7] + model.segments.weight[segments]
        x = model.embedding_norm(x)
        query, key, value = (layer(x).view(7, 2, 8) for layer in (part.query, part.key, part.value))
        gathered = torch.zeros(7, 2, 8)
        for head in range(2):
            for i in range(7):
                scores = torch.stack([query[i, head] @ key[j, head] for j in range(length)]) / math.sqrt(8)
                gathered[i, head] = scores.softmax(0) @ value[:length, head]
        x = block.attention_norm(x + part.output(gathered.flatten(1)))
        x = block.mlp_norm(x + block.mlp(x))
        hidden, pooled = model(ids[None], segments[None], torch.tensor([length]))
    assert_close(hidden[0], x, atol=1e-5, rtol=0)
    assert_close(pooled[0], torch.tanh(model.pooler(x[0])), atol=1e-5, rtol=0)


def test_a_token_changes_what_stands_before_it_too():
    model, ids = shaken(), torch.arange(12)[None]
    for place in range(12):
        other = ids.clone()
        other[0, place] = 39
        with torch.no_grad():
            assert ((model(other)[0] - model(ids)[0]).abs().amax(-1) > 1e-6).all()


def test_segments_are_0_where_none_are_given():
    model, ids = shaken(), torch.arange(12)[None]
    with torch.no_grad():
        assert torch.equal(model(ids)[0], model(ids, torch.zeros_like(ids))[0])
        assert not torch.equal(model(ids)[0], model(ids, torch.ones_like(ids))[0])


def test_nothing_but_padding_asks_for_a_mask(monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[Tensor | None, bool]] = []
    real = torch.nn.functional.scaled_dot_product_attention

    def watched(*args: Any, **named: Any) -> Tensor:
        seen.append((named["attn_mask"], named["is_causal"]))
        return real(*args, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    model = shaken()
    model(torch.zeros(2, 7, dtype=torch.long))
    model(torch.zeros(2, 7, dtype=torch.long), lengths=torch.tensor([3, 7]))
    assert seen[0] == (None, False)
    mask, is_causal = seen[1]
    assert mask is not None
    assert not is_causal
    assert mask.expand(2, 1, 7, 7).sum(-1).flatten().tolist() == [3] * 7 + [7] * 7


def test_a_start_has_the_spread_of_bert_and_depends_on_its_generator_alone():
    config = ModelConfig(**{**TINY, **BOTH_WAYS, "d_model": 96, "n_layers": 2, "vocab_size": 500})
    models = [Encoder(config).initialise(torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    first, same, other = (torch.cat([p.flatten() for p in model.parameters()]) for model in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    for name, parameter in models[0].state_dict().items():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            assert abs(float(parameter.std()) / 0.02 - 1) < 0.15, name


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"causal": True}, "An encoder cannot have causal=True"),
        ({"norm_position": "pre"}, "norm_position='pre'"),
        ({"position": "rope"}, "position='rope'"),
        ({"window": 3, "layer_pattern": "L"}, "no windows"),
        ({"scale_embeddings": True}, "does not scale embeddings"),
    ],
)
def test_what_an_encoder_does_not_compute_is_refused_in_one_line(fields: dict[str, Any], told: str):
    with pytest.raises(UserError, match=told) as caught:
        Encoder(ModelConfig(**{**TINY, **BOTH_WAYS, **fields}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fields", [{"causal": False}, {"norm_position": "post"}, {"n_segments": 2}])
def test_a_decoder_refuses_what_only_an_encoder_computes(fields: dict[str, Any]):
    with pytest.raises(UserError, match="A decoder cannot have causal=") as caught:
        Decoder(ModelConfig(**{**TINY, **fields}))
    name, value = next(iter(fields.items()))
    assert f"{name}={value!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_that_is_too_long_and_segments_that_are_not_known_are_refused_in_one_line():
    with pytest.raises(UserError, match="13 tokens do not fit the model's context of 12"):
        shaken()(torch.zeros(1, 13, dtype=torch.long))
    ids = torch.zeros(1, 3, dtype=torch.long)
    with pytest.raises(UserError, match="knows no segments"):
        shaken(n_segments=0)(ids, ids)
