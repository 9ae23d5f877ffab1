"""Every method: a module whose loss is a sum over what counts, so that ragged batches add up to one."""

import pytest
import torch

from groundup.methods import METHODS, Method
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder

CONFIG = ModelConfig(vocab_size=60, context_length=12, d_model=16, n_layers=2, n_heads=2)


@pytest.fixture(params=METHODS.names())
def method(request: pytest.FixtureRequest) -> Method:
    """Every method around a tiny model in float64."""
    model = Decoder(CONFIG).initialise(torch.Generator().manual_seed(0))
    return METHODS.get(request.param)(model).double()


def test_a_method_is_a_class_that_says_what_it_reads(method):
    assert isinstance(method, Method)
    assert (type(method).__doc__ or "").strip()
    assert type(method).forward is not Method.forward


def test_its_loss_is_one_finite_sum_and_its_count_a_whole_number(method):
    loss, count = method(method.example(60, 4, 10))
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert loss > 0
    assert isinstance(count, int)
    assert count > 0


def test_the_model_that_is_learned_gets_a_gradient_everywhere(method):
    loss, _ = method(method.example(60, 4, 10))
    loss.backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def gradient(method: Method, batches: list[dict[str, torch.Tensor]]) -> tuple[float, int, torch.Tensor]:
    """Loss, count and gradient, added up over micro-batches."""
    method.zero_grad()
    total, count = 0.0, 0
    for batch in batches:
        loss, counted = method(batch)
        loss.backward()
        total, count = total + loss.item(), count + counted
    return total, count, torch.cat([p.grad.flatten() for p in method.parameters() if p.grad is not None])


@pytest.mark.parametrize("rows", [(5, 1), (1, 2, 3), (1,) * 6])
def test_ragged_micro_batches_add_up_to_one_batch(method, rows):
    whole = method.example(60, 6, 10)
    pieces = [
        dict(zip(whole, parts, strict=True))
        for parts in zip(*(t.split(rows) for t in whole.values()), strict=True)
    ]
    one, many = gradient(method, [whole]), gradient(method, pieces)
    assert one[0] == pytest.approx(many[0], rel=1e-12)
    assert one[1] == many[1]
    assert (one[2] - many[2]).norm() < 1e-12 * one[2].norm()


def test_an_average_instead_of_a_sum_would_be_noticed(method):
    """The parts of the example must count differently, or the test above could not see the difference."""
    whole = method.example(60, 6, 10)
    counts = {
        method({name: tensor[rows] for name, tensor in whole.items()})[1] for rows in ([0], [1, 2, 3, 4, 5])
    }
    assert len(counts) > 1
