"""How fast our Muon steps, which takes all matrices of one shape at once, beside PyTorch's own.

    python benchmarks/optimizer.py --quick    4 layers of width 128, a few seconds
    python benchmarks/optimizer.py            8 layers of width 512, about a minute

The matrices are those of the blocks of a Qwen3-type model, as a run without a recipe trains it. Both sides
step in turn in this one process, so that a busy machine slows both. It ends at once if their updates are not
equal. Exit code 0 if the median of the ratios of speed is at least 1.5, or 1.0 for the large matrices.
"""

import argparse
import sys
from typing import Any

import torch
from _compare import compare, verdict
from torch import nn

from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.system.device import pick_device
from groundup.training.muon import Muon
from groundup.zoo import FAMILIES

QUICK: dict[str, Any] = {"n_layers": 4, "d_model": 128, "n_heads": 2}
LARGE: dict[str, Any] = {"n_layers": 8, "d_model": 512, "n_heads": 8}
HOW: dict[str, Any] = {"lr": 0.01, "momentum": 0.95, "weight_decay": 0.1}


def main() -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small matrices")
    parser.add_argument("--device", help="cpu, cuda or mps; by default the best there is")
    given = parser.parse_args()
    device = pick_device(given.device)
    ours, theirs = (matrices_of(QUICK if given.quick else LARGE, device) for _ in range(2))
    sides = Muon(ours, **HOW), torch.optim.Muon(theirs, **HOW)
    print(f"{len(ours)} matrices, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for _ in range(3):
        for side in sides:
            side.step()
    for mine, other in zip(ours, theirs, strict=True):
        # Products of several matrices at once may add up in another order: one rounding of bf16 a step.
        torch.testing.assert_close(mine, other, atol=3 * HOW["lr"] * 2**-8, rtol=0)
    rounds = 41 if given.quick else 11
    ratio = compare("Muon", sides[0].step, sides[1].step, rounds=rounds, amount=1, unit="steps", warm=2)
    return verdict({"Muon": ratio}, {"Muon": 1.5 if given.quick else 1.0})


def matrices_of(shape: dict[str, Any], device: torch.device) -> list[nn.Parameter]:
    """The matrices of a new model's blocks, each with a gradient."""
    generator = torch.Generator().manual_seed(1)
    config = ModelConfig(**FAMILIES.get("qwen3").defaults, vocab_size=512, context_length=256, **shape)
    model = Decoder(config).initialise(generator).to(device)
    found = [parameter for parameter in model.blocks.parameters() if parameter.ndim == 2]
    for matrix in found:
        matrix.grad = torch.randn(matrix.shape, generator=generator).to(device)
    return found


if __name__ == "__main__":
    sys.exit(main())
