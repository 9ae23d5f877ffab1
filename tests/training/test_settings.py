"""What training is told: refusals in one line, and which numbers it computes in."""

import pytest
import torch

from groundup.errors import UserError
from groundup.training import precision
from groundup.training.precision import TOLERATED_ERROR, pick_precision, product_error, use_fast_float32
from groundup.training.settings import CheckpointSettings


@pytest.mark.parametrize(
    "change, told",
    [
        ({"steps": 0}, "train.steps = 0 is too small"),
        ({"micro_batch": 0}, "train.micro_batch = 0 is too small"),
        ({"sequence_length": -8}, "train.sequence_length = -8 is too small"),
        (
            {"tokens_per_step": 50},
            "train.tokens_per_step = 50 is not a multiple of train.sequence_length = 8",
        ),
        ({"learning_rate": 0.0}, "train.learning_rate = 0.0 does not fit"),
        ({"learning_rate": float("nan")}, "train.learning_rate = nan does not fit"),
        ({"matrix_learning_rate": 0.0}, "train.matrix_learning_rate = 0.0 does not fit"),
        ({"decay": 1.5}, "train.decay = 1.5 is no share"),
        ({"clip_norm": 0.0}, "train.clip_norm = 0.0 does not fit"),
        ({"weight_decay": -0.1}, "train.weight_decay = -0.1 does not fit"),
        ({"warmup_steps": -1}, "train.warmup_steps = -1 does not fit"),
        ({"beta1": 1.0}, "train.beta1 = 1.0 is no share"),
        ({"beta2": -0.1}, "train.beta2 = -0.1 is no share"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make_settings, change, told):
    with pytest.raises(UserError, match=told) as caught:
        make_settings(**change)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_is_kept_at_least_once():
    for wrong in ({"every": -1}, {"keep": 0}):
        with pytest.raises(UserError, match="Set every to 0 or more, and keep to 1 or more"):
            CheckpointSettings(**wrong)


def test_a_step_takes_whole_sequences(make_settings):
    assert make_settings(tokens_per_step=48, sequence_length=8).samples_per_step == 6


def test_what_was_asked_for_is_taken_and_auto_decides():
    cpu = torch.device("cpu")
    assert pick_precision("float32", cpu) == "float32"
    assert pick_precision("bf16", cpu) == "bf16"
    assert pick_precision("auto", cpu) == ("bf16" if torch.cpu._is_avx512_bf16_supported() else "float32")


@pytest.fixture
def float32_products():
    """The process's setting, put back afterwards."""
    before = torch.get_float32_matmul_precision()
    yield before
    torch.set_float32_matmul_precision(before)


def test_a_product_of_bf16_numbers_would_be_noticed(float32_products):
    torch.set_float32_matmul_precision("highest")
    assert product_error() < TOLERATED_ERROR
    a, b = torch.randn(2, 256, 256, generator=torch.Generator().manual_seed(0))
    exact = a.double() @ b.double()
    rounded = (a.bfloat16().double() @ b.bfloat16().double() - exact).abs().max() / exact.abs().max()
    assert rounded > 100 * TOLERATED_ERROR


def test_faster_products_are_kept_only_if_they_are_float32_in_truth(float32_products, monkeypatch):
    torch.set_float32_matmul_precision("highest")
    chosen = use_fast_float32(torch.device("cpu"))
    assert chosen == torch.get_float32_matmul_precision()
    assert product_error() < TOLERATED_ERROR
    # A processor whose fast products round to bf16 is not at hand; what it would measure is.
    monkeypatch.setattr(precision, "product_error", lambda: 1e-3)
    torch.set_float32_matmul_precision("highest")
    assert use_fast_float32(torch.device("cpu")) == "highest"
