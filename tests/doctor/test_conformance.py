"""Every check: named after its file, content with a healthy model, alarmed by the illness it looks for."""

import pytest
import torch
from torch import nn

from groundup.doctor import CHECKS, Check, Patient, examine
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.registry import Folder

CONFIG = ModelConfig(vocab_size=97, context_length=32, d_model=32, n_layers=2, n_heads=2)


def healthy() -> Patient:
    """A new model and a batch as training reads it."""
    model = Decoder(CONFIG).initialise(torch.Generator().manual_seed(0))
    row = torch.randint(0, 97, (4, 33), generator=torch.Generator().manual_seed(1))
    return Patient(model, row[:, :-1], row[:, 1:])


class SeesAll(nn.Module):
    """Attention that forgot the order of time: it adds the mean over all positions."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor, *context: object) -> torch.Tensor:
        return self.inner(x, *context) + x.mean(1, keepdim=True)


def with_a_loud_start(patient: Patient) -> Patient:
    for parameter in patient.model.parameters():
        parameter.data.mul_(50)
    return patient


def with_a_view_of_the_future(patient: Patient) -> Patient:
    patient.model.blocks[1] = SeesAll(patient.model.blocks[1])
    return patient


def with_targets_off_by_one(patient: Patient) -> Patient:
    return Patient(patient.model, patient.ids, patient.ids)


ILLNESSES = {
    "initial_loss": with_a_loud_start,
    "no_future": with_a_view_of_the_future,
    "targets_follow": with_targets_off_by_one,
}


@pytest.mark.parametrize("name", CHECKS.names())
def test_a_check_is_named_after_its_file_and_says_what_it_looks_for(name: str) -> None:
    check = CHECKS.get(name)
    assert check.name == name
    assert check.about


@pytest.mark.parametrize("name", CHECKS.names())
def test_a_check_is_content_with_a_healthy_model(name: str) -> None:
    finding = CHECKS.get(name).examine(healthy())
    assert finding.ok, finding.message
    assert finding.check == name


@pytest.mark.parametrize("name", CHECKS.names())
def test_a_check_finds_the_illness_that_it_looks_for(name: str) -> None:
    assert name in ILLNESSES, f"a new check needs an illness here: {name}"
    finding = CHECKS.get(name).examine(ILLNESSES[name](healthy()))
    assert not finding.ok
    assert finding.message.endswith(".")


def test_ids_outside_the_vocabulary_are_found() -> None:
    patient = healthy()
    too_large = Patient(patient.model, patient.ids + 97, patient.targets)
    assert not CHECKS.get("targets_follow").examine(too_large).ok


def test_an_examination_runs_every_check() -> None:
    assert [finding.check for finding in examine(healthy())] == CHECKS.names()


def test_the_registry_holds_checks() -> None:
    folder: Folder[Check] = CHECKS
    assert all(isinstance(check, Check) for check in folder.all())
