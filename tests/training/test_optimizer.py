"""The optimizers: which parameter is in which, and the steps that they make."""

import copy

import pytest
import torch

from groundup.errors import UserError
from groundup.methods.next_token import NextToken
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.training.loop import train
from groundup.training.muon import Muon, orthogonal
from groundup.training.optimizer import make_optimizer

SHAPES = [(16, 16), (16, 16), (24, 16), (16, 24), (24, 16)]


def random_matrices(seed: int) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator) * 0.02) for shape in SHAPES]


def test_muon_takes_the_very_steps_of_pytorchs_own():
    ours, theirs = random_matrices(0), random_matrices(0)
    how = {"lr": 0.02, "momentum": 0.95, "weight_decay": 0.1}
    optimizers = Muon(ours, **how), torch.optim.Muon(theirs, **how)  # type: ignore[arg-type]
    for step in range(5):
        for mine, other, like in zip(ours, theirs, random_matrices(step + 1), strict=True):
            mine.grad, other.grad = like.detach().clone(), like.detach().clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, start in zip(ours, theirs, random_matrices(0), strict=True):
        # Products of several matrices at once may add up in another order: one rounding of bf16 a step.
        torch.testing.assert_close(mine, other, atol=5 * 0.02 * 2**-8, rtol=0)
        assert (mine - start).abs().max() > 0.02


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (30, 30)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_has_equal_singular_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    changed = orthogonal(matrix[None])[0].float()
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.mT @ changed @ right.mT  # diagonal, if the directions are the same
    kept = values > 0.05 * values[0]  # five steps do not lift the very smallest all the way
    diagonal = inner.diagonal()[kept]
    assert ((diagonal > 0.5) & (diagonal < 1.35)).all()
    assert (inner - inner.diagonal().diag()).abs().max() < 0.05


def test_the_matrices_of_the_blocks_learn_by_muon_and_everything_else_by_adamw(make_settings):
    config = ModelConfig(vocab_size=50, context_length=8, d_model=8, n_layers=2, n_heads=2)
    method = NextToken(Decoder(config))
    muon, adamw = make_optimizer(method, make_settings(optimizer="muon")).parts
    names = {id(p): name for name, p in method.named_parameters()}
    by_muon = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    by_adamw = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    assert by_muon | by_adamw == set(names.values())
    assert not by_muon & by_adamw
    assert by_muon == {
        n for n in names.values() if ".blocks." in n and n.endswith("weight") and "norm" not in n
    }
    assert all(group["weight_decay"] == 0.0 for group in adamw.param_groups)


def test_with_adamw_matrices_decay_and_vectors_do_not(make_method, make_settings):
    [adamw] = make_optimizer(make_method(), make_settings(weight_decay=0.3)).parts
    decay = {p.ndim >= 2: group["weight_decay"] for group in adamw.param_groups for p in group["params"]}
    assert decay == {True: 0.3, False: 0.0}


def test_each_group_follows_the_schedule_from_its_own_peak(make_method, make_settings):
    settings = make_settings(optimizer="muon", learning_rate=4e-3, matrix_learning_rate=0.02)
    optimizers = make_optimizer(make_method(), settings)
    optimizers.set_rates(0.25)
    assert [group["lr"] for group in optimizers.groups] == pytest.approx([0.005, 0.001, 0.001])
    optimizers.set_rates(1.0)
    assert [group["lr"] for group in optimizers.groups] == pytest.approx([0.02, 0.004, 0.004])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_what_is_remembered_brings_a_fresh_optimizer_to_the_same_next_step(
    make_method, make_settings, optimizer
):
    settings = make_settings(optimizer=optimizer)
    first = make_method()
    optimizers = make_optimizer(first, settings)

    def step(method, optimizers, seed):
        generator = torch.Generator().manual_seed(seed)
        for parameter in method.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        optimizers.step()

    step(first, optimizers, 1)
    second = copy.deepcopy(first)
    again = make_optimizer(second, settings)
    again.remember(optimizers.memory())
    for method, which in ((first, optimizers), (second, again)):
        step(method, which, 2)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_model_of_which_nothing_learns_is_one_line(make_method, make_settings, fixed, optimizer):
    method = make_method().requires_grad_(False)
    with pytest.raises(UserError, match=r"Nothing of this model learns. Choose what does") as caught:
        train(method, fixed(6), make_settings(optimizer=optimizer))
    assert "\n" not in str(caught.value)
