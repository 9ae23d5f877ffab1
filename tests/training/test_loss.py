"""The chunked loss against PyTorch's own, in value and in both gradients."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close

from groundup.training.loss import IGNORED, ROWS, LinearCrossEntropy, linear_cross_entropy

D, V = 8, 23


def example(rows: int, ignored: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states (N, D) and a matrix (V, D) that want gradients, and targets (N,), some ignored."""
    generator = torch.Generator().manual_seed(rows)
    hidden, weight = (torch.randn(n, D, generator=generator, dtype=dtype) for n in (rows, V))
    targets = torch.randint(V, (rows,), generator=generator)
    targets[torch.rand(rows, generator=generator) < ignored] = IGNORED
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def plain(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    logits = (hidden @ weight.T).flatten(0, -2)
    return F.cross_entropy(logits, targets.flatten(), reduction="sum", ignore_index=IGNORED)


@pytest.mark.parametrize("ignored", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("rows", [1, 7, ROWS, ROWS + 1, 2 * ROWS + 300])
def test_value_and_gradients_equal_those_of_pytorch_in_float64(rows: int, ignored: float):
    hidden, weight, targets = example(rows, ignored)
    ours, theirs = linear_cross_entropy(hidden, weight, targets), plain(hidden, weight, targets)
    assert_close(ours, theirs, atol=1e-9, rtol=1e-10)
    # The sum is divided afterwards, so its gradient is scaled: the function must pass that on.
    found = torch.autograd.grad(ours / 3, (hidden, weight))
    expected = torch.autograd.grad(theirs / 3, (hidden, weight))
    assert_close(found, expected, atol=1e-9, rtol=1e-10)


def test_a_batch_of_rows_counts_as_one_long_row():
    hidden, weight, targets = example(24, 0.3)
    ours = linear_cross_entropy(hidden.view(2, 3, 4, D), weight, targets.view(2, 3, 4))
    assert_close(ours, plain(hidden, weight, targets), atol=1e-9, rtol=1e-10)


def test_ignored_positions_get_no_gradient_and_change_nothing():
    hidden, weight, targets = example(60, 0.5)
    (gradient,) = torch.autograd.grad(linear_cross_entropy(hidden, weight, targets), hidden)
    assert not gradient[targets == IGNORED].any()
    assert gradient[targets != IGNORED].any(dim=1).all()
    other = torch.where((targets == IGNORED)[:, None], hidden * 1e3, hidden)
    assert_close(linear_cross_entropy(other, weight, targets), linear_cross_entropy(hidden, weight, targets))


def test_with_everything_ignored_loss_and_gradients_are_zero():
    hidden, weight, targets = example(5, 1.0)
    loss = linear_cross_entropy(hidden, weight, targets)
    loss.backward()
    assert loss == 0
    assert hidden.grad is not None
    assert weight.grad is not None
    assert not hidden.grad.any()
    assert not weight.grad.any()


@pytest.mark.parametrize("frozen", ["hidden", "weight", "both"])
def test_what_needs_no_gradient_gets_none_and_the_rest_is_unchanged(frozen: str):
    hidden, weight, targets = example(ROWS + 40, 0.2)
    expected = torch.autograd.grad(plain(hidden, weight, targets), (hidden, weight))
    hidden.requires_grad_(frozen == "weight")
    weight.requires_grad_(frozen == "hidden")
    loss = linear_cross_entropy(hidden, weight, targets)
    assert_close(loss, plain(hidden, weight, targets), atol=1e-9, rtol=1e-10)
    assert loss.requires_grad == (frozen != "both")
    if frozen != "both":
        loss.backward()
    for tensor, gradient in zip((hidden, weight), expected, strict=True):
        if tensor.requires_grad:
            assert_close(tensor.grad, gradient, atol=1e-9, rtol=1e-10)
        else:
            assert tensor.grad is None


@pytest.mark.parametrize("rows", [40, 2 * ROWS + 5])
def test_float32_stays_within_rounding_of_float64(rows: int):
    hidden, weight, targets = example(rows, 0.2, torch.float32)
    wide = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight)]
    ours, exact = linear_cross_entropy(hidden, weight, targets), plain(wide[0], wide[1], targets)
    assert_close(ours.double(), exact, atol=0, rtol=1e-6)
    found = torch.autograd.grad(ours, (hidden, weight))
    expected = torch.autograd.grad(exact, wide)
    for gradient, other in zip(found, expected, strict=True):
        assert float((gradient.double() - other).norm() / other.norm()) < 1e-6


