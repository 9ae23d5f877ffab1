"""A tiny model with a tokenizer, for the tests of files."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded


@pytest.fixture
def make_loaded() -> Callable[..., Loaded]:
    """A tiny GPT-2 over bytes, all its numbers shaken; more fields of its configuration as keywords."""

    def make(seed: int = 0, card: str = "", **fields: Any) -> Loaded:
        sizes = {"vocab_size": 264, "context_length": 16, "d_model": 8, "n_layers": 1, "n_heads": 2}
        config, generator = ModelConfig(**{**sizes, **fields}), torch.Generator().manual_seed(seed)
        model = Decoder(config).initialise(generator).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        return Loaded(model, Tokenizer.from_bytes(), config, card)

    return make
