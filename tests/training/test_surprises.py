"""-log p of each target against PyTorch's own, in value and in the gradients of any weighting."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from groundup.training.loss import IGNORED, ROWS
from groundup.training.surprises import Surprises

D, V = 8, 23


def example(rows: int, ignored: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states (N, D) and a matrix (V, D) that want gradients, and targets (N,), some ignored."""
    generator = torch.Generator().manual_seed(rows)
    hidden, weight = (torch.randn(n, D, generator=generator, dtype=dtype) for n in (rows, V))
    targets = torch.randint(V, (rows,), generator=generator)
    targets[torch.rand(rows, generator=generator) < ignored] = IGNORED
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def plain(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(hidden @ weight.T, targets, reduction="none", ignore_index=IGNORED)


def bent(each: Tensor) -> Tensor:
    """A loss in which positions weigh differently, by what they and their neighbours are."""
    return (each * torch.linspace(-1, 2, len(each), dtype=each.dtype)).tanh().sum() + each.pow(2).mean()


@pytest.mark.parametrize("ignored", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("rows", [1, 7, ROWS, 2 * ROWS + 300])
def test_value_and_gradients_equal_those_of_pytorch_in_float64(rows: int, ignored: float):
    hidden, weight, targets = example(rows, ignored)
    ours, theirs = Surprises()(hidden, weight, targets), plain(hidden, weight, targets)
    assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    assert not ours[targets == IGNORED].any()
    found = torch.autograd.grad(bent(ours), (hidden, weight))
    expected = torch.autograd.grad(bent(theirs), (hidden, weight))
    assert_close(found, expected, atol=1e-11, rtol=1e-11)


def test_each_position_keeps_its_place_in_a_batch_of_rows():
    hidden, weight, targets = example(24, 0.3)
    ours = Surprises()(hidden.view(2, 3, 4, D), weight, targets.view(2, 3, 4))
    assert_close(ours, plain(hidden, weight, targets).view(2, 3, 4), atol=1e-12, rtol=0)


@pytest.mark.parametrize("frozen", ["hidden", "weight", "both"])
def test_what_needs_no_gradient_gets_none_and_the_rest_is_unchanged(frozen: str):
    hidden, weight, targets = example(ROWS + 40, 0.2)
    expected = torch.autograd.grad(bent(plain(hidden, weight, targets)), (hidden, weight))
    hidden.requires_grad_(frozen == "weight")
    weight.requires_grad_(frozen == "hidden")
    each = Surprises()(hidden, weight, targets)
    assert each.requires_grad == (frozen != "both")
    if frozen != "both":
        bent(each).backward()
    for tensor, gradient in zip((hidden, weight), expected, strict=True):
        if tensor.requires_grad:
            assert_close(tensor.grad, gradient, atol=1e-11, rtol=1e-11)
        else:
            assert tensor.grad is None


def test_under_bf16_autocast_value_and_gradients_are_close_and_keep_their_types():
    hidden, weight, targets = example(ROWS + 40, 0.2, torch.float32)
    exact = plain(hidden, weight, targets)
    expected = torch.autograd.grad(bent(exact), (hidden, weight))
    exact = exact.detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        each = Surprises()(hidden, weight, targets)
    found = torch.autograd.grad(bent(each), (hidden, weight))
    assert each.dtype == torch.float32
    assert not torch.equal(each, exact)  # it was in bf16 at all
    assert float((each.detach() - exact).norm() / exact.norm()) < 0.01
    for gradient, other in zip(found, expected, strict=True):
        assert gradient.dtype == torch.float32
        assert float((gradient - other).norm() / other.norm()) < 0.03


def test_two_of_them_before_one_backward_do_not_disturb_each_other():
    """They share the memory of a chunk, and backward writes to it once more."""
    each, parts = Surprises(), [example(n, 0.2) for n in (ROWS + 40, 60)]
    found = [each(*part) for part in parts]
    for ours, part in zip(found, parts, strict=True):
        expected = torch.autograd.grad(bent(plain(*part)), part[:2])
        assert_close(torch.autograd.grad(bent(ours), part[:2]), expected, atol=1e-11, rtol=1e-11)


class Largest(TorchDispatchMode):
    """Remembers the largest number of entries that any tensor had, forward and backward."""

    entries = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.entries = max(self.entries, result.numel())
        return result


def test_no_tensor_is_larger_than_a_chunk_of_logits():
    rows, vocabulary, largest = 4 * ROWS, 3000, []
    hidden, weight = torch.randn(rows, 2, requires_grad=True), torch.randn(vocabulary, 2, requires_grad=True)
    for function in (Surprises(), plain):
        with Largest() as seen:
            bent(function(hidden, weight, torch.arange(rows))).backward()
        largest.append(seen.entries)
    assert largest == [ROWS * vocabulary, rows * vocabulary]
