"""How far a tuned model has gone from its base: the divergence of their predictions, token by token.

Shapes: B batch, T time, R positions of one chunk, V vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundup.errors import UserError
from groundup.evaluation.score import groups_of_rows, windows_of
from groundup.evaluation.statistics import bootstrap_ratio
from groundup.weights.folder import Loaded

NUMBERS = 1 << 20
"""Logits of a chunk: 8 MB in float64. Four times as many took up to three times as long for each position."""

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Amount:
    """A divergence in nats per token, with its 95 % interval over documents; None for a handful of them."""

    nats: float
    interval: Interval

    @property
    def bits(self) -> float:
        """The same in bits per token."""
        return self.nats / math.log(2)

    @property
    def bits_interval(self) -> Interval:
        """The interval in bits per token."""
        return self.interval and (self.interval[0] / math.log(2), self.interval[1] / math.log(2))


@dataclass(frozen=True)
class Divergence:
    """How much two models differ in what they expect after each token of the same texts."""

    forward: Amount  # KL(base || tuned): what the tuned model has forgotten of what the base expects
    reverse: Amount  # KL(tuned || base): what it expects that the base does not
    jensen_shannon: Amount  # each against the mean of both: symmetric, and at most ln 2
    documents: int
    tokens: int


def divergence(
    base: Loaded,
    tuned: Loaded,
    documents: Sequence[np.ndarray],
    *,
    tokens_per_batch: int = 8192,
    progress: Callable[[int, int], None] | None = None,
) -> Divergence:
    """The divergence of two models over whole documents, such as the ids of a `Texts`.

    documents: token ids of each; after each id but the last both models are asked what follows. A document
    longer than both contexts is read in windows that overlap by half. Ids that only one model has, being
    padding of its vocabulary, are left out. Softmax and sums are in float64. UserError for models with
    different tokenizers, and where nothing can be asked.
    """
    _refuse_others(base, tuned)
    context = min(base.config.context_length, tuned.config.context_length)
    rows = [
        (which, start, asked, end)
        for which, ids in enumerate(documents)
        for start, asked, end in windows_of(len(ids) - 1, context, max(1, context // 2))
    ]
    if not rows:
        raise UserError("There is no text to compare the models on. Give at least one of two tokens or more.")
    sums = np.zeros((3, len(documents)))
    was_training = base.model.training, tuned.model.training
    base.model.eval()
    tuned.model.eval()
    done = 0
    by_length = sorted(range(len(rows)), key=lambda i: rows[i][3] - rows[i][1])
    for group in groups_of_rows(by_length, rows, tokens_per_batch):
        those = [rows[i] for i in group]
        for number, each in enumerate(_of_batch(base, tuned, documents, those)):
            sums[:, those[number][0]] += each
        done += len(group)
        if progress:
            progress(done, len(rows))
    base.model.train(was_training[0])
    tuned.model.train(was_training[1])
    tokens = np.array([max(0, len(ids) - 1) for ids in documents])
    amounts = (Amount(float(each.sum() / tokens.sum()), bootstrap_ratio(each, tokens)) for each in sums)
    return Divergence(*amounts, documents=len(documents), tokens=int(tokens.sum()))


def _refuse_others(base: Loaded, tuned: Loaded) -> None:
    if base.tokenizer.fingerprint != tuned.tokenizer.fingerprint:
        sizes = [f"{each.tokenizer.vocab_size:,} tokens" for each in (base, tuned)]
        raise UserError(
            f"These models have different tokenizers ({sizes[0]} and {sizes[1]}): what they expect next is "
            f"about other tokens, and cannot be compared one by one. Compare their bits per byte instead."
        )


@torch.no_grad()
def _of_batch(
    base: Loaded, tuned: Loaded, documents: Sequence[np.ndarray], rows: list[tuple[int, int, int, int]]
) -> np.ndarray:
    """(B, 3) the sums of each window: KL(base || tuned), KL(tuned || base), Jensen and Shannon's."""
    width = max(end - start for _, start, _, end in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)  # (B, T); padding stands last, is never seen
    asked = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, (which, start, first, end) in enumerate(rows):
        ids[row, : end - start] = torch.from_numpy(np.asarray(documents[which][start:end], dtype=np.int64))
        asked[row, first - start : end - start] = True
    hidden = [each.model.hidden(ids.to(each.model.tokens.weight.device)) for each in (base, tuned)]
    common = min(base.config.vocab_size, tuned.config.vocab_size)
    sums = torch.zeros(len(rows), 3, dtype=torch.float64)
    size = max(1, NUMBERS // common)
    places = asked.nonzero()
    for some in places.split(size):
        logits = [
            each.model.unembed(x[some[:, 0].to(x.device), some[:, 1].to(x.device)])[:, :common]
            for each, x in zip((base, tuned), hidden, strict=True)
        ]
        sums.index_add_(0, some[:, 0], between(*(_wide(each, logits[0].device) for each in logits)).cpu())
    return sums.numpy()


def _wide(logits: Tensor, device: torch.device) -> Tensor:
    """In float64, on one device; Apple's GPUs have no float64."""
    return logits.to("cpu" if device.type == "mps" else device).double()


def between(first: Tensor, second: Tensor) -> Tensor:
    """(R, V) logits of two models -> (R, 3) nats: KL(first || second), KL(second || first), Jensen-Shannon.

    Sources: Kullback and Leibler 1951; Lin 1991.
    """
    log_p, log_q = first.log_softmax(-1), second.log_softmax(-1)
    p, q = log_p.exp(), log_q.exp()
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    forward, reverse = (p * (log_p - log_q)).sum(-1), (q * (log_q - log_p)).sum(-1)
    middle = ((p * (log_p - log_m)).sum(-1) + (q * (log_q - log_m)).sum(-1)) / 2
    return torch.stack((forward, reverse, middle), dim=-1)
