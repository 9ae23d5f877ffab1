"""The decoder: its start, its size, its limits."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.model.cache import KVCache
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.zoo import FAMILIES

TINY: dict[str, Any] = {"vocab_size": 40, "context_length": 12, "d_model": 16, "n_layers": 2, "n_heads": 2}


def shaken(config: ModelConfig) -> Decoder:
    """A model with all numbers away from their start, norms and biases too."""
    generator = torch.Generator().manual_seed(3)
    model = Decoder(config).initialise(generator).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


def test_a_start_has_the_spreads_of_gpt2():
    config = ModelConfig(vocab_size=500, context_length=64, d_model=96, n_layers=8, n_heads=4)
    model = Decoder(config).initialise(torch.Generator().manual_seed(0))
    for name, parameter in model.state_dict().items():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            writes = name.endswith(("attention.output.weight", "mlp.down.weight"))
            expected = 0.02 / math.sqrt(16) if writes else 0.02
            assert abs(float(parameter.std()) / expected - 1) < 0.05, name
            assert abs(float(parameter.mean())) < 0.05 * expected, name


def test_a_start_depends_on_its_generator_alone():
    models = []
    for global_seed, seed in [(1, 5), (2, 5), (2, 6)]:
        torch.manual_seed(global_seed)
        models.append(Decoder(ModelConfig(**TINY)).initialise(torch.Generator().manual_seed(seed)))
    first, same, other = (torch.cat([p.flatten() for p in model.parameters()]) for model in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_the_first_loss_is_that_of_gpt2s_tied_start():
    """Logits are sums of d products of a normalised number with one of spread 0.02: ln V + d * 0.02^2 / 2."""
    config = ModelConfig(vocab_size=8192, context_length=1024, d_model=512, n_layers=1, n_heads=4)
    model = Decoder(config).initialise(torch.Generator().manual_seed(0)).eval()
    ids, targets = torch.randint(8192, (2, 1, 1024), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        loss = float(F.cross_entropy(model(ids)[0], targets[0]))
    assert abs(loss - (math.log(8192) + 512 * 0.02**2 / 2)) < 0.02


@pytest.mark.parametrize(
    "size, expected",
    [("124M", 124_439_808), ("355M", 354_823_168), ("774M", 774_030_080), ("1558M", 1_557_611_200)],
)
def test_gpt2_has_the_published_number_of_parameters(size: str, expected: int):
    config = ModelConfig(**FAMILIES.get("gpt2").sizes[size])
    with torch.device("meta"):
        model = Decoder(config)
    d, layers = config.d_model, config.n_layers
    blocks = layers * (12 * d * d + 13 * d) + 2 * d
    assert model.n_parameters(embeddings=False) == blocks
    assert model.n_parameters() == blocks + (50_257 + 1_024) * d == expected


def test_untied_ends_count_twice_and_rotary_positions_count_nothing():
    tied, untied = (Decoder(ModelConfig(**TINY, tie_embeddings=tie)) for tie in (True, False))
    assert untied.n_parameters() - tied.n_parameters() == 40 * 16
    assert untied.n_parameters(embeddings=False) == tied.n_parameters(embeddings=False)
    rope = Decoder(ModelConfig(**TINY, position="rope"))
    assert tied.n_parameters() - rope.n_parameters() == 12 * 16


def test_a_text_longer_than_the_context_is_refused_in_one_line():
    model = Decoder(ModelConfig(**TINY))
    with pytest.raises(UserError, match="13 tokens do not fit the model's context of 12"):
        model(torch.zeros(1, 13, dtype=torch.long))
    cache = KVCache(model.config, 1, 12)
    with torch.no_grad():
        model(torch.zeros(1, 10, dtype=torch.long), cache=cache)
        with pytest.raises(UserError, match="13 tokens do not fit the model's context of 12"):
            model(torch.zeros(1, 3, dtype=torch.long), cache=cache)


def test_a_cache_that_is_too_small_says_so_in_one_line():
    model = Decoder(ModelConfig(**TINY))
    with torch.no_grad(), pytest.raises(UserError, match="5 tokens do not fit a cache of 4"):
        model(torch.zeros(1, 5, dtype=torch.long), cache=KVCache(model.config, 1, 4))


def test_scaled_embeddings_are_multiplied_by_the_root_of_the_width():
    plain, scaled = (shaken(ModelConfig(**TINY, position="rope", scale_embeddings=s)) for s in (False, True))
    with torch.no_grad():
        plain.tokens.weight.mul_(4.0)  # the root of 16
        scaled.unembed.weight = torch.nn.Parameter(plain.unembed.weight.clone())
        scaled.tokens.weight = torch.nn.Parameter(plain.tokens.weight / 4.0)
        assert_close(scaled(torch.arange(12)[None]), plain(torch.arange(12)[None]), atol=1e-5, rtol=0)


def test_dropout_is_at_work_while_training_and_absent_while_evaluating():
    model, ids = shaken(ModelConfig(**TINY, dropout=0.5)), torch.arange(12)[None]
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))
