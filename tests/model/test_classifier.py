"""A classifier's answer depends on the text alone: not on padding, nor on its neighbours in a batch."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.model.classifier import Classifier
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.model.lora import add_lora
from groundup.zoo import FAMILIES

SIZES: dict[str, Any] = {"vocab_size": 60, "context_length": 24, "d_model": 32, "n_layers": 2, "n_heads": 4}
LENGTHS = torch.tensor([9, 1, 14, 5])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def classifier(name: str) -> Classifier:
    """A tiny classifier of this family, all its numbers shaken."""
    family = FAMILIES.get(name)
    config = ModelConfig(**{**family.defaults, **SIZES})
    model = Classifier(family.model(config), 3, generator=seeded()).eval()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.2 * torch.randn(parameter.shape, generator=seeded(number))
    return model


def texts() -> list[Tensor]:
    return [torch.randint(0, 60, (int(length),), generator=seeded(int(length))) for length in LENGTHS]


def padded(length: int, fill: int) -> Tensor:
    ids = torch.full((len(LENGTHS), length), fill)
    for row, text in zip(ids, texts(), strict=True):
        row[: len(text)] = text
    return ids


@pytest.mark.parametrize("name", FAMILIES.names())
@torch.no_grad()
def test_the_same_text_with_any_padding_gets_the_same_logits(name):
    model = classifier(name)
    alone = torch.cat([model(text[None], torch.tensor([len(text)])) for text in texts()])  # (B, C)
    assert alone.std(0).min() > 1e-2, "the texts must be told apart, or nothing is tested"
    for length in (14, 15, 24):
        for fill in (0, 7, 59):
            assert_close(model(padded(length, fill), LENGTHS), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", FAMILIES.names())
@torch.no_grad()
def test_every_real_token_matters_and_none_of_the_padding(name):
    model, ids = classifier(name), padded(20, 3)
    before = model(ids, LENGTHS)
    for place in range(20):
        changed = ids.clone()
        changed[:, place] = (changed[:, place] + 1) % 60
        moved = (model(changed, LENGTHS) - before).abs().amax(1)  # (B,)
        assert (moved[place < LENGTHS] > 1e-4).all(), place
        assert (moved[place >= LENGTHS] < 1e-6).all(), place


@torch.no_grad()
def test_a_decoder_is_read_off_its_last_real_token_by_a_matrix_without_bias():
    model = classifier("gpt2")
    assert model.head.bias is None
    text = texts()[0][None]
    whole = Decoder(model.config).eval()
    whole.load_state_dict({**model.model.state_dict(), "unembed.weight": model.tokens.weight})
    expected = whole.hidden(text)[0, -1] @ model.head.weight.T
    assert_close(model(padded(14, 0), LENGTHS)[0], expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_an_encoder_is_read_off_its_pooled_token_by_a_matrix_with_bias():
    model = classifier("bert")
    assert isinstance(model.model, Encoder) and model.head.bias is not None
    pooled = model.model(texts()[2][None])[1]
    assert_close(model(padded(20, 0), LENGTHS)[2], model.head(pooled)[0], atol=1e-5, rtol=0)


def test_dropout_is_an_encoders_own_unless_another_is_asked_for():
    config = ModelConfig(**{**FAMILIES.get("bert").defaults, **SIZES, "dropout": 0.1})
    assert Classifier(Encoder(config), 2).drop.p == 0.1
    assert Classifier(Encoder(config), 2, 0.3).drop.p == 0.3
    assert Classifier(Decoder(ModelConfig(**SIZES, dropout=0.1)), 2).drop.p == 0.0
    learning = Classifier(Decoder(ModelConfig(**SIZES)), 2, 0.5).train()
    once, twice = (learning(padded(14, 0), LENGTHS) for _ in range(2))
    assert not torch.equal(once, twice)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_all_that_learns_gets_a_gradient_and_the_model_given_stays_whole(name):
    family = FAMILIES.get(name)
    given = family.model(ModelConfig(**{**family.defaults, **SIZES}))
    names = [n for n, _ in given.named_parameters()]
    model = Classifier(given, 2)
    model(padded(14, 0), LENGTHS).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert [n for n, _ in given.named_parameters()] == names
    assert given.blocks is model.model.blocks
    if isinstance(given, Decoder):
        assert given(padded(14, 0)).shape == (4, 14, 60)


def test_an_encoder_without_a_pooler_gets_one_that_learns():
    given = Encoder(ModelConfig(**{**FAMILIES.get("bert").defaults, **SIZES}))
    given.pooler = None
    model = Classifier(given, 2, generator=seeded())
    assert given.pooler is None
    assert isinstance(model.model, Encoder) and model.model.pooler is not None
    assert model.model.pooler.weight.requires_grad
    again = Classifier(given, 2, generator=seeded())
    assert torch.equal(again.head.weight, model.head.weight)


def test_lora_freezes_what_was_there_before_the_head():
    given = add_lora(Decoder(ModelConfig(**SIZES)), rank=2, alpha=2)
    model = Classifier(given, 2)
    learn = [name for name, p in model.named_parameters() if p.requires_grad]
    assert "head.weight" in learn
    assert all("lora_" in name for name in learn if name != "head.weight")
    with pytest.raises(UserError, match="The embeddings and the head cannot have it"):
        add_lora(Classifier(Decoder(ModelConfig(**SIZES)), 2), rank=2, alpha=2, targets="head")


def test_the_head_has_the_models_numbers_and_place_and_learns_when_it_does():
    assert Classifier(Decoder(ModelConfig(**SIZES)), 2).drop.training
    model = Classifier(Decoder(ModelConfig(**SIZES)).to(torch.bfloat16).eval(), 4)
    assert not model.training and not model.drop.training
    assert model.head.weight.dtype == torch.bfloat16
    assert model.n_labels == 4 and model.head.weight.shape == (4, 32)
