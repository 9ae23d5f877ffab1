"""How well a model knows the answers of conversations: the loss of their tokens, and nothing else.

Shapes: B samples of a batch, T tokens.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from groundup.data.answers import AnswerExamples
from groundup.data.windows import NO_TARGET, pad
from groundup.evaluation.score import _token_scores as token_scores
from groundup.evaluation.statistics import bootstrap_ratio
from groundup.weights.folder import Loaded


@torch.no_grad()
def answers_loss(
    loaded: Loaded,
    examples: AnswerExamples,
    *,
    tokens_per_batch: int = 8192,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The figures of a validation on conversations, as plain numbers for metrics.jsonl.

    loss: nats per token of an answer, its end included; perplexity: e to it; accuracy: the share of these
    tokens that are the model's first choice; examples and tokens: how many were scored. loss_interval and
    accuracy_interval hold 95 %, drawn over whole examples, or are None where these are too few.
    """
    nats, right, count = (np.zeros(len(examples)) for _ in range(3))
    model, was_training = loaded.model, loaded.model.training
    model.eval()
    done = 0
    for group in _batches(examples.lengths, tokens_per_batch):
        ids, targets = pad([examples[number] for number in group])  # (B, T); the padding is never seen
        each, first = token_scores(model, ids.to(loaded.device), targets.to(loaded.device))  # (B, T)
        nats[group], right[group] = each.sum(1).numpy(), first.sum(1).numpy()
        count[group] = (targets != NO_TARGET).sum(1).numpy()
        done += len(group)
        if progress:
            progress(done, len(examples))
    model.train(was_training)
    loss = float(nats.sum() / count.sum())
    return {
        "loss": loss,
        "loss_interval": bootstrap_ratio(nats, count),
        "perplexity": math.exp(loss) if loss < 700 else math.inf,
        "accuracy": float(right.sum() / count.sum()),
        "accuracy_interval": bootstrap_ratio(right, count),
        "examples": len(examples),
        "tokens": int(count.sum()),
    }


def told(figures: dict[str, Any]) -> str:
    """What `answers_loss` found, in one sentence for the screen."""
    interval = figures["loss_interval"]
    sure = f" (95 %: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return (
        f"answers: loss {figures['loss']:.3f}{sure}, perplexity {figures['perplexity']:.2f}, "
        f"{100 * figures['accuracy']:.1f} % of {figures['tokens']:,} tokens first choice"
    )


def _batches(lengths: list[int], limit: int) -> Iterator[list[int]]:
    """Numbers of examples of like length, the longest first; at most `limit` tokens with the padding."""
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    while order:
        taken = max(1, limit // lengths[order[0]])
        yield order[:taken]
        order = order[taken:]
