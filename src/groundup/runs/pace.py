"""How fast this machine trains, by a trial of two seconds."""

import time
from typing import Any

import torch

from groundup.methods.next_token import NextToken
from groundup.model.counting import flops_per_token
from groundup.model.decoder import Decoder
from groundup.runs.compiled import wants_compiling
from groundup.runs.recipe import make_recipe, model_config
from groundup.settings import Table
from groundup.training.compiling import compile_training, why_not
from groundup.training.loop import State, train
from groundup.training.precision import pick_precision, use_fast_float32


def measured_speed(table: Table, device: torch.device, tokens: float = 0.0, *, seconds: float = 2.0) -> float:
    """Tokens a second of real training steps on random tokens, after two steps to warm up.

    tokens: of the run that is meant, and 0 for uncompiled steps: else they are compiled if it will be.
    """
    use_fast_float32(device)
    precision = pick_precision(table["train"].get("precision", "auto"), device)
    recipe = make_recipe({**table, "train": {**table["train"], "precision": precision, "steps": 10**6}})
    config = model_config(recipe, recipe.tokenizer.vocab_size)
    model = Decoder(config).to(device)
    rows = min(recipe.train.micro_batch, recipe.train.samples_per_step)
    parts, length = -(-recipe.train.samples_per_step // rows), recipe.train.sequence_length
    ids = torch.randint(
        recipe.tokenizer.vocab_size, (rows, length + 1), generator=torch.Generator().manual_seed(0)
    )
    batch = {"ids": ids[:, :-1], "targets": ids[:, 1:]}
    ends: list[float] = []

    def watch(state: State) -> None:
        ends.append(time.perf_counter())
        state.stop = len(ends) > 5 and ends[-1] - ends[1] > seconds

    method = NextToken(model)
    operations = tokens * flops_per_token(config, length)
    if tokens and wants_compiling(recipe.train, device, operations) and why_not(device) is None:
        compile_training(method, batch, recipe.train.precision)
    train(method, _Same([batch] * parts), recipe.train, observers=[watch])
    times = sorted(end - start for start, end in zip(ends[1:], ends[2:], strict=False))
    # The faster quarter: in a trial as short as this, the slower steps met another program.
    return parts * rows * length / times[len(times) // 4]


class _Same:
    """The same micro-batches at every step."""

    def __init__(self, parts: list[dict[str, Any]]):
        self.parts = parts

    def at(self, step: int) -> list[dict[str, Any]]:
        return self.parts
