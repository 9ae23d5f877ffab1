"""Classification against PyTorch's own loss, with weights and without, in value and in every gradient."""

import tomllib
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.methods.classify import METHOD, Classify, Settings, balanced_weights
from groundup.model.classifier import Classifier
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.settings import build, to_table, to_toml
from groundup.training.loop import train
from groundup.training.settings import TrainSettings
from groundup.zoo import FAMILIES

SIZES: dict[str, Any] = {"vocab_size": 60, "context_length": 12, "d_model": 16, "n_layers": 2, "n_heads": 2}
COUNTS = (70, 20, 10)
BALANCED = Settings(class_weights="balanced")


def model(kind: str = "gpt2", n_labels: int = 3) -> Classifier:
    family = FAMILIES.get(kind)
    body = family.model(ModelConfig(**{**family.defaults, **SIZES}))
    body.initialise(torch.Generator().manual_seed(0))
    return Classifier(body, n_labels, generator=torch.Generator().manual_seed(1))


def batch(labels: list[int]) -> dict[str, torch.Tensor]:
    return Classify.example(60, len(labels), 10) | {"labels": torch.tensor(labels)}


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
@pytest.mark.parametrize("weighted", [False, True])
def test_divided_by_its_count_it_is_pytorchs_mean_loss_in_value_and_gradient(kind, weighted):
    method = Classify(model(kind), settings=BALANCED if weighted else None, counts=COUNTS).double()
    given = batch([0, 2, 1, 0, -100, 2])
    parameters = list(method.parameters())
    loss, count = method(given)
    weights = torch.tensor([100 / 3 / n for n in COUNTS], dtype=torch.float64) if weighted else None
    logits = method.model(given["ids"], given["lengths"])
    expected = F.cross_entropy(logits, given["labels"], weights)  # the mean, by weight
    if weighted:
        assert count == pytest.approx(100 / 3 * (2 / 70 + 1 / 20 + 2 / 10), rel=1e-6)
    else:
        assert (count, type(count)) == (5, int)
    # The weights are kept in float32.
    assert_close(loss / count, expected, atol=1e-6 if weighted else 1e-12, rtol=0)
    found = torch.autograd.grad(loss / count, parameters)
    assert_close(found, torch.autograd.grad(expected, parameters), atol=1e-6 if weighted else 1e-12, rtol=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [(5, 1), (1, 2, 3), (1,) * 6])
def test_ragged_micro_batches_give_the_step_of_one_batch_with_weights_too(weighted, rows):
    class Parts:
        def __init__(self, rows: tuple[int, ...]):
            whole = batch([0, 0, 2, 1, 0, 0])
            pieces = zip(*(t.split(rows) for t in whole.values()), strict=True)
            self.parts = [dict(zip(whole, part, strict=True)) for part in pieces]

        def at(self, step: int) -> list[dict[str, torch.Tensor]]:
            return self.parts

    settings = TrainSettings(
        steps=2,
        tokens_per_step=10,
        sequence_length=10,
        micro_batch=1,
        learning_rate=1e-2,
        precision="float32",
    )
    ends = []
    for sizes in ((6,), rows):
        method = Classify(model(), settings=BALANCED if weighted else None, counts=COUNTS).double()
        state = train(method, Parts(sizes), settings)
        ends.append((state.loss, torch.cat([p.detach().flatten() for p in method.parameters()])))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-6)  # the loop adds losses up in float32
    assert (ends[0][1] - ends[1][1]).abs().max() < 1e-9


def test_a_step_whose_weights_add_up_to_less_than_one_is_divided_by_them():
    class One:
        def at(self, step: int) -> list[dict[str, torch.Tensor]]:
            return [batch([0])]

    settings = TrainSettings(
        steps=1,
        tokens_per_step=10,
        sequence_length=10,
        micro_batch=1,
        learning_rate=1e-2,
        precision="float32",
    )
    method = Classify(model(), settings=BALANCED, counts=COUNTS)
    given = batch([0])
    expected = F.cross_entropy(method.model(given["ids"], given["lengths"]), given["labels"])
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(expected, [*method.parameters()])])
    assert balanced_weights(COUNTS)[0] < 0.5
    state = train(method, One(), settings)
    assert state.loss == pytest.approx(expected.item(), rel=1e-6)
    assert state.gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-5)


def test_balanced_weights_are_scikit_learns():
    labels = [label for label, n in enumerate(COUNTS) for _ in range(n)]
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert_close(balanced_weights(COUNTS).double(), torch.as_tensor(theirs), atol=1e-6, rtol=0)
    assert balanced_weights((5, 5)).tolist() == [1.0, 1.0]


def test_it_goes_around_a_plain_model_or_one_that_has_a_head():
    decoder = Decoder(ModelConfig(**SIZES))
    assert METHOD(decoder).model.n_labels == 2
    assert Classify(decoder, n_labels=5, settings=Settings(dropout=0.25)).model.drop.p == 0.25
    ready = model()
    assert Classify(ready).model is ready
    assert Classify(ready, settings=Settings(dropout=0.5)).model.drop.p == 0.5
    encoder = Encoder(ModelConfig(**{**FAMILIES.get("bert").defaults, **SIZES}))
    assert Classify(encoder).model.head.bias is not None


def test_settings_that_cannot_be_are_refused_by_name():
    with pytest.raises(UserError, match=r"class_weights='balance' is unknown. Known: none, balanced"):
        Settings(class_weights="balance")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="dropout = 1.0 is no share"):
        Settings(dropout=1.0)


@pytest.mark.parametrize("settings", [Settings(), Settings(class_weights="balanced", dropout=0.2)])
def test_settings_come_back_from_a_recipe_as_they_were(settings):
    assert build(Settings, tomllib.loads(to_toml(to_table(settings)))) == settings


def test_the_weights_are_no_part_of_what_is_saved():
    assert "weights" not in Classify(model(), settings=BALANCED, counts=COUNTS).state_dict()
