"""How likely a model finds whole documents, against the plain way and against transformers."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from groundup.evaluation.score import Score, rolling, windows_of
from groundup.weights.folder import save


def plainly(model, ids, context, stride):
    """(nats, right, targets) of each window of one document, with one forward for each and float64 logits."""
    for start, scored, end in windows_of(len(ids) - 1, context, stride):
        text = torch.tensor(ids[start : end + 1])
        with torch.no_grad():
            log_p = model(text[None, :-1])[0].double().log_softmax(-1)
        log_p, targets = log_p[scored - start :], text[scored - start + 1 :]
        right = int((log_p.argmax(-1) == targets).sum())
        yield -float(log_p.gather(1, targets[:, None]).sum()), right, len(targets)


@pytest.mark.parametrize("context", [None, 1, 7, 16, 99])
def test_documents_are_scored_as_window_by_window(loaded, documents, context):
    found = rolling(loaded.model, documents, context=context)
    size = min(context or 16, 16)
    expected = [
        (which, *row)
        for which, ids in enumerate(documents)
        for row in plainly(loaded.model, ids, size, max(1, size // 2))
    ]
    assert found.document.tolist() == [row[0] for row in expected]
    assert found.nats == pytest.approx([row[1] for row in expected], rel=1e-5)
    assert found.right.tolist() == [row[2] for row in expected]
    assert found.targets.tolist() == [row[3] for row in expected]
    assert 0 < found.right.sum() < found.targets.sum()


def test_each_document_has_the_sum_of_its_windows(loaded, documents):
    found = rolling(loaded.model, documents)
    targets = found.by_document(found.targets, len(documents))
    assert targets.tolist() == [len(ids) - 1 for ids in documents]
    nats = found.by_document(found.nats, len(documents))
    assert nats.sum() == pytest.approx(found.nats.sum())
    assert [which for which, sum_of_it in enumerate(nats) if sum_of_it == 0] == [5]  # nothing but a border


def test_each_target_has_its_own_likelihood_with_all_that_its_window_shows(loaded, documents):
    found = rolling(loaded.model, documents, context=7, tokens_per_batch=30)
    for which, ids in enumerate(documents):
        assert len(found.each[which]) == len(found.first[which]) == max(0, len(ids) - 1)
        for start, scored, end in windows_of(len(ids) - 1, 7, 3):
            with torch.no_grad():
                text = torch.tensor(ids[start:end])
                log_p = loaded.model(text[None])[0, scored - start :].double().log_softmax(-1).numpy()
            targets = ids[scored + 1 : end + 1]
            assert found.each[which][scored:end] == pytest.approx(
                -log_p[np.arange(len(targets)), targets], abs=1e-4
            )
            assert found.first[which][scored:end].tolist() == (log_p.argmax(1) == targets).tolist()
    assert sum(each.sum() for each in found.each) == pytest.approx(found.nats.sum(), rel=1e-12)
    assert sum(first.sum() for first in found.first) == found.right.sum()


def test_texts_within_the_context_have_the_loss_that_transformers_says(loaded, documents, tmp_path):
    save(tmp_path, loaded)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    short = [ids for ids in documents if 2 <= len(ids) <= 16]
    found = rolling(loaded.model, short)
    for ids, nats in zip(short, found.nats, strict=True):
        text = torch.tensor(ids)[None]
        with torch.no_grad():
            mean = float(theirs(text, labels=text).loss)
        assert nats == pytest.approx(mean * (len(ids) - 1), rel=1e-5)


@pytest.mark.parametrize("tokens_per_batch", [1, 20, 64, 500])
def test_which_texts_share_a_batch_does_not_matter(loaded, documents, tokens_per_batch):
    expected = rolling(loaded.model, documents)
    found = rolling(loaded.model, documents, tokens_per_batch=tokens_per_batch)
    assert found.nats == pytest.approx(expected.nats, abs=1e-4)
    assert np.array_equal(found.right, expected.right)
    order = np.random.default_rng(0).permutation(len(documents))
    shuffled = rolling(loaded.model, [documents[i] for i in order], tokens_per_batch=tokens_per_batch)
    nats = shuffled.by_document(shuffled.nats, len(documents))
    assert nats == pytest.approx(expected.by_document(expected.nats, len(documents))[order], abs=1e-4)


@given(st.integers(0, 300), st.integers(1, 40), st.data())
def test_every_target_is_scored_exactly_once_and_sees_enough(length, context, data):
    stride = data.draw(st.integers(1, context))
    windows = list(windows_of(length, context, stride))
    scored = [target for _, first, end in windows for target in range(first, end)]
    assert scored == list(range(length))
    for number, (start, first, end) in enumerate(windows):
        assert 0 <= start <= first < end <= start + context
        assert start == 0 if number == 0 else first - start >= context - stride


def test_scoring_tells_how_far_it_is_and_leaves_the_model_as_it_was(loaded, documents):
    told = []
    loaded.model.train()
    try:
        rolling(
            loaded.model,
            documents,
            tokens_per_batch=64,
            progress=lambda done, total: told.append((done, total)),
        )
        assert loaded.model.training
    finally:
        loaded.model.eval()
    total = told[-1][1]
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) > 2


def test_a_model_with_dropout_is_scored_without_it(loaded, documents):
    model = loaded.model
    model.drop.p = 0.5
    model.train()
    try:
        first, second = rolling(model, documents[:2]), rolling(model, documents[:2])
    finally:
        model.drop.p = 0.0
        model.eval()
    assert np.array_equal(first.nats, second.nats)
    assert np.array_equal(first.nats, rolling(model, documents[:2]).nats)


def test_a_score_survives_json():
    score = Score(
        task="perplexity", metric="accuracy", value=0.5, interval=(0.4, 0.6), n=9, protocol="so", version=1
    )
    found = json.loads(json.dumps(score.as_json()))
    assert found == {
        "task": "perplexity",
        "metric": "accuracy",
        "value": 0.5,
        "interval": [0.4, 0.6],
        "n": 9,
        "protocol": "so",
        "version": 1,
        "chance": None,
        "details": {},
    }
    assert not math.isnan(found["value"])
