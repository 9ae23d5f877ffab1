"""Divergences against hand calculations and PyTorch's own; over documents, against windows one by one."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.evaluation.divergence import between, divergence
from groundup.evaluation.statistics import bootstrap_ratio
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded


@pytest.fixture
def tuned(loaded: Loaded) -> Loaded:
    """The base, changed a little everywhere."""
    model = copy.deepcopy(loaded.model)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    return replace(loaded, model=model)


def log(*shares: float) -> torch.Tensor:
    """Logits of a distribution; what is added to all of them changes nothing."""
    return torch.tensor([shares], dtype=torch.float64).log() + 3


def test_two_small_distributions_by_hand():
    """p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2), their mean (3/8, 1/4, 3/8)."""
    [[forward, reverse, middle]] = between(log(0.5, 0.25, 0.25), log(0.25, 0.25, 0.5)).tolist()
    assert forward == pytest.approx(0.5 * math.log(2) + 0.25 * math.log(0.5), abs=1e-15)
    assert reverse == pytest.approx(forward, abs=1e-15)
    assert middle == pytest.approx(0.5 * math.log(4 / 3) + 0.25 * math.log(2 / 3), abs=1e-15)


def test_forward_and_reverse_are_not_exchanged():
    [[forward, reverse, _]] = between(log(0.9, 0.1), log(0.5, 0.5)).tolist()
    assert forward == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2), abs=1e-15)
    assert reverse == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(5), abs=1e-15)


def test_random_distributions_agree_with_pytorch_in_float64():
    first, second = 4 * torch.randn(
        2, 50, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    log_p, log_q = first.log_softmax(-1), second.log_softmax(-1)
    log_m = ((log_p.exp() + log_q.exp()) / 2).log()

    def kl(above: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        return F.kl_div(below, above, log_target=True, reduction="none").sum(-1)

    expected = [kl(log_p, log_q), kl(log_q, log_p), (kl(log_p, log_m) + kl(log_q, log_m)) / 2]
    assert_close(between(first, second), torch.stack(expected, -1), atol=1e-12, rtol=1e-12)


def test_distributions_that_share_nothing_are_ln_2_apart_and_equal_ones_0():
    far = torch.tensor([[900.0, 0.0]], dtype=torch.float64)
    [[forward, reverse, middle]] = between(far, far.flip(-1)).tolist()
    assert (forward, reverse) == (900.0, 900.0)
    assert middle == pytest.approx(math.log(2), abs=1e-15)
    assert between(far, far).tolist() == [[0.0, 0.0, 0.0]]


def one_by_one(base: Loaded, tuned: Loaded, documents: list[np.ndarray]) -> np.ndarray:
    """(documents, 3) sums over every token, each window read by itself with all of its logits."""
    sums = np.zeros((len(documents), 3))
    for number, ids in enumerate(documents):
        end = 0
        while end < len(ids) - 1:  # windows of 16 that overlap by half
            asked = end
            end = min(len(ids) - 1, 16 if asked == 0 else asked + 8)
            start = max(0, end - 16)
            window = torch.from_numpy(ids[start:end])[None]
            with torch.no_grad():
                both = [each.model(window)[0, asked - start :].double() for each in (base, tuned)]
            sums[number] += between(both[0], both[1]).sum(0).numpy()
    return sums


@pytest.mark.parametrize("tokens_per_batch", [1, 40, 8192])
def test_documents_of_any_length_give_the_mean_over_all_their_tokens(
    loaded, tuned, documents, tokens_per_batch
):
    found = divergence(loaded, tuned, documents, tokens_per_batch=tokens_per_batch)
    expected, n_tokens = one_by_one(loaded, tuned, documents), [len(ids) - 1 for ids in documents]
    ours = [each.nats for each in (found.forward, found.reverse, found.jensen_shannon)]
    assert (found.documents, found.tokens) == (len(documents), sum(n_tokens))
    assert ours == pytest.approx((expected.sum(0) / sum(n_tokens)).tolist(), abs=1e-6)
    assert abs(ours[0] - ours[1]) > 1e-3
    assert min(ours) > 1e-2
    assert found.forward.bits == pytest.approx(ours[0] / math.log(2), rel=1e-15)
    assert found.forward.interval is found.forward.bits_interval is None  # 9 documents


def test_the_interval_draws_documents(loaded, tuned, documents):
    documents = documents + documents[:4]
    found = divergence(loaded, tuned, documents)
    expected, n_tokens = one_by_one(loaded, tuned, documents), [len(ids) - 1 for ids in documents]
    drawn = [bootstrap_ratio(each, n_tokens) for each in expected.T]
    for amount, interval in zip((found.forward, found.reverse, found.jensen_shannon), drawn, strict=True):
        assert amount.interval == pytest.approx(interval, abs=1e-6)
        low, high = amount.interval or (0, 0)
        assert low < amount.nats < high
        assert amount.bits_interval == pytest.approx((low / math.log(2), high / math.log(2)), rel=1e-12)


def test_a_model_has_not_gone_away_from_itself_and_stays_as_it_was(loaded, documents):
    told: list[tuple[int, int]] = []
    random = torch.get_rng_state()
    loaded.model.train()
    found = divergence(loaded, loaded, documents, progress=lambda *n: told.append(n))
    assert [each.nats for each in (found.forward, found.reverse, found.jensen_shannon)] == [0.0, 0.0, 0.0]
    assert loaded.model.training
    loaded.model.eval()
    assert torch.equal(torch.get_rng_state(), random)
    assert told[-1][0] == told[-1][1]


def test_the_padding_of_one_vocabulary_is_left_out(loaded, tuned, documents):
    """The same model with more ids that no token has, all of them likely."""
    config = replace(tuned.config, vocab_size=tuned.config.vocab_size + 8)
    wide = type(tuned.model)(config).eval()
    weights = dict(tuned.model.state_dict())
    for name in ("tokens.weight", "unembed.weight"):
        weights[name] = torch.cat([weights[name], torch.full((8, config.d_model), 0.5)])
    wide.load_state_dict(weights)
    padded = replace(tuned, model=wide, config=config)
    found, plain = divergence(loaded, padded, documents), divergence(loaded, tuned, documents)
    assert found.forward.nats == pytest.approx(plain.forward.nats, abs=1e-6)
    assert found.reverse.nats == pytest.approx(plain.reverse.nats, abs=1e-6)


def test_models_with_different_contexts_see_the_same_text(loaded, documents):
    short = replace(loaded, config=replace(loaded.config, context_length=8))
    found = divergence(loaded, short, documents)
    assert found.forward.nats == 0.0


def test_models_with_different_tokenizers_are_refused_in_one_line(loaded, documents):
    longer = Tokenizer.from_bytes()
    longer.library.add_tokens(["the"])
    with pytest.raises(UserError, match="different tokenizers .* tokens and .*bits per byte") as caught:
        divergence(loaded, replace(loaded, tokenizer=Tokenizer(longer.library, longer.config)), documents)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("documents", [[], [np.array([0])]])
def test_texts_without_a_token_to_expect_are_one_line(loaded, documents):
    with pytest.raises(UserError, match="no text to compare the models on. Give at least one"):
        divergence(loaded, loaded, documents)


def test_no_more_than_a_chunk_of_logits_is_in_memory(loaded, tuned, monkeypatch, documents):
    """With room for two positions at once the result is the same, and no larger table is made."""
    plain, seen = divergence(loaded, tuned, documents), []

    def watched(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        seen.append(len(first))
        return between(first, second)

    monkeypatch.setattr("groundup.evaluation.divergence.NUMBERS", 2 * loaded.config.vocab_size + 1)
    monkeypatch.setattr("groundup.evaluation.divergence.between", watched)
    found = divergence(loaded, tuned, documents)
    assert max(seen) == 2
    assert found.forward.nats == pytest.approx(plain.forward.nats, abs=1e-6)
