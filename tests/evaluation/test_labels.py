"""Scores of sorted texts against scikit-learn's, and the intervals against drawing texts one by one."""

import sys

import numpy as np
import pytest
import torch
from sklearn import metrics

from groundup.data.label_examples import LabelledExamples, stack_labelled
from groundup.data.labels import Labelled
from groundup.errors import UserError
from groundup.evaluation import labels as scores
from groundup.evaluation.labels import (
    accuracy_of,
    confusion,
    f1_of,
    follow_labels,
    macro_f1_of,
    predict,
    score_labels,
    word_baseline,
)
from groundup.evaluation.statistics import bootstrap_counts, wilson
from groundup.model.classifier import Classifier
from groundup.text.tokenizer import Tokenizer

NAMES = ("ham", "other", "spam")


def guessed(n_labels: int, n: int = 300, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Log p of each label and true labels, of which one is rare; right about half the time."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_labels, size=n, p=np.array([6, 3, 1])[:n_labels] / sum([6, 3, 1][:n_labels]))
    logits = rng.normal(size=(n, n_labels)) + 1.2 * np.eye(n_labels)[labels]
    return torch.tensor(logits).log_softmax(-1).numpy(), labels.tolist()


@pytest.mark.parametrize("n_labels", [2, 3])
def test_every_score_is_scikit_learns(n_labels):
    found, labels = guessed(n_labels)
    names, guesses = NAMES[:n_labels], found.argmax(-1)
    cells = confusion(labels, guesses, n_labels)
    assert cells.tolist() == metrics.confusion_matrix(labels, guesses).tolist()
    assert f1_of(cells) == pytest.approx(
        metrics.precision_recall_fscore_support(labels, guesses)[2], abs=1e-12
    )
    by_name = {score.metric: score for score in score_labels(found, labels, names, protocol="p")}
    expected = {
        "accuracy": metrics.accuracy_score(labels, guesses),
        "macro F1": metrics.f1_score(labels, guesses, average="macro"),
    }
    if n_labels == 2:
        expected["F1 of other"] = metrics.f1_score(labels, guesses)
    assert {name: score.value for name, score in by_name.items()} == pytest.approx(expected, abs=1e-12)
    details = by_name["accuracy"].details
    assert details["loss"] == pytest.approx(metrics.log_loss(labels, np.exp(found)), abs=1e-9)
    assert details["confusion"] == cells.tolist() and details["labels"] == list(names)


def test_the_positive_label_is_the_one_that_is_named():
    found, labels = guessed(2)
    score = score_labels(found, labels, ("ham", "spam"), protocol="p", positive="ham")[-1]
    assert score.metric == "F1 of ham"
    assert score.value == pytest.approx(metrics.f1_score(labels, found.argmax(-1), pos_label=0), abs=1e-12)
    with pytest.raises(UserError, match="There is no label 'Spam'. The labels are: ham, spam."):
        score_labels(found, labels, ("ham", "spam"), protocol="p", positive="Spam")


def test_chance_is_what_the_best_constant_guess_gives():
    found, labels = guessed(2)
    n = len(labels)
    constant = [[guess] * n for guess in (0, 1)]
    by_name = {score.metric: score.chance for score in score_labels(found, labels, NAMES[:2], protocol="p")}
    assert by_name["accuracy"] == max(labels.count(0), labels.count(1)) / n
    assert by_name["F1 of other"] == max(metrics.f1_score(labels, guess) for guess in constant)
    macro = [metrics.f1_score(labels, guess, average="macro") for guess in constant]
    assert by_name["macro F1"] == pytest.approx(max(macro), abs=1e-12)


def test_a_label_that_nobody_has_or_guesses_counts_as_zero():
    cells = confusion([0, 0, 1], [0, 0, 1], 3)
    assert f1_of(cells).tolist() == [1, 1, 0]
    assert macro_f1_of(cells) == pytest.approx(2 / 3)
    assert accuracy_of(np.stack([cells, np.eye(3)[::-1]])).tolist() == [1, pytest.approx(1 / 3)]


def test_intervals_are_wilsons_and_those_of_drawing_texts_one_by_one():
    found, labels = guessed(3, n=120)
    cells = confusion(labels, found.argmax(-1), 3)
    accuracy, macro = score_labels(found, labels, NAMES, protocol="p")
    assert accuracy.interval == wilson(int(np.trace(cells)), 120)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(1000):
        chosen = rng.integers(120, size=120)
        drawn.append(macro_f1_of(confusion(np.array(labels)[chosen].tolist(), found.argmax(-1)[chosen], 3)))
    assert macro.interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)
    assert macro.interval is not None and macro.interval[0] < macro.value < macro.interval[1]


