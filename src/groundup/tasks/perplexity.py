"""How well a model predicts a text: bits per byte, perplexity, accuracy, and the excess over the floor."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from groundup.evaluation.score import Likelihoods, Score, rolling
from groundup.evaluation.statistics import bootstrap_ratio, wilson
from groundup.evaluation.texts import Texts
from groundup.tasks._task import Progress, Task
from groundup.weights.folder import Loaded

VERSION = 1
FEW_DOCUMENTS = 30
"""With fewer documents than this, the interval is drawn over windows: each still holds many tokens."""

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Figures:
    """What the likelihoods of texts come to. The excess and the floor are None where no floor is known."""

    loss: float  # nats per token
    loss_interval: Interval
    accuracy: float
    bits_per_byte: float
    bits_interval: Interval
    floor: float | None  # bits per byte
    excess_percent: float | None
    excess_interval: Interval
    documents: int
    tokens: int
    bytes: int

    @property
    def perplexity(self) -> float:
        """Among how many tokens guessing evenly would do as well."""
        return perplexity(self.loss)


def figures(found: Likelihoods, texts: Texts) -> Figures:
    """The figures of texts, as a validation writes them down and as the task gives them."""
    n_tokens, n_bytes = int(found.targets.sum()), int(texts.n_bytes.sum())
    floor, excess, excess_interval = None, None, None
    if texts.floor_bits is not None:
        floor = float(texts.floor_bits.sum() / n_bytes)
        excess, excess_interval = excess_percent(found, texts)
    return Figures(
        loss=float(found.nats.sum() / n_tokens),
        loss_interval=bootstrap_ratio(found.nats, found.targets),
        accuracy=float(found.right.sum() / n_tokens),
        bits_per_byte=float(found.nats.sum() / math.log(2) / n_bytes),
        bits_interval=bits_interval(found, texts),
        floor=floor,
        excess_percent=excess,
        excess_interval=excess_interval,
        documents=len(texts.ids),
        tokens=n_tokens,
        bytes=n_bytes,
    )


def score(loaded: Loaded, texts: Texts, progress: Progress | None = None) -> list[Score]:
    """Score each document from its own beginning; a long one in windows that overlap by half.

    Bits per byte = the sum of -log p of all targets, the closing border's too, / ln 2 / UTF-8 bytes.
    Models with different tokenizers can be compared by it; perplexity per token cannot.
    """
    found = rolling(loaded.model, texts.ids, progress=progress)
    made, context = figures(found, texts), loaded.config.context_length
    n_items = made.documents if made.documents >= FEW_DOCUMENTS else len(found.nats)
    protocol = (
        f"{texts.source}: {made.documents} documents, {made.tokens} tokens, {made.bytes} bytes; each from "
        f"its border, windows of {context} tokens, stride {max(1, context // 2)}"
    )
    low_high = made.loss_interval
    perplexities = None if low_high is None else (perplexity(low_high[0]), perplexity(low_high[1]))
    right = wilson(int(found.right.sum()), made.tokens)
    rows: list[tuple[str, float, Interval, int]] = [
        ("bits_per_byte", made.bits_per_byte, made.bits_interval, n_items),
        ("perplexity", made.perplexity, perplexities, made.tokens),
        ("accuracy", made.accuracy, right, made.tokens),
    ]
    if made.excess_percent is not None:
        rows.append(("excess_percent", made.excess_percent, made.excess_interval, made.documents))
    scored = partial(Score, task="perplexity", protocol=protocol, version=VERSION)
    return [scored(metric=metric, value=value, interval=each, n=n) for metric, value, each, n in rows]


def perplexity(loss: float) -> float:
    """e to the loss (nats per token): among how many tokens guessing evenly would do as well."""
    return math.inf if loss > 700 else math.exp(loss)  # a run that diverges must be able to say so


def bits_interval(found: Likelihoods, texts: Texts) -> Interval:
    """The 95 % interval of bits per byte, over documents, or over windows where documents are few."""
    if len(texts.ids) >= FEW_DOCUMENTS:
        bits = found.by_document(found.nats, len(texts.ids)) / math.log(2)
        return bootstrap_ratio(bits, texts.n_bytes)
    per_token = bootstrap_ratio(found.nats, found.targets)
    bytes_per_token = texts.n_bytes.sum() / found.targets.sum()
    scale = 1 / math.log(2) / bytes_per_token
    return None if per_token is None else (per_token[0] * scale, per_token[1] * scale)


def excess_percent(found: Likelihoods, texts: Texts) -> tuple[float, Interval]:
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
