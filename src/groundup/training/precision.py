"""Which numbers to compute in: float32, or bf16 for the products with float32 master weights."""

from contextlib import AbstractContextManager, nullcontext

import torch

from groundup.errors import UserError

TOLERATED_ERROR = 2e-6
"""Of a float32 product, relative to its largest entry: twice what the slowest, most careful kernel makes."""


def pick_precision(asked: str, device: torch.device) -> str:
    """ "float32" or "bf16" from what was asked; "auto" takes bf16 where the hardware computes it natively."""
    native = _has_native_bf16(device)
    if asked == "auto":
        return "bf16" if native else "float32"
    if asked == "bf16" and device.type == "cuda" and not native:
        raise UserError("train.precision = 'bf16', but this GPU cannot compute in bf16. Use 'float32'.")
    return asked


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which a forward runs: products in bf16, or nothing at all."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


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
