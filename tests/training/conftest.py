"""A tiny model, settings for a few steps, and batches, for the tests of training."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from groundup.methods.next_token import NextToken
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.training.loop import Batch
from groundup.training.settings import TrainSettings


@pytest.fixture
def make_method() -> Callable[..., NextToken]:
    """A tiny GPT-2 in float64, the same for the same seed; more fields of its configuration as keywords."""

    def make(seed: int = 0, dtype: torch.dtype = torch.float64, **fields: Any) -> NextToken:
        config = ModelConfig(vocab_size=270, context_length=8, d_model=8, n_layers=2, n_heads=2, **fields)
        return NextToken(Decoder(config).initialise(torch.Generator().manual_seed(seed)).to(dtype))

    return make


@pytest.fixture
def make_settings() -> Callable[..., TrainSettings]:
    """Settings for three steps; changes as keywords."""

    def make(**changes: Any) -> TrainSettings:
        sizes = {"steps": 3, "tokens_per_step": 48, "sequence_length": 8, "micro_batch": 6}
        return TrainSettings(**{**sizes, "learning_rate": 1e-2, "precision": "float32", **changes})

    return make


class Fixed:
    """Random micro-batches of so many rows each; the rows of a step are the same however they are cut."""

    def __init__(self, *rows: int):
        self.rows = rows

    def at(self, step: int) -> list[Batch]:
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(270, (sum(self.rows), 9), generator=generator)
        targets = ids[:, 1:].clone()
        for row in range(len(targets)):  # the first rows count with few tokens, the last with all
            targets[row, : max(0, 7 - 2 * row)] = -100
        parts = zip(ids[:, :-1].split(self.rows), targets.split(self.rows), strict=True)
        return [{"ids": part, "targets": wanted} for part, wanted in parts]


@pytest.fixture
def fixed() -> type[Fixed]:
    """The class, because a test chooses how the rows are cut."""
    return Fixed
