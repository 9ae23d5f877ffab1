"""What a model can be asked about a text: how likely each of its tokens is. And the form of every result.

Shapes: B batch, T time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.model.decoder import Decoder
from groundup.training.loss import IGNORED


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number with all that is needed to trust it."""

    task: str
    metric: str
    value: float
    interval: tuple[float, float] | None  # 95 %
    n: int  # how many items (documents, questions) it is made from
    protocol: str  # how it was measured, in words
    version: int  # of the task: numbers of different versions must not be compared
    chance: float | None = None  # what guessing gives
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The form in evaluation.json."""
        return asdict(self)


class Likelihoods(NamedTuple):
    """What the model said of each window; a document's figures are the sums of its windows'."""

    document: np.ndarray  # (windows,) which document, ascending
    nats: np.ndarray  # (windows,) float64, the sum of -log p over the targets scored there
    right: np.ndarray  # (windows,) how many of them were the model's first choice
    targets: np.ndarray  # (windows,) how many they are
    each: list[np.ndarray]  # of each document, (targets,) float64: the nats of every target
    first: list[np.ndarray]  # of each document, (targets,) bool: whether it was the model's first choice

    def by_document(self, values: np.ndarray, n_documents: int) -> np.ndarray:
        """(documents,) the sums over each document's windows."""
        return np.bincount(self.document, weights=values, minlength=n_documents)


def windows_of(length: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """(start, first scored, end) of the windows over `length` targets: each target is scored exactly once.

    All but the first window overlap the one before by context - stride, so that every target sees at least
    that many tokens before it.
    """
    end = 0
    while end < length:
        scored = end
        end = min(length, context if scored == 0 else scored + stride)
        yield max(0, end - context), scored, end


@torch.no_grad()
def rolling(
    model: Decoder,
    documents: Sequence[np.ndarray],
    *,
    context: int | None = None,
    tokens_per_batch: int = 8192,
    progress: Callable[[int, int], None] | None = None,
) -> Likelihoods:
    """How likely the model finds whole documents, each from its own beginning.

    documents: token ids of each, the border first. The first id is read and not scored. A document longer
    than `context` (by default the model's) is read in windows that overlap by half. Windows are batched by
    length.
    """
    context = min(context or model.config.context_length, model.config.context_length)
    rows = [
        (which, start, scored, end)
        for which, ids in enumerate(documents)
        for start, scored, end in windows_of(len(ids) - 1, context, max(1, context // 2))
    ]
    by_length = sorted(range(len(rows)), key=lambda i: rows[i][3] - rows[i][1])
    n_targets = [max(0, len(ids) - 1) for ids in documents]
    result = Likelihoods(
        document=np.array([row[0] for row in rows], dtype=np.int64),
        nats=np.zeros(len(rows)),
        right=np.zeros(len(rows)),
        targets=np.zeros(len(rows)),
        each=[np.zeros(n) for n in n_targets],
        first=[np.zeros(n, dtype=bool) for n in n_targets],
    )
    was_training, device = model.training, model.tokens.weight.device
    model.eval()
    done = 0
    for group in groups_of_rows(by_length, rows, tokens_per_batch):
        width = max(rows[i][3] - rows[i][1] for i in group)
        ids = torch.zeros(len(group), width, dtype=torch.long)  # (B, T); padding stands last, is never seen
        wanted = torch.full((len(group), width), IGNORED)
        for row, (which, start, scored, end) in enumerate(rows[i] for i in group):
            text = torch.from_numpy(np.asarray(documents[which][start : end + 1], dtype=np.int64))
            ids[row, : end - start] = text[:-1]
            wanted[row, scored - start : end - start] = text[scored - start + 1 :]
        scores = _token_scores(model, ids.to(device), wanted.to(device))
        each, first = scores[0].numpy(), scores[1].numpy()  # (B, T)
        result.nats[group], result.right[group] = each.sum(1), first.sum(1)
        result.targets[group] = (wanted != IGNORED).sum(1).numpy()
        for row, (which, start, scored, end) in enumerate(rows[i] for i in group):
            result.each[which][scored:end] = each[row, scored - start : end - start]
            result.first[which][scored:end] = first[row, scored - start : end - start]
        done += len(group)
        if progress:
            progress(done, len(rows))
    model.train(was_training)
    return result


def groups_of_rows(
    order: list[int], rows: list[tuple[int, int, int, int]], limit: int
) -> Iterator[list[int]]:
    """Rows of like length together, by their numbers; at most `limit` tokens with the padding."""
    group: list[int] = []
    for i in order:
        if group and (len(group) + 1) * (rows[i][3] - rows[i][1]) > limit:
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _token_scores(model: Decoder, ids: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T) of -log p(target) in nats, 0 where nothing is wanted; and whether it was the first choice."""
    hidden = model.hidden(ids)
    each, first = torch.zeros(ids.shape, dtype=torch.float64), torch.zeros(ids.shape, dtype=torch.bool)
    rows, columns = (wanted != IGNORED).nonzero(as_tuple=True)
    for some_rows, some_columns in zip(rows.split(512), columns.split(512), strict=True):
        targets = wanted[some_rows, some_columns]
        logits = model.unembed(hidden[some_rows, some_columns]).float()  # (at most 512, V)
        each[some_rows.cpu(), some_columns.cpu()] = (
            F.cross_entropy(logits, targets, reduction="none").double().cpu()
        )
        first[some_rows.cpu(), some_columns.cpu()] = (logits.argmax(-1) == targets).cpu()
    return each, first
