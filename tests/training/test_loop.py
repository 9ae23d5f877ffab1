"""The loop: what a step weighs, how AdamW moves the weights, who is told, and what stops it."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.methods.next_token import NextToken
from groundup.training.loop import State, train
from groundup.training.precision import LossScale
from groundup.training.schedule import learning_rate


def weights(method: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in method.parameters()])


@pytest.mark.parametrize("rows", [(1, 3, 2), (5, 1), (1, 1, 1, 1, 1, 1)])
def test_ragged_micro_batches_weigh_as_one_big_batch(make_method, make_settings, fixed, rows):
    logs, ends = [], []
    for cut in ((6,), rows):
        log: list[tuple[float, float, int]] = []
        method = make_method()
        train(
            method,
            fixed(*cut),
            make_settings(),
            observers=[lambda s, log=log: log.append((s.loss, s.gradient_norm, s.tokens))],
        )
        logs.append(torch.tensor(log, dtype=torch.float64))
        ends.append(weights(method))
    assert_close(logs[0], logs[1], atol=1e-6, rtol=0)  # the loss is summed in float32
    assert_close(logs[0][:, 1:], logs[1][:, 1:], atol=1e-12, rtol=0)
    assert_close(ends[0], ends[1], atol=1e-9, rtol=0)


def test_an_average_for_each_micro_batch_would_be_another_gradient(make_method, make_settings, fixed):
    """The common mistake, planted: rows with few targets then weigh more than they should."""

    class Averaged(NextToken):
        def forward(self, batch):
            loss, count = super().forward(batch)
            return loss / count, 1

    norms = []
    for method in (make_method(), Averaged(make_method().model)):
        state = train(method, fixed(1, 3, 2), make_settings(steps=1))
        norms.append(state.gradient_norm)
    assert abs(norms[1] / norms[0] - 1) > 0.05


def test_the_loss_of_a_step_is_the_mean_over_all_that_counted(make_method, make_settings, fixed):
    method = make_method()
    (batch,) = fixed(6).at(0)
    with torch.no_grad():
        logits = method.model(batch["ids"]).flatten(0, 1)
    expected = float(F.cross_entropy(logits, batch["targets"].flatten()))
    state = train(method, fixed(2, 4), make_settings(steps=1))
    assert abs(state.loss - expected) < 1e-6
    assert state.tokens == int((batch["targets"] != -100).sum())


@pytest.mark.parametrize("clip_norm", [1e9, 0.05])
def test_steps_equal_adamw_by_hand_in_float64_with_decay_on_matrices_only(
    make_method, make_settings, fixed, clip_norm
):
    settings = make_settings(steps=4, warmup_steps=2, weight_decay=0.3, clip_norm=clip_norm)
    method, reference = make_method(), make_method()
    with torch.no_grad():
        for ours, theirs in zip(method.parameters(), reference.parameters(), strict=True):
            ours += 0.1  # so that a decay of biases would show
            theirs += 0.1
    train(method, fixed(6), settings)
    parameters = list(reference.parameters())
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    for step in range(4):
        (batch,) = fixed(6).at(step)
        logits = reference.model(batch["ids"]).flatten(0, 1)
        gradients = torch.autograd.grad(F.cross_entropy(logits, batch["targets"].flatten()), parameters)
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
        assert norm > 0.05  # so that clipping has something to do
        rate, scale = learning_rate(step, settings), min(1.0, clip_norm / (norm + 1e-6))
        with torch.no_grad():
            for p, gradient, m, v in zip(parameters, gradients, first, second, strict=True):
                m.mul_(0.9).add_(0.1 * scale * gradient)
                v.mul_(0.95).add_(0.05 * (scale * gradient) ** 2)
                if p.ndim == 2:
                    p.mul_(1 - rate * 0.3)
                p -= rate * (m / (1 - 0.9 ** (step + 1))) / ((v / (1 - 0.95 ** (step + 1))).sqrt() + 1e-8)
    assert_close(weights(method), weights(reference), atol=1e-10, rtol=0)


def test_the_norm_is_told_before_clipping(make_method, make_settings, fixed):
    norms = [
        train(make_method(), fixed(6), make_settings(steps=1, clip_norm=clip)).gradient_norm
        for clip in (1e9, 1e-3)
    ]
    assert norms[0] == norms[1] > 1e-3


def test_observers_see_every_step_after_it_and_can_stop_the_loop(make_method, make_settings, fixed):
    seen = []

    def watch(state: State) -> None:
        seen.append((state.step, state.learning_rate))
        state.stop = state.step == 2

    settings = make_settings(steps=5, warmup_steps=3)
    state = train(make_method(), fixed(6), settings, observers=[watch])
    assert seen == [(1, learning_rate(0, settings)), (2, learning_rate(1, settings))]
    assert state.step == 2


def test_a_state_goes_on_where_it_stands(make_method, make_settings, fixed):
    whole, parts = make_method(), make_method()
    train(whole, fixed(6), make_settings())
    state = State.fresh(parts, make_settings())
    for stop_at in (1, 2, 3):
        state.stop = False
        state = train(
            parts,
            fixed(6),
            make_settings(),
            state=state,
            observers=[lambda s, at=stop_at: setattr(s, "stop", s.step == at)],
        )
    assert torch.equal(weights(whole), weights(parts))


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_a_loss_that_is_no_number_is_told_in_one_line_and_changes_no_weight(
    make_method, make_settings, fixed, bad
):
    class Broken(NextToken):
        steps = 0

        def forward(self, batch):
            loss, count = super().forward(batch)
            self.steps += 1
            if self.steps < 3:
                return loss, count
            # The square root has a finite value and an infinite slope at 0.
            return (loss * math.nan, count) if bad == "loss" else (loss + (loss * 0).sqrt() * 1e30, count)

    method, kept = Broken(make_method().model), []
    with pytest.raises(UserError, match=r"at step 3\. Lower train.learning_rate = 0.01") as caught:
        train(method, fixed(6), make_settings(), observers=[lambda s: kept.append(weights(s.method))])
    assert "\n" not in str(caught.value)
    assert len(kept) == 2
    assert torch.equal(weights(method), kept[-1])


def test_a_step_in_which_nothing_counts_moves_nothing_by_its_gradient(make_method, make_settings):
    class Nothing:
        def at(self, step: int):
            ids = torch.ones(2, 8, dtype=torch.long)
            return [{"ids": ids, "targets": torch.full_like(ids, -100)}]

    method = make_method()
    before = weights(copy.deepcopy(method))
    state = train(method, Nothing(), make_settings(weight_decay=0.0))
    assert (state.loss, state.gradient_norm, state.tokens) == (0.0, 0.0, 0)
    assert torch.equal(weights(method), before)


def test_frozen_weights_stay(make_method, make_settings, fixed):
    method = make_method()
    method.model.blocks[0].requires_grad_(False)
    before = weights(method.model.blocks[0]).clone()
    train(method, fixed(6), make_settings())
    assert torch.equal(weights(method.model.blocks[0]), before)


def test_bf16_steps_stay_near_float32_and_keep_float32_weights(make_method, make_settings, fixed):
    losses = []
    for precision in ("float32", "bf16"):
        method = make_method(dtype=torch.float32)
        state = train(method, fixed(6), make_settings(precision=precision))
        losses.append(state.loss)
        assert {parameter.dtype for parameter in method.parameters()} == {torch.float32}
    assert 0 < abs(losses[0] - losses[1]) < 0.02


def test_in_fp16_an_overflowing_gradient_changes_nothing_but_halves_the_scale(
    make_method, make_settings, fixed
):
    settings = make_settings(steps=1, precision="fp16")
    state = State.fresh(make_method(dtype=torch.float32), settings)
    before = [parameter.detach().clone() for parameter in state.method.parameters()]
    state.scale.value = 2.0**126  # no float32 gradient survives that
    train(state.method, fixed(6), settings, state=state)
    assert state.scale.value == 2.0**125
    assert all(map(torch.equal, state.method.parameters(), before))


def test_fp16_learns_what_float32_learns_whatever_the_scale(make_method, make_settings, fixed):
    losses = {}
    for precision, scale in (("float32", 1.0), ("fp16", 2.0**10), ("fp16", 2.0**14)):
        settings = make_settings(steps=5, precision=precision)
        state = State.fresh(make_method(dtype=torch.float32), settings)
        state.scale.value = scale
        losses[precision, scale] = train(state.method, fixed(6), settings, state=state).loss
    assert losses["fp16", 2.0**10] == pytest.approx(losses["float32", 1.0], rel=2e-3)
    assert losses["fp16", 2.0**14] == pytest.approx(losses["float32", 1.0], rel=2e-3)


def test_the_scale_doubles_after_many_good_steps_and_only_fp16_has_one():
    scale = LossScale.fresh("fp16")
    start = scale.value
    for _ in range(scale.patience):
        scale.follow(finite=True)
    assert scale.value == 2 * start
    scale.follow(finite=True)
    scale.follow(finite=False)
    assert scale.value == start
    for _ in range(scale.patience - 1):  # counted anew since the overflow
        scale.follow(finite=True)
    assert scale.value == start
    scale.follow(finite=True)
    assert scale.value == 2 * start
    assert LossScale.fresh("bf16").value == LossScale.fresh("float32").value == 1.0
