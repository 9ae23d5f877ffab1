"""Recipes: what is worked out, and what is refused before anything is done."""

import pytest

from groundup.errors import UserError
from groundup.runs.recipe import AUTO_TOKENS, make_recipe
from groundup.settings import with_changes
from tests.runs.conftest import TINY, tiny_recipe


@pytest.mark.parametrize(
    "tokens_per_step, sequence_length, rows",
    [(512, 64, 8), (64, 64, 1), (64 * AUTO_TOKENS, 64, AUTO_TOKENS // 64)],
)
def test_an_automatic_micro_batch_fills_one_forward_but_not_more_than_a_step(
    tokens_per_step: int, sequence_length: int, rows: int
) -> None:
    sizes = f"train.tokens_per_step={tokens_per_step}", f"train.sequence_length={sequence_length}"
    assert tiny_recipe("train.micro_batch=auto", *sizes).train.micro_batch == rows


@pytest.mark.parametrize(
    "changes, wanted",
    [
        (("train.micro_batch=auto", "train.sequence_length=0"), "train.sequence_length = 0 is too small"),
        (("train.micro_batch=auto", "train.tokens_per_step=many"), "train.tokens_per_step = 'many' does not"),
        (("train.micro_batch=many",), "train.micro_batch = 'many' does not fit"),
        (("data.max_tokens=-1",), "data.max_tokens = -1 is negative"),
        (("data.validation_tokens=-1",), "data.validation_tokens = -1 is negative"),
        (("validate.every=-1",), "validate.every = -1 is negative"),
        (("evaluate.tokens=-1",), "evaluate.tokens = -1 is negative"),
        (("sample.every=-1",), "sample.every = -1 is negative"),
        (("sample.max_tokens=0",), "sample.max_tokens = 0 is too small"),
        (("sample.temperature=-1.0",), "temperature=-1.0 does not fit"),
        (("sample.top_p=0.0",), "top_p=0.0 is no share"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(changes: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(UserError, match=wanted):
        tiny_recipe(*changes)


def test_a_model_that_sees_the_future_is_refused_as_it_would_learn_nothing() -> None:
    with pytest.raises(UserError, match="No family of decoders .* cannot have causal=False"):
        tiny_recipe("model.family=bert")


def test_a_model_to_start_from_takes_no_other_shape() -> None:
    table = with_changes(TINY, ["model.from='runs/other'"])
    with pytest.raises(UserError, match="from and family, d_model"):
        make_recipe(table)
    with pytest.raises(UserError, match=r"model\.from = 3 is no folder"):
        make_recipe({**TINY, "model": {"from": 3}})


def test_the_vocabulary_of_a_named_tokenizer_counts_and_not_the_size_of_one_to_train() -> None:
    assert tiny_recipe("model.vocab_size=304").model["vocab_size"] == 304  # bytes: 261 tokens
    with pytest.raises(UserError, match=r"model\.vocab_size = 260 is smaller than the tokenizer's 261"):
        tiny_recipe("model.vocab_size=260")
    with pytest.raises(UserError, match="smaller than the tokenizer's 50257"):
        tiny_recipe("model.vocab_size=304", "tokenizer.source=gpt2")
