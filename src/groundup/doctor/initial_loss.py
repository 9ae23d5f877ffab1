"""An untrained model should know nothing: its first loss is near that of guessing evenly among all tokens."""

import math

import torch

from groundup.doctor._check import Check, Finding, Patient
from groundup.training.loss import IGNORED, linear_cross_entropy

NAME = "initial_loss"
TOLERATED = 1.0
"""Nats. Tied embeddings and small widths move the first loss by tenths, a broken start by far more."""


def examine(patient: Patient) -> Finding:
    """Compare the loss of the first batch with ln(vocabulary); a model that has learned may be below it."""
    model = patient.model
    with torch.no_grad():
        total = linear_cross_entropy(model.hidden(patient.ids), model.unembed.weight, patient.targets)
    count = max(1, int((patient.targets != IGNORED).sum()))
    loss, even = float(total) / count, math.log(model.config.vocab_size)
    ok = abs(loss - even) <= TOLERATED or (loss < even and not patient.is_new)
    message = f"the first loss is {loss:.2f}; guessing evenly would give {even:.2f}"
    return Finding(
        NAME, ok, message if ok else message + ". A new model should start near that: look at its start."
    )


CHECK = Check(name=NAME, about="the first loss is near ln(vocabulary)", examine=examine)