def test_under_bf16_autocast_value_and_gradients_are_close_and_keep_their_types():
    hidden, weight, targets = example(ROWS + 40, 0.2, torch.float32)
    exact = plain(hidden, weight, targets)
    expected = torch.autograd.grad(exact, (hidden, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, targets)
    found = torch.autograd.grad(loss, (hidden, weight))
    assert loss.dtype == torch.float32
    assert abs(float(loss.detach() / exact.detach()) - 1) < 1e-3
    assert not torch.equal(loss, exact)  # it was in bf16 at all
    for gradient, other in zip(found, expected, strict=True):
        assert gradient.dtype == torch.float32
        assert float((gradient - other).norm() / other.norm()) < 0.01


def test_in_bf16_what_is_nearly_certain_is_learned_as_precisely_as_by_pytorch():
    generator = torch.Generator().manual_seed(0)
    weight, targets = (
        torch.randn(200, 64, generator=generator),
        torch.randint(200, (ROWS,), generator=generator),
    )
    hidden = (0.2 * weight[targets] + 0.1 * torch.randn(ROWS, 64, generator=generator)).requires_grad_()
    weight.requires_grad_()
    exact = torch.autograd.grad(plain(hidden.double(), weight.double(), targets), (hidden, weight))
    errors: list[list[float]] = []
    for loss in (linear_cross_entropy, plain):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = torch.autograd.grad(loss(hidden, weight, targets), (hidden, weight))
        pairs = zip(found, exact, strict=True)
        errors.append([float((gradient - other).norm() / other.norm()) for gradient, other in pairs])
    ours, theirs = errors
    assert ours == pytest.approx(theirs, rel=0.1)


def test_two_losses_before_one_backward_do_not_disturb_each_other():
    """They share the memory of a chunk: the longer one first, then one in another type."""
    loss, parts = LinearCrossEntropy(), [example(n, 0.2) for n in (ROWS + 40, 60, ROWS)]
    parts.append(example(70, 0.2, torch.float32))
    found = [loss(*part) for part in parts]
    for ours, (hidden, weight, targets) in zip(found, parts, strict=True):
        theirs, tight = plain(hidden, weight, targets), 1e-9 if hidden.dtype == torch.float64 else 1e-4
        assert_close(ours, theirs, atol=tight, rtol=1e-6)
        expected = torch.autograd.grad(theirs, (hidden, weight))
        assert_close(torch.autograd.grad(ours, (hidden, weight)), expected, atol=tight, rtol=tight)


def test_a_second_backward_is_refused():
    loss = linear_cross_entropy(*example(5, 0.0))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="second backward"):
        loss.backward()


def test_huge_logits_overflow_nothing():
    hidden, weight, targets = example(9, 0.0, torch.float32)
    with torch.no_grad():
        hidden.mul_(1e4)
    loss = linear_cross_entropy(hidden, weight, targets)
    gradients = torch.autograd.grad(loss, (hidden, weight))
    assert all(torch.isfinite(tensor).all() for tensor in (loss, *gradients))


def test_a_gradient_of_the_gradient_is_refused_because_it_would_be_wrong():
    hidden, weight, targets = example(5, 0.0)
    loss = linear_cross_entropy(hidden, weight, targets)
    (gradient,) = torch.autograd.grad(loss**2, hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


class Largest(TorchFunctionMode):
    """Remembers the largest number of entries that any tensor had."""

    entries = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.entries = max(self.entries, result.numel())
        return result


def test_the_whole_table_of_logits_is_never_built():
    rows, vocabulary = 4 * ROWS, 3000
    hidden, weight = torch.randn(rows, 2, requires_grad=True), torch.randn(vocabulary, 2, requires_grad=True)
    targets = torch.arange(rows)
    with Largest() as ours:
        linear_cross_entropy(hidden, weight, targets).backward()
    with Largest() as theirs:
        plain(hidden, weight, targets).backward()
    assert ours.entries == ROWS * vocabulary
    assert theirs.entries == rows * vocabulary
