"""From logits to a token, against the processors of transformers."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from groundup.errors import UserError
from groundup.generation.sample import (
    Sampling,
    choose,
    draw,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalise_repetition,
    pick,
    probabilities,
)

LOGITS = {
    "spread": 3 * torch.randn(5, 200, generator=torch.Generator().manual_seed(0)),
    "ties": torch.randint(-3, 4, (5, 200), generator=torch.Generator().manual_seed(1)).float(),
    "all alike": torch.zeros(5, 200),
}
IDS = torch.randint(200, (5, 40), generator=torch.Generator().manual_seed(2))
SEEN = torch.zeros(5, 200, dtype=torch.bool).scatter_(1, IDS, True)
PLAIN: dict[str, Any] = {"temperature": 1.0, "top_k": 0}  # what is learned, unchanged


def one_for_each(rows: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + row) for row in range(rows)]


@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
def test_each_filter_leaves_the_logits_that_transformers_leaves(logits):
    for k in (1, 7, 199, 500):
        assert torch.equal(keep_top_k(logits, k), TopKLogitsWarper(k)(IDS, logits))  # type: ignore[arg-type]
    for p in (1e-9, 0.05, 0.31, 0.9, 0.999):
        assert torch.equal(keep_top_p(logits, p), TopPLogitsWarper(p)(IDS, logits))  # type: ignore[arg-type]
    for share in (1e-4, 0.03, 0.4, 0.9, 1.0):
        assert torch.equal(keep_min_p(logits, share), MinPLogitsWarper(share)(IDS, logits))  # type: ignore[arg-type]
    for penalty in (0.7, 1.3, 2.0):
        theirs = RepetitionPenaltyLogitsProcessor(penalty)(IDS, logits.clone())  # type: ignore[arg-type]
        assert_close(penalise_repetition(logits, SEEN, penalty), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 0.3},
        {"temperature": 2.5},
        {"top_k": 7},
        {"top_k": 500},
        {"top_p": 0.05},
        {"top_p": 0.9},
        {"min_p": 0.05},
        {"repetition_penalty": 1.4},
        {"temperature": 0.7, "top_k": 20, "top_p": 0.81},
        {"temperature": 1.8, "top_k": 50, "top_p": 0.99, "min_p": 0.31},
        {"temperature": 1.9, "top_p": 0.7, "min_p": 0.23, "repetition_penalty": 2.0},
        {"temperature": 0.5, "top_k": 3, "top_p": 0.5, "min_p": 0.11, "repetition_penalty": 0.8},
    ],
    ids=str,
)
def test_probabilities_equal_those_of_transformers(logits: Tensor, how: dict[str, Any]):
    sampling = Sampling(**{**PLAIN, **how})
    ours = probabilities(logits, sampling, SEEN)
    # The order in which transformers' `generate` puts them together.
    processors = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling.repetition_penalty != 1:
        processors.insert(0, RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        processors.append(MinPLogitsWarper(sampling.min_p))
    theirs = processors(IDS, logits.clone()).softmax(-1)  # type: ignore[arg-type]
    assert torch.equal(ours > 0, theirs > 0)
    assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert_close(ours.sum(-1), torch.ones(5))


def test_by_hand():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    for top_p, kept in [(0.4, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.94, 3), (0.99, 4)]:
        found = probabilities(logits, Sampling(**PLAIN, top_p=top_p))[0]
        assert (found > 0).tolist() == [place < kept for place in range(4)], top_p
        assert_close(found[:kept], logits[0, :kept].softmax(-1))
    squares = probabilities(logits, Sampling(temperature=0.5, top_k=2))[0]  # p^2, of the two largest
    assert_close(squares, torch.tensor([0.25 / 0.34, 0.09 / 0.34, 0.0, 0.0]))
    # 0.15 is 30 % of the largest. It is still that after top-p has made 0.53 of 0.5.
    for min_p, kept in [(0.29, 3), (0.31, 2), (0.61, 1), (1.0, 1)]:
        found = probabilities(logits, Sampling(**PLAIN, top_p=0.94, min_p=min_p))[0]
        assert int((found > 0).sum()) == kept, min_p


def test_repetition_makes_likely_and_unlikely_tokens_less_likely():
    logits, seen = torch.tensor([[2.0, -2.0, 2.0, -2.0]]), torch.tensor([[True, True, False, False]])
    assert penalise_repetition(logits, seen, 2.0).tolist() == [[1.0, -4.0, 2.0, -2.0]]
    greedy = Sampling(temperature=0.0, repetition_penalty=2.0)
    assert choose(logits, greedy, one_for_each(1), seen).tolist() == [2]
    assert probabilities(logits, greedy, seen).tolist() == [[0.0, 0.0, 1.0, 0.0]]


@pytest.mark.parametrize("temperature", [0.0, 1e-30, 1e-6])
def test_no_warmth_takes_the_most_likely_token_and_makes_no_infinities(temperature):
    logits = LOGITS["spread"] * 100
    found = probabilities(logits, Sampling(temperature=temperature))
    assert_close(found, torch.nn.functional.one_hot(logits.argmax(-1), 200).float())
    assert torch.equal(choose(logits, Sampling(temperature=temperature), one_for_each(5)), logits.argmax(-1))


def test_tokens_are_drawn_as_often_as_their_probabilities_say():
    logits, n = torch.tensor([[2.0, 1.0, 0.0, -1.0, 1.5]]), 20_000
    sampling = Sampling(temperature=0.9, top_k=4, top_p=0.97)
    expected = probabilities(logits, sampling)[0]
    drawn = choose(logits.expand(n, 5), sampling, [torch.Generator().manual_seed(0)] * n)
    shares = torch.bincount(drawn, minlength=5) / n
    error = (expected * (1 - expected) / n).sqrt()
    assert ((shares - expected).abs() <= 4 * error).all()
    assert shares[3] == 0


def test_each_token_has_a_part_as_wide_as_its_chance_and_one_without_has_none():
    points = torch.tensor([0.0, 0.2499, 0.25, 0.7, 1 - 2**-53], dtype=torch.float64)
    chances = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).expand(5, 5)
    assert pick(chances, points).tolist() == [1, 1, 3, 3, 3]


def test_a_row_draws_the_same_alone_and_among_others():
    chances = LOGITS["spread"].softmax(-1)
    together = draw(chances, one_for_each(5))
    alone = [int(draw(chances[row : row + 1], [one_for_each(5)[row]])) for row in range(5)]
    assert together.tolist() == alone


def test_the_same_generator_draws_the_same_and_the_global_one_is_left_alone():
    logits, sampling = LOGITS["spread"].repeat(10, 1), Sampling(temperature=1.5, top_k=0)
    before = torch.get_rng_state()
    first, again, other = (choose(logits, sampling, one_for_each(50, seed)) for seed in (3, 3, 400))
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
        ({"min_p": -0.1}, "min_p=-0.1 is no share"),
        ({"min_p": 1.1}, "min_p=1.1 is no share"),
        ({"repetition_penalty": 0.0}, "repetition_penalty=0.0 does not fit"),
        ({"repetition_penalty": float("inf")}, "repetition_penalty=inf does not fit"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(wrong, told):
    with pytest.raises(UserError, match=told) as caught:
        Sampling(**wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_model_whose_training_diverged_is_told_and_not_drawn_from(temperature):
    logits = torch.tensor([[0.0, float("nan"), 1.0]])
    with pytest.raises(UserError, match="diverged"):
        choose(logits, Sampling(temperature=temperature), one_for_each(1))
