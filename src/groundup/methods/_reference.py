"""What a model says of answers before it learns from preferences: computed once, and kept in a file.

Shapes: P pairs of a batch, 2 chosen and rejected, T tokens of the longest.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from groundup.data.preferences import PreferenceExamples, stack_preferences
from groundup.model.decoder import Decoder
from groundup.system.files import whole_file
from groundup.training.precision import autocast
from groundup.training.surprises import Surprises
from groundup.weights.tensors import write_tensors

READING = 1
"""Goes up when the same model and examples would get another reference."""

Progress = Callable[[int, int], None]


def log_p(model: Decoder, batch: dict[str, Tensor], surprises: Surprises | None = None) -> Tensor:
    """(P, 2) the log-probability of each answer, given what stands before it, in nats."""
    hidden = model.hidden(batch["ids"].flatten(0, 1))  # (2P, T, D)
    targets = batch["targets"].flatten(0, 1)
    each = (surprises or Surprises())(hidden, model.unembed.weight, targets)  # (2P, T)
    return -each.sum(-1).view(-1, 2)


def reference(
    model: Decoder,
    examples: PreferenceExamples,
    *,
    pairs_per_batch: int,
    precision: str = "float32",
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """What the model says of all examples before it learns: (examples, 2) log p in nats, on the CPU.

    Attached to the examples too. Call it before LoRA is put in and before the weights of a checkpoint are:
    the reference is the model that is begun with. folder: where it is kept, under a fingerprint of the
    weights and the examples, so that a run that goes on reads it instead. precision: that of the training,
    so that the first margins are 0.
    """
    place = folder and folder / f"reference-{_fingerprint(model, examples, precision)[:16]}.safetensors"
    found = _kept(place, len(examples)) if place else None
    if found is None:
        found = _asked(model, examples, pairs_per_batch, precision, progress)
        if place:
            with whole_file(place) as part:
                write_tensors(part, {"log_p": found})
    examples.attach(found)
    return found


@torch.no_grad()
def _asked(
    model: Decoder, examples: PreferenceExamples, size: int, precision: str, progress: Progress | None
) -> Tensor:
    was_training, device, surprises = model.training, model.tokens.weight.device, Surprises()
    model.eval()
    found = []
    for start in range(0, len(examples), size):
        samples = examples.samples[start : start + size]
        batch = {name: tensor.to(device) for name, tensor in stack_preferences(samples).items()}
        with autocast(precision, device):
            found.append(log_p(model, batch, surprises).cpu())
        if progress:
            progress(start + len(samples), len(examples))
    model.train(was_training)
    return torch.cat(found)


def _kept(place: Path, n_examples: int) -> Tensor | None:
    """The reference in a file, or None if there is none or it is damaged: it can be computed again."""
    try:
        found = load_file(place)["log_p"]
    except (FileNotFoundError, SafetensorError, KeyError):
        return None
    return found if found.shape == (n_examples, 2) else None


def _fingerprint(model: Decoder, examples: PreferenceExamples, precision: str) -> str:
    """sha256 of all that the reference follows from: every weight, the configuration and the examples."""
    digest = hashlib.sha256(json.dumps([READING, precision, asdict(model.config)], sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(_bytes(tensor))
    for sample in examples.samples:
        for tensor in (*sample.chosen, *sample.rejected):
            digest.update(f"{len(tensor)};".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
