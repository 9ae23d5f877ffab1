"""The loss of answers against PyTorch's own, and its intervals."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tests.text.chats import said

from groundup.data.answers import AnswerExamples
from groundup.evaluation.answers import answers_loss, told
from groundup.evaluation.statistics import bootstrap_ratio
from groundup.weights.folder import Loaded

CONVERSATIONS = [said("a" * (number % 3), "bcd"[: 1 + number % 4 % 3]) for number in range(12)]


@pytest.fixture(scope="module")
def loaded(make_loaded: Callable[..., Loaded]) -> Loaded:
    """A tiny model for which most answers end at once, so that some of its first choices are right."""
    loaded = make_loaded(seed=1, shake=0.3, tie_embeddings=False)
    with torch.no_grad():
        loaded.model.unembed.weight[4] += 4 * loaded.model.final_norm.get_parameter("bias")
    return loaded


@pytest.fixture(scope="module")
def examples(loaded) -> AnswerExamples:
    return AnswerExamples(CONVERSATIONS, loaded.tokenizer, 16)


def by_hand(loaded, examples) -> list[tuple[float, int, int]]:
    """(nats, first choices, tokens) of each example by one forward and PyTorch's loss."""
    found = []
    for ids, targets in (examples[number] for number in range(len(examples))):
        with torch.no_grad():
            logits = loaded.model(ids[None])[0].double()
        nats = F.cross_entropy(logits, targets, reduction="sum", ignore_index=-100)
        found.append((float(nats), int((logits.argmax(-1) == targets).sum()), int((targets != -100).sum())))
    return found


@pytest.mark.parametrize("tokens_per_batch", [1, 40, 8192])
def test_loss_perplexity_and_accuracy_are_those_of_the_answers_tokens_alone(
    loaded, examples, tokens_per_batch
):
    nats, right, count = zip(*by_hand(loaded, examples), strict=True)
    found = answers_loss(loaded, examples, tokens_per_batch=tokens_per_batch)
    assert found["loss"] == pytest.approx(sum(nats) / sum(count), abs=1e-6)
    assert found["perplexity"] == pytest.approx(math.exp(sum(nats) / sum(count)), rel=1e-5)
    assert found["accuracy"] == sum(right) / sum(count)
    assert 0 < sum(right) < sum(count)
    assert (found["examples"], found["tokens"]) == (12, sum(count))
    assert found["loss_interval"] == pytest.approx(bootstrap_ratio(nats, count), abs=1e-6)
    assert found["accuracy_interval"] == bootstrap_ratio(right, count)
    assert found["loss_interval"][0] < found["loss"] < found["loss_interval"][1]


def test_a_mean_over_examples_would_be_another_number(loaded, examples):
    """Their answers are of several lengths, or the test above could not see the difference."""
    rows = by_hand(loaded, examples)
    mean = sum(nats / count for nats, _, count in rows) / len(rows)
    assert abs(answers_loss(loaded, examples)["loss"] - mean) > 1e-3
    share = sum(right / count for _, right, count in rows) / len(rows)
    assert abs(answers_loss(loaded, examples)["accuracy"] - share) > 1e-3


def test_a_few_examples_have_no_interval_and_say_so_in_the_sentence(loaded):
    found = answers_loss(loaded, AnswerExamples(CONVERSATIONS[:9], loaded.tokenizer, 16))
    assert found["loss_interval"] is None
    assert "95 %" not in told(found)


def test_the_sentence_has_the_figures():
    figures = {"loss": 1.23456, "loss_interval": (1.0, 1.5), "perplexity": 3.4369, "accuracy": 0.25}
    figures |= {"accuracy_interval": (0.1, 0.4), "examples": 12, "tokens": 1234}
    assert told(figures) == (
        "answers: loss 1.235 (95 %: 1.000 to 1.500), perplexity 3.44, 25.0 % of 1,234 tokens first choice"
    )


def test_a_model_in_training_is_scored_without_dropout_and_trains_on(loaded, examples):
    expected, told_of = answers_loss(loaded, examples), []
    model = loaded.model
    model.drop.p = 0.5
    model.train()
    try:
        found = answers_loss(
            loaded, examples, tokens_per_batch=40, progress=lambda *done: told_of.append(done)
        )
        assert model.training
    finally:
        model.drop.p = 0.0
        model.eval()
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-6)
    assert told_of[-1] == (12, 12)
    assert len(told_of) > 2
