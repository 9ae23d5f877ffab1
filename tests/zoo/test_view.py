"""What every family of decoders sees: never the future, never another document, and by the fused kernel."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from groundup.model.cache import KVCache
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.visible import Visible

T = 12
TINY: dict[str, Any] = {"vocab_size": 40, "context_length": T, "d_model": 16, "n_layers": 3, "n_heads": 2}
PIECES = {"at once": [T], "one by one": [1] * T, "in pieces": [5, 1, 3, 2, 1]}


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(params=[3, T], ids=["short windows", "long windows"])
def model(request: pytest.FixtureRequest, decoder_family) -> Decoder:
    """A tiny model of each family, all its numbers shaken, with short and with long windows if it has any."""
    config = ModelConfig(**{**decoder_family.defaults, **TINY, "window": request.param})
    generator = torch.Generator().manual_seed(3)
    model = Decoder(config).initialise(generator).eval()
    for parameter in model.parameters():
        parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


def some_ids() -> Tensor:
    return torch.arange(T)[None] * 7 % 40


def read(model: Decoder, ids: Tensor, sizes: list[int]) -> Tensor:
    """(T, V) logits, the text read with a cache in pieces of these sizes."""
    cache = KVCache(model.config, 1, T)
    return torch.cat([model(piece, cache=cache) for piece in ids.split(sizes, dim=1)], dim=1)[0]


def reach(config: ModelConfig) -> int:
    """How many positions after a token its trace can be seen at all, its own included: windows add up."""
    return 1 + sum((config.window_of(layer) or T) - 1 for layer in range(config.n_layers))


@pytest.mark.parametrize("sizes", [None, *PIECES.values()], ids=["without a cache", *PIECES])
def test_a_token_changes_no_logit_before_it_and_each_one_after_in_reach(model: Decoder, sizes):
    def logits(ids: Tensor) -> Tensor:
        return model(ids)[0] if sizes is None else read(model, ids, sizes)

    ids = some_ids()
    before = logits(ids)
    for place in range(T):
        other = ids.clone()
        other[0, place] = 39
        change = (logits(other) - before).abs().amax(-1)  # (T,)
        end = place + reach(model.config)
        assert place == 0 or change[:place].max() < 1e-6
        assert (change[place:end] > 1e-6).all()
        assert end >= T or change[end:].max() < 1e-6


def test_packed_documents_equal_each_document_alone(model: Decoder):
    sizes = [3, 1, 6, 2]
    documents = torch.repeat_interleave(torch.arange(4), torch.tensor(sizes))
    positions = torch.cat([torch.arange(size) for size in sizes])
    ids = some_ids()
    packed = model.hidden(ids, positions=positions, visible=Visible(documents=documents[None]))
    alone = [model.hidden(document) for document in ids.split(sizes, dim=1)]
    assert_close(packed, torch.cat(alone, dim=1), atol=1e-5, rtol=0)
    assert (packed - model.hidden(ids, positions=positions)).abs().max() > 1e-3


def test_a_padded_row_equals_the_row_alone(model: Decoder):
    ids, lengths = some_ids().expand(3, T), [1, 7, T]
    padded = model.hidden(ids, visible=Visible(lengths=torch.tensor(lengths)))
    for row, length in enumerate(lengths):
        assert_close(padded[row, :length], model.hidden(ids[:1, :length])[0], atol=1e-5, rtol=0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """(was there a mask, is_causal) of every call of PyTorch's attention."""
    calls: list[tuple[bool, bool]] = []
    real = F.scaled_dot_product_attention

    def watched(*args: Any, **named: Any) -> Tensor:
        calls.append((named["attn_mask"] is not None, named["is_causal"]))
        return real(*args, **named)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    return calls


def test_only_short_windows_and_packed_documents_ask_for_a_mask(model: Decoder, asked):
    config, ids = model.config, some_ids()
    local = [(config.window_of(layer) or T) < T for layer in range(config.n_layers)]

    def calls() -> list[tuple[bool, bool]]:
        made = asked.copy()
        asked.clear()
        return made

    plain = [(is_local, not is_local) for is_local in local]
    model(ids)
    assert calls() == plain
    model(ids, visible=Visible(lengths=torch.tensor([5])))  # padding is never in view
    assert calls() == plain
    model(ids, visible=Visible(documents=torch.zeros(1, T, dtype=torch.long)))
    assert calls() == [(True, False)] * config.n_layers
    model(ids[:, :3])  # as long as the short window: it hides nothing
    assert calls() == [(False, True)] * config.n_layers
    cache = KVCache(config, 1, T)
    model(ids[:, : T - 1], cache=cache)
    assert calls() == plain
    model(ids[:, T - 1 :], cache=cache)  # one new token sees all that was read
    assert calls() == [(is_local, False) for is_local in local]
