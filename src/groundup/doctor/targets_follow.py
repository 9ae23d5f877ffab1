"""The target of each position must be the token that follows it: off by one, and a model learns to copy."""

import torch

from groundup.doctor._check import Check, Finding, Patient
from groundup.training.loss import IGNORED

NAME = "targets_follow"


def examine(patient: Patient) -> Finding:
    """Compare each target with the next id, where both are there, and look for ids outside the vocabulary."""
    ids, targets = patient.ids, patient.targets
    vocab_size = patient.model.config.vocab_size
    if int(ids.max()) >= vocab_size:
        message = (
            f"id {int(ids.max())} is outside the model's vocabulary of {vocab_size}. Prepare the data again."
        )
        return Finding(NAME, False, message)
    shown = targets[:, :-1] != IGNORED
    wrong = int(torch.sum((targets[:, :-1] != ids[:, 1:]) & shown))
    message = "every target is the next token"
    return Finding(NAME, wrong == 0, message if wrong == 0 else f"{wrong} targets are not the next token.")


CHECK = Check(name=NAME, about="every target is the next token", examine=examine)
