"""No position may see what comes after it, or the loss is worthless."""

import torch

from groundup.doctor._check import Check, Finding, Patient

NAME = "no_future"


def examine(patient: Patient) -> Finding:
    """Change the last half of a row, and see whether anything before it changes."""
    model, row = patient.model, patient.ids[:1, :64]
    if row.shape[1] < 2:
        return Finding(NAME, True, "a text of one token has no future to see")
    middle = row.shape[1] // 2
    other = row.clone()
    other[:, middle:] = (other[:, middle:] + 1) % model.config.vocab_size
    was_training = model.training
    model.eval()
    with torch.no_grad():
        change = float((model.hidden(row)[:, :middle] - model.hidden(other)[:, :middle]).abs().max())
    model.train(was_training)
    ok = change == 0.0
    message = "no position sees what comes after it"
    return Finding(
        NAME, ok, message if ok else f"positions see the future: they change by {change:.2g} with it."
    )


CHECK = Check(name=NAME, about="no position sees what comes after it", examine=examine)
