"""How well texts are sorted: accuracy, F1 and the confusion matrix, with intervals and what guessing gives.

Shapes: N texts, C labels. A confusion matrix is (C, C): rows are the true labels, columns the guesses.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.data.batches import Samples
from groundup.data.label_examples import stack_labelled
from groundup.data.labels import Labelled
from groundup.errors import UserError
from groundup.evaluation.score import Score
from groundup.evaluation.statistics import bootstrap_counts, wilson
from groundup.model.classifier import Classifier

VERSION = 1
TASK = "labels"


@torch.no_grad()
def predict(
    model: Classifier,
    samples: Samples,
    *,
    tokens_per_batch: int = 8192,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """(N, C) float64: log p of each label for each sample (ids, label), in nats.

    Texts of like length are computed together. tokens_per_batch: at most so many with the padding, but one
    text at least.
    """
    was_training, device = model.training, model.tokens.weight.device
    model.eval()
    rows = [samples[i] for i in range(len(samples))]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    found = np.zeros((len(rows), model.n_labels))
    done = 0
    while done < len(order):
        count = 1
        while (
            done + count < len(order) and (count + 1) * len(rows[order[done + count]][0]) <= tokens_per_batch
        ):
            count += 1
        group = order[done : done + count]
        batch = stack_labelled([rows[i] for i in group])
        logits: Tensor = model(batch["ids"].to(device), batch["lengths"].to(device))  # (B, C)
        found[group] = logits.double().log_softmax(-1).cpu().numpy()
        done += count
        if progress:
            progress(done, len(order))
    model.train(was_training)
    return found


def confusion(labels: Sequence[int], guesses: Sequence[int] | np.ndarray, n_labels: int) -> np.ndarray:
    """(C, C) how many texts of each label got each guess."""
    cells = np.zeros((n_labels, n_labels), dtype=np.int64)
    np.add.at(cells, (np.asarray(labels, dtype=np.int64), np.asarray(guesses, dtype=np.int64)), 1)
    return cells


def accuracy_of(cells: np.ndarray) -> np.ndarray:
    """The share of texts with the right guess, of each confusion matrix (..., C, C)."""
    return np.trace(cells, axis1=-2, axis2=-1) / cells.sum((-2, -1))


def f1_of(cells: np.ndarray) -> np.ndarray:
    """(..., C) F1 of each label, 2 right / (true + guessed); 0 for one that is neither true nor guessed.

    It is high only if few of the label's texts are missed and few others are taken for it.
    Source: van Rijsbergen 1979.
    """
    right = np.diagonal(cells, axis1=-2, axis2=-1)
    either = cells.sum(-1) + cells.sum(-2)
    return 2 * right / np.maximum(either, 1)


def macro_f1_of(cells: np.ndarray) -> np.ndarray:
    """The mean F1 over all labels, in which a rare label counts as much as a frequent one."""
    return f1_of(cells).mean(-1)


def score_labels(
    found: np.ndarray,
    labels: Sequence[int],
    names: Sequence[str],
    *,
    protocol: str,
    positive: str | None = None,
    seed: int = 0,
) -> list[Score]:
    """Accuracy first, then F1: the mean over the labels, and of two labels that of the `positive` one.

    found: (N, C) log p, as `predict` gives it; protocol: how that was got, in words. positive: what one looks
    for; by default the last label (spam of ham and spam, pos of neg and pos). Intervals: Wilson's for the
    accuracy; for F1 1,000 draws of N texts with replacement. chance: what the best constant guess gives.
    UserError for a label that is not there.
    """
    positive = names[-1] if positive is None else positive
    if positive not in names:
        raise UserError(f"There is no label {positive!r}. The labels are: {', '.join(names)}.")
    n, size, which = len(labels), len(names), list(names).index(positive)
    cells = confusion(labels, found.argmax(-1), size)
    always = [confusion(labels, [guess] * n, size) for guess in range(size)]
    measures: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "accuracy": accuracy_of,
        "macro F1": macro_f1_of,
    }
    if size == 2:
        measures[f"F1 of {positive}"] = lambda cells: f1_of(cells)[..., which]
    details: dict[str, Any] = {
        "labels": list(names),
        "confusion": cells.tolist(),
        "loss": mean_loss(found, labels),
        "f1": dict(zip(names, f1_of(cells).tolist(), strict=True)),
    }
    return [
        Score(
            task=TASK,
            metric=metric,
            value=float(measure(cells)),
            interval=wilson(int(np.trace(cells)), n)
            if metric == "accuracy"
            else bootstrap_counts(cells, measure, seed=seed),
            n=n,
            protocol=protocol,
            version=VERSION,
            chance=max(float(measure(guessed)) for guessed in always),
            details=details if metric == "accuracy" else {},
        )
        for metric, measure in measures.items()
    ]


def mean_loss(found: np.ndarray, labels: Sequence[int]) -> float:
    """The mean of -log p of the true labels, in nats."""
    return float(-found[np.arange(len(labels)), np.asarray(labels)].mean())


def follow_labels(found: np.ndarray, labels: Sequence[int], n_labels: int) -> tuple[dict[str, float], str]:
    """What a validation while learning gives: plain numbers for metrics.jsonl, and a sentence."""
    cells = confusion(labels, found.argmax(-1), n_labels)
    loss, accuracy, f1 = mean_loss(found, labels), float(accuracy_of(cells)), float(macro_f1_of(cells))
    told = f"loss {loss:.3f}, {accuracy:.1%} of {len(labels):,} texts right, macro F1 {f1:.3f}"
    return {"loss": loss, "accuracy": accuracy, "macro_f1": f1, "texts": len(labels)}, told


def word_baseline(train: Labelled, texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """(N, C) log p of each label for `texts`, by counting words alone: what a model must beat.

    Words and pairs of words, weighted by TF-IDF, and logistic regression. C = 10 and the pairs were chosen by
    cross-validation on the training texts of SMS spam and of IMDB. UserError where scikit-learn is absent.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ImportError:
        raise UserError(
            "The baseline needs the package scikit-learn, which is not installed. Get it: "
            "pip install scikit-learn"
        ) from None
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    reader = make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000))
    # Numbers, not names: scikit-learn would sort the names in its own order.
    reader.fit(train.texts, train.ids(names))
    found = np.full((len(texts), len(names)), -np.inf)  # of a label that was never seen, p is 0
    found[:, reader.classes_] = reader.predict_log_proba(list(texts))
    return found
