"""Which device to compute on, and what the machine is, for the record of a run."""

import platform
import sys
from typing import Any

import torch

from groundup.errors import UserError


def pick_device(asked: str | None = None) -> torch.device:
    """The device asked for, or the best there is: cuda, mps, cpu. UserError if it is not there."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    if asked is None:
        return torch.device(there[0])
    kind, colon, number = asked.partition(":")
    n_devices = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in there or (colon and not (number.isdecimal() and int(number) < n_devices)):
        raise UserError(f"The device {asked!r} is not there. Choose from: {', '.join(there)}.")
    return torch.device(asked)


def describe(device: torch.device) -> dict[str, Any]:
    """What a result may depend on: the versions and the machine."""
    return {
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(),
        "float32_products": torch.get_float32_matmul_precision(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.system(),
    }


def peak_memory_mb() -> float | None:
    """The most memory that this process has held so far, in MB (10^6 bytes); None on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
