"""The cache, against reading everything at once: also where the rows of a batch have different lengths."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundup.model.cache import KVCache
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder

CONTEXT = 20
SIZES: dict[str, Any] = {
    "vocab_size": 30,
    "context_length": CONTEXT,
    "d_model": 16,
    "n_heads": 4,
    "n_layers": 2,
}
ROPE: dict[str, Any] = {"position": "rope", "n_kv_heads": 2, "norm": "rms", "mlp": "gated", "qk_norm": True}
KINDS: dict[str, dict[str, Any]] = {
    "GPT-2": {},
    "rotary": ROPE,
    "windows": {"window": 3, "layer_pattern": "LG"},
    "rotary windows": {**ROPE, "window": 4, "layer_pattern": "L"},
}


def shaken(**fields: Any) -> Decoder:
    generator = torch.Generator().manual_seed(4)
    model = Decoder(ModelConfig(**SIZES, **fields)).initialise(generator).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def some_ids(rows: int, length: int) -> Tensor:
    return torch.randint(30, (rows, length), generator=torch.Generator().manual_seed(rows))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_rows_of_different_lengths_read_on_as_each_would_alone(kind: dict[str, Any]):
    model, ids, lengths = shaken(**kind), some_ids(4, CONTEXT), [6, 1, 9, 4]
    alone = model(ids)  # (B, T, V) everything at once
    cache = KVCache(model.config, 4, CONTEXT)
    padded = torch.full((4, 9), 7)
    for row, length in enumerate(lengths):
        padded[row, :length] = ids[row, :length]
    first = model(padded, cache=cache)
    cache.cut(lengths)
    for row, length in enumerate(lengths):
        assert_close(first[row, :length], alone[row, :length], atol=1e-5, rtol=0)
    for n_new in (1, 1, 3, 1):  # one at a time, and several
        places = cache.places(n_new)
        found = model(ids.gather(1, places), cache=cache)
        assert_close(found, alone[torch.arange(4)[:, None], places], atol=1e-5, rtol=0)
    assert cache.lengths == [12, 7, 15, 10]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_row_that_is_dropped_leaves_the_others_as_they_were(kind: dict[str, Any]):
    model, ids = shaken(**kind), some_ids(4, CONTEXT)
    alone, cache, kept = model(ids), KVCache(model.config, 4, CONTEXT), [0, 1, 2, 3]
    model(ids[:, :6], cache=cache)
    cache.cut([3, 6, 2, 5])
    for dropped in (1, 0, 1):
        cache.drop(dropped)
        kept[dropped] = kept[-1]  # the last one takes its place
        kept.pop()
        places = cache.places(1).expand(len(kept), 1)
        found = model(ids[kept].gather(1, places), cache=cache)
        assert_close(found[:, 0], alone[kept, places[:, 0]], atol=1e-5, rtol=0)
    assert kept == [2]
    assert cache.lengths == [5]


def test_rows_of_one_length_need_no_positions_of_their_own():
    cache = KVCache(shaken().config, 3, 8)
    assert cache.places(4).tolist() == [0, 1, 2, 3]
    cache.advance(4)
    assert cache.places(1).tolist() == [4]
    cache.cut([2, 4, 3])
    assert cache.places(2).tolist() == [[2, 3], [4, 5], [3, 4]]
    cache.drop(0)
    cache.cut([3, 3])
    assert cache.places(1).tolist() == [3]