def test_a_handful_of_texts_gives_no_bootstrap_interval():
    assert bootstrap_counts(np.array([[3, 1], [2, 3]]), macro_f1_of) is None
    assert bootstrap_counts(np.array([[30, 0], [0, 30]]), macro_f1_of) == (1.0, 1.0)


def test_a_validation_gives_plain_numbers_and_a_sentence():
    found, labels = guessed(3)
    numbers, told = follow_labels(found, labels, 3)
    accuracy = metrics.accuracy_score(labels, found.argmax(-1))
    macro = metrics.f1_score(labels, found.argmax(-1), average="macro")
    loss = metrics.log_loss(labels, np.exp(found))
    assert numbers == pytest.approx({"loss": loss, "accuracy": accuracy, "macro_f1": macro, "texts": 300})
    assert told == f"loss {loss:.3f}, {accuracy:.1%} of 300 texts right, macro F1 {macro:.3f}"


@pytest.mark.parametrize("tokens", [1, 20, 10_000])
def test_predictions_stand_in_the_order_of_the_texts_whatever_is_computed_together(make_loaded, tokens):
    model = Classifier(
        make_loaded(shake=0.5).model, 3, 0.5, generator=torch.Generator().manual_seed(0)
    ).train()
    texts = ["abcdefgh", "x", "Once upon", "abc", "xyz", "q"]
    samples = LabelledExamples(texts, [0] * 6, Tokenizer.from_bytes(), 16)
    seen: list[tuple[int, int]] = []
    found = predict(model, samples, tokens_per_batch=tokens, progress=lambda *at: seen.append(at))
    assert model.training and seen[-1] == (6, 6)
    model.eval()
    for row, sample in zip(found, samples.ids, strict=True):
        batch = stack_labelled([(sample, 0)])
        alone = model(batch["ids"], batch["lengths"])[0].double().log_softmax(-1)
        assert row == pytest.approx(alone.detach().numpy(), abs=1e-6)
    assert np.exp(found).sum(1) == pytest.approx(1)


WORDS = Labelled(
    ["win a prize", "prize now", "win now", "win win", "see you at home", "home late", "at home", "see you"],
    ["spam"] * 4 + ["ham"] * 4,
)


def test_the_baseline_tells_words_apart_in_the_order_of_the_names():
    texts = ["a prize to win", "late at home"]
    found = np.exp(word_baseline(WORDS, texts, ("spam", "ham")))
    assert found.sum(1) == pytest.approx(1)
    assert found.argmax(1).tolist() == [0, 1]
    turned = np.exp(word_baseline(WORDS, texts, ("ham", "never", "spam")))
    assert turned == pytest.approx(np.stack([found[:, 1], [0, 0], found[:, 0]], axis=1))


def test_without_scikit_learn_the_baseline_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.pipeline", None)
    with pytest.raises(
        UserError, match="needs the package scikit-learn, which is not installed. Get it: pip"
    ):
        word_baseline(WORDS, ["x"], ("ham", "spam"))
    assert "sklearn" not in vars(scores), "it is imported only where it is needed"
