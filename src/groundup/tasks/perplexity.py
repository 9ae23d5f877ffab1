"""How well a model predicts a text: bits per byte, perplexity, accuracy, and the excess over the floor."""

import math

import numpy as np

from groundup.evaluation.score import Likelihoods, Score, rolling
from groundup.evaluation.statistics import bootstrap_ratio, wilson
from groundup.evaluation.texts import Texts
from groundup.tasks._task import Progress, Task
from groundup.weights.folder import Loaded

VERSION = 1
FEW_DOCUMENTS = 30
"""With fewer documents than this, the interval is drawn over windows: each still holds many tokens."""


def score(loaded: Loaded, texts: Texts, progress: Progress | None = None) -> list[Score]:
    """Score each document from its own beginning; a long one in windows that overlap by half.

    Bits per byte = the sum of -log p of all targets, the closing border's too, / ln 2 / UTF-8 bytes.
    Models with different tokenizers can be compared by it; perplexity per token cannot.
    """
    found = rolling(loaded.model, texts.ids, progress=progress)
    n_documents, n_tokens, n_bytes = len(texts.ids), int(found.targets.sum()), int(texts.n_bytes.sum())
    n_items = n_documents if n_documents >= FEW_DOCUMENTS else len(found.nats)
    context = loaded.config.context_length
    protocol = (
        f"{texts.source}: {n_documents} documents, {n_tokens} tokens, {n_bytes} bytes; each from its "
        f"border, windows of {context} tokens, stride {max(1, context // 2)}"
    )
    loss, bits = found.nats.sum() / n_tokens, found.nats.sum() / math.log(2) / n_bytes
    loss_interval = bootstrap_ratio(found.nats, found.targets)
    perplexity_interval = (
        (perplexity(loss_interval[0]), perplexity(loss_interval[1])) if loss_interval else None
    )
    right = int(found.right.sum())

    def made(metric: str, value: float, interval: tuple[float, float] | None, n: int) -> Score:
        return Score(
            task="perplexity",
            metric=metric,
            value=value,
            interval=interval,
            n=n,
            protocol=protocol,
            version=VERSION,
        )

    scores = [
        made("bits_per_byte", float(bits), bits_interval(found, texts), n_items),
        made("perplexity", perplexity(loss), perplexity_interval, n_tokens),
        made("accuracy", right / n_tokens, wilson(right, n_tokens), n_tokens),
    ]
    if texts.floor_bits is not None:
        scores.append(made("excess_percent", *excess_percent(found, texts), n_documents))
    return scores


def perplexity(loss: float) -> float:
    """e to the loss (nats per token): among how many tokens guessing evenly would do as well."""
    return math.inf if loss > 700 else math.exp(loss)  # a run that diverges must be able to say so


def bits_interval(found: Likelihoods, texts: Texts) -> tuple[float, float] | None:
    """The 95 % interval of bits per byte, over documents, or over windows where documents are few."""
    if len(texts.ids) >= FEW_DOCUMENTS:
        bits = found.by_document(found.nats, len(texts.ids)) / math.log(2)
        return bootstrap_ratio(bits, texts.n_bytes)
    per_token = bootstrap_ratio(found.nats, found.targets)
    bytes_per_token = texts.n_bytes.sum() / found.targets.sum()
    scale = 1 / math.log(2) / bytes_per_token
    return None if per_token is None else (per_token[0] * scale, per_token[1] * scale)


def excess_percent(found: Likelihoods, texts: Texts) -> tuple[float, tuple[float, float] | None]:
    """By how many percent the loss exceeds the best possible on these texts, with its 95 % interval."""
    assert texts.floor_bits is not None
    excess = found.by_document(found.nats, len(texts.ids)) / math.log(2) - texts.floor_bits
    interval = bootstrap_ratio(100 * excess, texts.floor_bits)
    return float(100 * np.sum(excess) / np.sum(texts.floor_bits)), interval


TASK = Task(
    name="perplexity",
    about="how well the model predicts a text: bits per byte, perplexity, accuracy, excess over the floor",
    version=VERSION,
    score=score,
)
