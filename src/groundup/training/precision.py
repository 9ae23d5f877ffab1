"""Which numbers to compute in: float32, or 16 bits for the products with float32 master weights."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from groundup.errors import UserError

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The precisions that compute products in 16 bits."""

TOLERATED_ERROR = 2e-6
"""Of a float32 product, relative to its largest entry: twice what the slowest, most careful kernel makes."""


def pick_precision(asked: str, device: torch.device) -> str:
    """The precision that was asked for; "auto" takes bf16 where the hardware computes it natively.

    "fp16" has more digits and a small range; it is for GPUs that have no bf16, and needs a LossScale.
    """
    native = _has_native_bf16(device)
    if asked == "auto":
        return "bf16" if native else "float32"
    if asked == "bf16" and device.type == "cuda" and not native:
        raise UserError("train.precision = 'bf16', but this GPU cannot compute in bf16. Use 'float32'.")
    return asked


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a forward runs: products in 16 bits, or nothing at all."""
    low = LOW.get(precision)
    return nullcontext() if low is None else torch.autocast(device.type, dtype=low)


@dataclass
class LossScale:
    """What the loss is multiplied with, so that small gradients do not become 0 in fp16.

    Halved when a gradient overflows (that step changes nothing), doubled after `patience` good steps; powers
    of two lose no digit. Source: Micikevicius et al. 2018.
    """

    value: float = 1.0
    good: int = 0  # steps since the last change
    patience: int = 2000

    @classmethod
    def fresh(cls, precision: str) -> "LossScale":
        """The start of a run: 65,536 in fp16, and 1, which changes nothing, in all others."""
        return cls(2.0**16 if precision == "fp16" else 1.0)

    def follow(self, finite: bool) -> None:
        """Change the scale after a step whose gradient was finite, or was not."""
        self.good = self.good + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good == self.patience:
            self.value, self.good = self.value * 2, 0


def use_fast_float32(device: torch.device) -> str:
    """Switch on the CPU's faster float32 products if they are still float32 in truth; says what was chosen.

    "medium" lets PyTorch pick another library. Where the processor has bf16 matrix units it may round to
    bf16, so the error of a product is measured first, against float64.
    """
    if device.type != "cpu":
        return torch.get_float32_matmul_precision()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    if product_error() > TOLERATED_ERROR:
        torch.set_float32_matmul_precision(before)
    return torch.get_float32_matmul_precision()


def product_error(size: int = 256) -> float:
    """The largest error of a float32 matrix product on the CPU, relative to its largest entry."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, size, size, generator=generator)
    exact = a.double() @ b.double()
    return float(((a @ b).double() - exact).abs().max() / exact.abs().max())


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported())
    return False
