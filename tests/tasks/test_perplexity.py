"""Perplexity and bits per byte: of a model that knows nothing, by hand, and beside the floor."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from groundup.evaluation.score import Likelihoods
from groundup.evaluation.texts import Texts
from groundup.tasks.perplexity import FEW_DOCUMENTS, TASK, bits_interval, excess_percent, perplexity
from groundup.weights.folder import Loaded


@pytest.fixture
def loaded(make_loaded: Callable[..., Loaded]) -> Loaded:
    return make_loaded(shake=0.3, vocab_size=300)


def by_metric(loaded: Loaded, texts: Texts) -> dict[str, float]:
    return {score.metric: score.value for score in TASK.score(loaded, texts, None)}


def test_a_model_that_knows_nothing_has_the_size_of_its_vocabulary_as_perplexity(loaded):
    with torch.no_grad():
        loaded.model.tokens.weight.zero_()  # tied: all logits are 0
    texts = Texts.from_strings(loaded.tokenizer, ["día", "a longer text than the context holds"])
    found = by_metric(loaded, texts)
    n_tokens, n_bytes = 4 + 1 + 36 + 1, 4 + 36
    assert found["perplexity"] == pytest.approx(300, rel=1e-6)
    assert found["bits_per_byte"] == pytest.approx(math.log2(300) * n_tokens / n_bytes, rel=1e-6)
    assert "excess_percent" not in found


def test_the_figures_of_two_short_texts_equal_those_by_hand(loaded):
    nats, right, n_tokens = 0.0, 0, 0
    for text in ("día", "xyz xyz"):
        ids = torch.tensor([0, *loaded.tokenizer.encode(text), 0])
        with torch.no_grad():
            log_p = loaded.model(ids[None, :-1])[0].double().log_softmax(-1)
        nats -= float(log_p[torch.arange(len(ids) - 1), ids[1:]].sum())
        right += int((log_p.argmax(-1) == ids[1:]).sum())
        n_tokens += len(ids) - 1
    texts = Texts.from_strings(loaded.tokenizer, ["día", "xyz xyz"], floor=lambda text: 2.0 * len(text))
    found = by_metric(loaded, texts)
    bits = nats / math.log(2)
    assert found["bits_per_byte"] == pytest.approx(bits / 11, rel=1e-6)  # "í" has two bytes
    assert found["perplexity"] == pytest.approx(math.exp(nats / n_tokens), rel=1e-6)
    assert found["accuracy"] == right / n_tokens
    assert found["excess_percent"] == pytest.approx(100 * (bits / 20 - 1), rel=1e-6)


def some_figures(n_documents: int, windows_each: int = 2) -> tuple[Likelihoods, Texts]:
    rng = np.random.default_rng(0)
    document = np.repeat(np.arange(n_documents), windows_each)
    targets = np.full(len(document), 10.0)
    nats = rng.uniform(10, 30, len(document))
    found = Likelihoods(document, nats, np.zeros(len(document)), targets, [], [])
    nothing = [np.zeros(1, dtype=np.int64)] * n_documents
    n_bytes = np.full(n_documents, 40 * windows_each // 2)
    return found, Texts(nothing, n_bytes, np.full(n_documents, 20.0))


@pytest.mark.parametrize("n_documents", [6, FEW_DOCUMENTS - 1, FEW_DOCUMENTS, 100])
def test_the_interval_of_bits_per_byte_lies_around_the_value_and_narrows(n_documents):
    found, texts = some_figures(n_documents)
    interval = bits_interval(found, texts)
    assert interval is not None
    value = found.nats.sum() / math.log(2) / texts.n_bytes.sum()
    assert interval[0] < value < interval[1]
    # A window has uniformly 10 to 30 nats: a spread of 20 / sqrt(12), whichever way the items are drawn.
    half = 1.96 * 20 / math.sqrt(12) * math.sqrt(len(found.nats)) / math.log(2) / texts.n_bytes.sum()
    assert interval[1] - interval[0] == pytest.approx(2 * half, rel=0.35)


def test_one_window_has_no_interval_and_one_long_text_has_one():
    assert bits_interval(*some_figures(1, windows_each=1)) is None
    assert bits_interval(*some_figures(1, windows_each=20)) is not None


def test_a_model_that_reaches_the_floor_has_no_excess():
    found, texts = some_figures(12)
    reached = Texts(texts.ids, texts.n_bytes, found.by_document(found.nats, 12) / math.log(2))
    value, interval = excess_percent(found, reached)
    assert value == pytest.approx(0, abs=1e-9)
    assert interval == pytest.approx((0, 0), abs=1e-9)
    twice = Texts(texts.ids, texts.n_bytes, found.by_document(found.nats, 12) / math.log(2) / 2)
    assert excess_percent(found, twice)[0] == pytest.approx(100)


def test_the_perplexity_of_a_run_that_diverges_is_infinite_and_no_crash() -> None:
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert perplexity(5000.0) == math.inf
    assert math.isnan(perplexity(math.nan))
