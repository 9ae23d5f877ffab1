"""The size of a model by one dial."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.counting import count_parameters
from groundup.model.decoder import Decoder
from groundup.runs.recipe import Recipe, make_recipe
from groundup.runs.sizes import NEAR, parameters_asked, vocabulary_to_expect, with_shape
from groundup.settings import Table, build
from groundup.text.tokenizer import Tokenizer
from groundup.zoo import FAMILIES, family_for
from tests.runs.conftest import TINY, tiny_recipe


def config_of(table: Table, vocab_size: int, context_length: int) -> ModelConfig:
    fields = {name: value for name, value in table.items() if name != "family"}
    sizes = {"vocab_size": vocab_size, "context_length": context_length}
    return build(ModelConfig, {**sizes, **FAMILIES.get(table["family"]).defaults, **fields})


def sized(size: Any, *, vocab_size: int = 50_257, context_length: int = 1024, **more: Any) -> ModelConfig:
    table = {"family": "gpt2", **more, "size": size}
    shape = with_shape(table, vocab_size=vocab_size, context_length=context_length)
    assert "size" not in shape
    return config_of(shape, vocab_size, context_length)


@pytest.mark.parametrize(
    "size, parameters",
    [
        ("16m", 16_000_000),
        ("1.5B", 1_500_000_000),
        ("300k", 300_000),
        ("16_000_000", 16_000_000),
        (16_000_000, 16_000_000),
        (1.6e7, 16_000_000),
    ],
)
def test_a_size_is_a_word_or_a_number(size: Any, parameters: int) -> None:
    assert parameters_asked(size) == parameters


@pytest.mark.parametrize(
    "size", ["", "m", "16x", "-3m", "0", 0, -5, True, "1e400", 1e400, float("nan"), [16]]
)
def test_what_is_no_size_is_refused(size: Any) -> None:
    with pytest.raises(UserError, match=r"model\.size = .* is no size"):
        parameters_asked(size)


@pytest.mark.parametrize(
    "size, shape, parameters",
    [
        ("124m", (768, 12, 12), 124_439_808),
        ("355m", (1024, 24, 16), 354_823_168),
        ("774m", (1280, 36, 20), 774_030_080),
        ("1.5b", (1600, 48, 25), 1_557_611_200),
    ],
)
def test_the_published_sizes_come_out_as_published(
    size: str, shape: tuple[int, int, int], parameters: int
) -> None:
    config = sized(size)
    assert (config.d_model, config.n_layers, config.n_heads) == shape
    assert count_parameters(config) == parameters


def test_a_published_size_comes_with_all_of_its_shape() -> None:
    config = sized("600m", family="qwen3", vocab_size=151_936, context_length=40_960)
    assert count_parameters(config) == 596_049_920  # as published: 0.6 billion
    assert (config.d_head, config.n_kv_heads, config.d_ff, config.tie_embeddings) == (128, 8, 3072, True)


def test_16m_is_the_shape_of_the_16m_recipe() -> None:
    config = sized("16m", vocab_size=50_304)
    assert (config.d_model, config.n_layers, config.n_heads) == (256, 4, 8)
    assert count_parameters(config) == 16_299_520


@settings(deadline=None, max_examples=60)
@given(
    asked=st.floats(5.5, 10).map(lambda power: round(10**power)),
    family=st.sampled_from([family.name for family in FAMILIES.all() if family.model is Decoder]),
    vocab_size=st.sampled_from((261, 4096, 50_257)),
)
def test_every_size_that_can_be_is_met_nearly_and_has_a_family(
    asked: int, family: str, vocab_size: int
) -> None:
    least = 2 * 32 * (vocab_size + 1000)  # both ends at the least width, and a little for the blocks
    if asked < least:
        with contextlib.suppress(UserError):  # it may be too small, or not
            sized(asked, family=family, vocab_size=vocab_size, context_length=64)
        return
    config = sized(asked, family=family, vocab_size=vocab_size, context_length=64)
    assert abs(count_parameters(config) / asked - 1) <= NEAR
    assert 32 <= config.head_width <= 128 or config.d_head is not None  # as published: Gemma's are 256 wide
    assert family_for(config).name in (family, "llama", "qwen3")


def test_larger_sizes_are_wider_and_deeper() -> None:
    shapes = [sized(size, vocab_size=4096, context_length=256) for size in ("1m", "10m", "100m", "1b")]
    for field in ("d_model", "n_layers"):
        values = [getattr(shape, field) for shape in shapes]
        assert values == sorted(set(values))


@pytest.mark.parametrize(
    "fields",
    [
        {"n_layers": 8},
        {"d_model": 192},
        {"n_heads": 6},
        {"n_kv_heads": 2, "family": "llama"},
        {"d_model": 100},
        {"tie_embeddings": False},
        {"d_ff": 1000},
    ],
)
def test_what_is_given_beside_the_size_stays(fields: dict[str, Any]) -> None:
    config = sized("16m", **fields)
    assert {name: vars(config)[name] for name in fields if name != "family"} == {
        name: value for name, value in fields.items() if name != "family"
    }
    assert abs(count_parameters(config) / 16e6 - 1) <= NEAR


def test_a_published_shape_gives_way_to_what_is_given() -> None:
    assert sized("124m", n_layers=6).n_layers == 6


@pytest.mark.parametrize(
    "fields, wanted",
    [
        ({"n_layers": 12, "d_model": 768}, r"contradicts n_layers = 12 and d_model = 768.*124,439,808"),
        ({"d_model": 4096}, "contradicts d_model = 4096"),
        ({"d_model": 100, "n_heads": 3}, "d_model=100 is not a multiple of n_heads=3"),
        ({"d_modell": 3}, "Did you mean 'd_model'?"),
        ({"family": "gtp2"}, "Did you mean 'gpt2'?"),
        ({"n_layers": "four"}, r"model\.n_layers = 'four' does not fit"),
        ({"n_heads": "four"}, r"model\.n_heads = 'four' does not fit"),
    ],
)
def test_a_contradiction_is_told_in_one_line(fields: dict[str, Any], wanted: str) -> None:
    with pytest.raises(UserError, match=wanted):
        sized("16m", **fields)


def test_a_size_that_cannot_be_with_the_vocabulary_is_refused() -> None:
    with pytest.raises(
        UserError, match="too small: with 50,304 tokens the nearest is 2 layers of width 32, 1,667,968"
    ):
        sized("1m", vocab_size=50_304)


def small(*more: tuple[str, Any]) -> Recipe:
    return make_recipe({**TINY, "model": {"family": "gpt2", **dict(more)}})


def test_a_recipe_holds_the_shape_and_no_size_so_its_file_gives_the_same_run() -> None:
    recipe = small(("size", "200k"))
    assert "size" not in recipe.model
    assert {"d_model", "n_layers", "n_heads"} <= recipe.model.keys()
    assert make_recipe(recipe.to_table()) == recipe == small(("size", "200k"))


def test_a_size_counts_on_the_tokens_that_the_tokenizer_will_have() -> None:
    assert vocabulary_to_expect("train", 700) == 700
    assert vocabulary_to_expect("bytes", 700) == Tokenizer.from_bytes().vocab_size
    assert vocabulary_to_expect("gpt2", 700) == 50_257


def test_a_size_counts_on_the_tokens_of_a_folder(tmp_path: Any) -> None:
    Tokenizer.from_bytes().save(tmp_path)
    assert vocabulary_to_expect(str(tmp_path), 700) == Tokenizer.from_bytes().vocab_size


def test_a_model_to_start_from_has_its_size_already() -> None:
    with pytest.raises(UserError, match="from and size"):
        make_recipe({**TINY, "model": {"from": "runs/other", "size": "1m"}})


def test_samples_are_counted_and_every_way_of_drawing_can_be_set() -> None:
    recipe = tiny_recipe("sample.count=3", "sample.min_p=0.1", "sample.repetition_penalty=1.2")
    assert recipe.sample.how["min_p"] == 0.1
    assert recipe.sample.how["repetition_penalty"] == 1.2
    with pytest.raises(UserError, match=r"sample\.count = 0 is too small"):
        tiny_recipe("sample.count=0")
