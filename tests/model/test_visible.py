"""Who sees whom, against attention written out with loops over queries and keys."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from groundup.model.cache import KVCache
from groundup.model.config import ModelConfig, RopeScaling
from groundup.model.decoder import Decoder
from groundup.model.layers import rope_table, rotate
from groundup.model.visible import Visible, sight

T = 11
SIZES: dict[str, Any] = {"vocab_size": 30, "context_length": T, "d_model": 16, "n_heads": 4}
MODERN: dict[str, Any] = {"position": "rope", "n_kv_heads": 2, "norm": "rms", "mlp": "gated", "qk_norm": True}


def shaken(**fields: Any) -> Decoder:
    generator = torch.Generator().manual_seed(4)
    model = Decoder(ModelConfig(**SIZES, **fields)).initialise(generator).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def some_ids(rows: int, length: int = T) -> Tensor:
    return torch.randint(30, (rows, length), generator=torch.Generator().manual_seed(rows))


def turned(x: Tensor, base: float) -> Tensor:
    """(T, H, K) with each pair (j, j + K/2) as one complex number, times e^(i * position * frequency)."""
    half = x.shape[-1] // 2
    frequencies = base ** (-torch.arange(half).double() / half)
    angles = torch.arange(len(x)).double()[:, None] * frequencies
    pairs = torch.complex(x[..., :half].double(), x[..., half:].double())
    pairs = pairs * torch.polar(torch.ones_like(angles), angles)[:, None]
    return torch.cat((pairs.real, pairs.imag), dim=-1).float()


@torch.no_grad()
def written_out(model: Decoder, ids: Tensor, sees: Callable[[int, int, int], bool]) -> Tensor:
    """(T,) ids -> (T, V) logits; sees(layer, query, key) says which positions count at all."""
    c, x = model.config, model.tokens.weight[ids]
    if model.positions is not None:
        x = x + model.positions.weight[: len(ids)]
    block: Any
    for layer, block in enumerate(model.blocks):
        part, normal = block.attention, block.attention_norm(x)
        query = part.query_norm(part.query(normal).view(len(ids), c.n_heads, c.head_width))
        key = part.key_norm(part.key(normal).view(len(ids), c.kv_heads, c.head_width))
        value = part.value(normal).view(len(ids), c.kv_heads, c.head_width)
        if c.position == "rope":
            query, key = turned(query, c.rope_base), turned(key, c.rope_base)
        gathered = torch.zeros(len(ids), c.n_heads, c.head_width)
        for head in range(c.n_heads):
            shared = head // (c.n_heads // c.kv_heads)
            for i in range(len(ids)):
                seen = [j for j in range(i + 1) if sees(layer, i, j)]
                scores = torch.stack([query[i, head] @ key[j, shared] for j in seen]) / c.head_width**0.5
                gathered[i, head] = scores.softmax(0) @ value[seen, shared]
        x = x + part.output(gathered.flatten(1))
        x = x + block.mlp(block.mlp_norm(x))
    return model.unembed(model.final_norm(x))


@pytest.mark.parametrize("modern", [{}, MODERN], ids=["GPT-2", "modern"])
@pytest.mark.parametrize("pattern, window", [("G", None), ("L", 1), ("L", 3), ("GL", 2), ("LG", 4), ("L", T)])
def test_windows_equal_attention_written_out(modern: dict[str, Any], pattern: str, window: int | None):
    model = shaken(n_layers=2, layer_pattern=pattern, window=window, **modern)
    ids = some_ids(1)[0]

    def sees(layer: int, query: int, key: int) -> bool:
        local = pattern[layer % len(pattern)] == "L"
        return not local or (window is not None and query - key < window)

    expected = written_out(model, ids, sees)
    cache = KVCache(model.config, 1, T)
    with torch.no_grad():
        assert_close(model(ids[None])[0], expected, atol=1e-5, rtol=0)
        pieces = [model(piece[None], cache=cache)[0] for piece in ids.split([4, 1, 3, 1, 1, 1])]
    assert_close(torch.cat(pieces), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("modern", [{}, MODERN], ids=["GPT-2", "modern"])
def test_a_padded_row_equals_the_row_alone(modern: dict[str, Any]):
    model, ids, lengths = shaken(n_layers=2, **modern), some_ids(4), [1, 5, 8, T]
    visible = Visible(lengths=torch.tensor(lengths))
    with torch.no_grad():
        padded = model(ids, visible=visible)
        assert torch.isfinite(padded).all()
        for row, length in enumerate(lengths):
            assert_close(padded[row, :length], model(ids[row : row + 1, :length])[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("window", [None, 2])
def test_packed_documents_equal_each_document_alone(window: int | None):
    pattern = "G" if window is None else "LG"
    model = shaken(n_layers=2, layer_pattern=pattern, window=window)
    sizes = [3, 1, 5, 2]
    documents = torch.repeat_interleave(torch.arange(4), torch.tensor(sizes))
    positions = torch.cat([torch.arange(size) for size in sizes])
    ids = some_ids(2)
    visible = Visible(documents=documents.expand(2, T))
    with torch.no_grad():
        packed = model(ids, positions=positions, visible=visible)
        alone = [model(document) for document in ids.split(sizes, dim=1)]
    assert_close(packed, torch.cat(alone, dim=1), atol=1e-5, rtol=0)


def test_padding_documents_and_windows_together_equal_attention_written_out():
    model = shaken(n_layers=2, layer_pattern="LG", window=3, **MODERN)
    ids, documents, length = some_ids(1), torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]]), 10
    visible = Visible(lengths=torch.tensor([length]), documents=documents)

    def sees(layer: int, query: int, key: int) -> bool:
        near = layer == 1 or query - key < 3
        return near and bool(documents[0, query] == documents[0, key])

    with torch.no_grad():
        found = model(ids, visible=visible)[0, :length]
    assert_close(found, written_out(model, ids[0, :length], sees), atol=1e-5, rtol=0)


def test_the_fused_kernel_is_chosen_where_nothing_but_time_limits_the_view():
    places = torch.arange(8)
    assert sight(places, places, None, None) == (None, True)
    assert sight(places, places, 8, None) == (None, True)
    assert sight(places[7:], places, None, None) == (None, False)  # one new token sees all
    for queries, window in [(places, 7), (places[7:], 7), (places[5:], None)]:
        mask = sight(queries, places, window, None).mask
        assert mask is not None
        wanted = [[q - k in range(window or 8) for k in range(8)] for q in queries.tolist()]
        assert mask.tolist() == wanted


def test_rotation_keeps_lengths_and_makes_products_depend_on_the_distance_alone():
    query, key = torch.randn(2, 1, 1, 6, generator=torch.Generator().manual_seed(0))
    products = []
    for at, other in [(3, 1), (9, 7), (100, 98)]:
        turned_query = rotate(query, *rope_table(torch.tensor([at]), 6, 10_000.0))
        turned_key = rotate(key, *rope_table(torch.tensor([other]), 6, 10_000.0))
        assert_close(turned_query.norm(), query.norm())
        products.append(float((turned_query * turned_key).sum()))
    assert max(products) - min(products) < 1e-5
    assert abs(products[0] - float((query * key).sum())) > 1e-3


def test_a_scaled_rotation_divides_the_angles_of_the_slow_pairs():
    """By hand: of pairs that turn less than once in 100 positions by 4, above 4 times not at all."""
    position, base = torch.tensor([100.0]), 100.0
    angles = [100.0, 10.0, 1.0, 0.1]  # in radians, so 15.9, 1.59, 0.159 and 0.0159 turns
    kept = (10 / (2 * math.pi) - 1) / 3  # of the second pair, which lies between
    wanted = [100.0, 10 * kept + 10 * (1 - kept) / 4, 0.25, 0.025]
    scalings = {
        None: angles,
        RopeScaling(kind="linear", factor=4.0): [angle / 4 for angle in angles],
        RopeScaling(kind="llama3", factor=4.0, original_context=100): wanted,
    }
    for scaling, expected in scalings.items():
        cos, sin = rope_table(position, 8, base**2, scaling)
        assert_close(cos[0, :4], torch.tensor(expected).cos(), atol=1e-5, rtol=0)
        assert_close(sin[0, 4:], torch.tensor(expected).sin(), atol=1e-5, rtol=0)


def test_lengths_and_documents_hide_whole_positions_from_every_query():
    places = torch.arange(4)
    assert Visible().mask(places, places) is None
    lengths, documents = torch.tensor([3]), torch.tensor([[0, 0, 1, 1]])
    real = Visible(lengths=lengths).mask(places, places)
    assert real is not None
    assert real.tolist() == [[[[True, True, True, False]]]]
    both = Visible(lengths=lengths, documents=documents).mask(places, places)
    assert both is not None
    first, second = [True, True, False, False], [False, False, True, False]
    assert both.tolist() == [[[first, first, second, second]]]
