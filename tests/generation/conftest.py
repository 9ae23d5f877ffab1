"""Tiny models over bytes: one with random weights, and one that says a given text whatever it reads."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded


@pytest.fixture(scope="session")
def random_model(make_loaded: Callable[..., Loaded]) -> Loaded:
    """A tiny GPT-2 with a padded vocabulary, whose weights are large enough to make it talk."""
    return make_loaded(seed=7, shake=0.3, vocab_size=300, context_length=32, d_model=16, n_layers=2)


@pytest.fixture(scope="session")
def speaker() -> Callable[..., Loaded]:
    """A real model whose positions alone decide: after n tokens it says the n-th of the given ids or bytes.

    Its second choice is always the id 9, so that what is forbidden leaves something to say.
    """

    def make(script: str | list[int], context_length: int = 40) -> Loaded:
        tokenizer = Tokenizer.from_bytes()
        ids = tokenizer.encode(script) if isinstance(script, str) else script
        width = 300
        config: dict[str, Any] = {
            "vocab_size": width,
            "d_model": width,
            "n_layers": 1,
            "n_heads": 1,
            "d_ff": 1,
        }
        decoder = Decoder(ModelConfig(**config, context_length=context_length, tie_embeddings=False)).eval()
        with torch.no_grad():
            for parameter in decoder.parameters():
                parameter.zero_()
            decoder.final_norm.weight.fill_(1.0)  # type: ignore[union-attr, operator]
            decoder.unembed.weight.copy_(torch.eye(width))
            assert decoder.positions is not None
            decoder.positions.weight[:, 9] = 0.5
            for place, said in enumerate(ids[:context_length]):
                decoder.positions.weight[place, said] = 1.0
        return Loaded(decoder, tokenizer, decoder.config)

    return make
