"""What single checks must not be misled by."""

from dataclasses import replace

import torch

from groundup.doctor import CHECKS, Patient
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder

CONFIG = ModelConfig(vocab_size=97, context_length=32, d_model=32, n_layers=1, n_heads=2)


def patient(length: int) -> Patient:
    model = Decoder(CONFIG).initialise(torch.Generator().manual_seed(0))
    row = torch.randint(0, 97, (4, length + 1), generator=torch.Generator().manual_seed(1))
    return Patient(model, row[:, :-1], row[:, 1:].clone())


def test_sequences_of_one_token_are_examined_too():
    assert CHECKS.get("no_future").examine(patient(1)).ok


def test_a_model_that_has_learned_before_may_know_something_but_not_less_than_nothing():
    new = patient(16)
    check, logits = CHECKS.get("initial_loss"), new.model.unembed.weight
    with torch.no_grad():
        new.model.unembed.weight.copy_(logits * 200)  # sure of something, and as often wrong as not
    assert not check.examine(new).ok
    learned = replace(new, is_new=False)
    assert not check.examine(learned).ok
    knowing = replace(learned, targets=learned.model(learned.ids).argmax(-1))
    assert check.examine(knowing).ok
    assert not check.examine(replace(knowing, is_new=True)).ok


def test_targets_that_do_not_count_do_not_lower_the_first_loss():
    masked = patient(16)
    masked.targets[:, :12] = -100
    finding = CHECKS.get("initial_loss").examine(masked)
    assert finding.ok, finding.message
