"""From logits to a token, against the processors of transformers."""

import pytest
import torch
from torch.testing import assert_close
from transformers.generation.logits_process import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from groundup.errors import UserError
from groundup.generation.sample import Sampling, choose, probabilities


def some_logits(rows: int = 5, vocabulary: int = 200) -> torch.Tensor:
    return 3 * torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "temperature, top_k, top_p",
    [
        (1.0, 0, 1.0),
        (0.3, 0, 1.0),
        (2.5, 0, 1.0),
        (1.0, 1, 1.0),
        (1.0, 7, 1.0),
        (1.0, 500, 1.0),
        (1.0, 0, 0.9),
        (1.0, 0, 0.05),
        (1.0, 0, 1e-9),
        (0.7, 20, 0.8),
        (1.8, 50, 0.99),
        (0.5, 3, 0.5),
    ],
)
def test_probabilities_equal_those_of_transformers(temperature, top_k, top_p):
    logits = some_logits()
    ours = probabilities(logits, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))
    processors = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        processors.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        processors.append(TopPLogitsWarper(top_p))
    theirs = processors(torch.zeros(5, 0, dtype=torch.long), logits).softmax(-1)  # type: ignore[arg-type]
    assert torch.equal(ours > 0, theirs > 0)
    assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert_close(ours.sum(-1), torch.ones(5))


def test_by_hand():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    for top_p, kept in [(0.4, 1), (0.5, 1), (0.51, 2), (0.79, 2), (0.94, 3), (0.99, 4)]:
        found = probabilities(logits, Sampling(temperature=1.0, top_k=0, top_p=top_p))[0]
        assert (found > 0).tolist() == [place < kept for place in range(4)], top_p
        assert_close(found[:kept], logits[0, :kept].softmax(-1))
    squares = probabilities(logits, Sampling(temperature=0.5, top_k=2))[0]  # p^2, of the two largest
    assert_close(squares, torch.tensor([0.25 / 0.34, 0.09 / 0.34, 0.0, 0.0]))


@pytest.mark.parametrize("temperature", [0.0, 1e-30, 1e-6])
def test_no_warmth_takes_the_most_likely_token_and_makes_no_infinities(temperature):
    logits = some_logits() * 100
    found = probabilities(logits, Sampling(temperature=temperature))
    assert_close(found, torch.nn.functional.one_hot(logits.argmax(-1), 200).float())
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(choose(logits, Sampling(temperature=temperature), generator), logits.argmax(-1))


def test_tokens_are_drawn_as_often_as_their_probabilities_say():
    logits, n = torch.tensor([[2.0, 1.0, 0.0, -1.0, 1.5]]), 20_000
    sampling = Sampling(temperature=0.9, top_k=4, top_p=0.97)
    expected = probabilities(logits, sampling)[0]
    drawn = choose(logits.expand(n, 5), sampling, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=5) / n
    error = (expected * (1 - expected) / n).sqrt()
    assert ((shares - expected).abs() <= 4 * error).all()
    assert shares[3] == 0


def test_the_same_generator_draws_the_same_and_the_global_one_is_left_alone():
    logits, sampling = some_logits(50), Sampling(temperature=1.5, top_k=0)
    before = torch.get_rng_state()
    first, again, other = (
        choose(logits, sampling, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"temperature": -0.1}, "temperature=-0.1 does not fit"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"top_k": -1}, "top_k=-1 is negative"),
        ({"top_p": 0.0}, "top_p=0.0 is no share"),
        ({"top_p": 1.5}, "top_p=1.5 is no share"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(wrong, told):
    with pytest.raises(UserError, match=told) as caught:
        Sampling(**wrong)
    assert "\n" not in str(caught.value)


def test_a_model_whose_training_diverged_is_told_and_not_drawn_from():
    logits = torch.tensor([[0.0, float("nan"), 1.0]])
    with pytest.raises(UserError, match="diverged"):
        choose(logits, Sampling(), torch.Generator())
