"""Style: go on learning to name the next token, on an author's texts, and see what that costs elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from groundup.data.windows import TokenWindows
from groundup.evaluation.divergence import divergence
from groundup.evaluation.score import Score, rolling
from groundup.evaluation.texts import Texts
from groundup.methods.next_token import NextToken
from groundup.model.counting import flops_per_token
from groundup.runs.evaluate import texts_of_source
from groundup.runs.prepare import prepare
from groundup.runs.recipe import DataSettings, Recipe, SplitSettings, check_context
from groundup.runs.tuning_recipe import TuneRecipe
from groundup.runs.tunings._tuning import Judged, Tuning
from groundup.system.progress import View
from groundup.tasks.perplexity import figures, score
from groundup.weights.folder import Loaded, load, need_decoder

COMPARED = 5_000
"""Tokens at which two models are compared: every one of the vocabulary counts there, in float64."""

SCORED = 50_000
"""Tokens of a text that are read for a score, and of each validation no more than so many of an example."""


class Style(Tuning):
    """Windows of a text, as in pre-training, from a model that is there."""

    samples_are = "windows of text"

    def __init__(self, recipe: TuneRecipe, loaded: Loaded[Any], view: View):
        super().__init__(recipe, loaded, view)
        need_decoder(loaded)
        check_context(loaded.config, recipe.train.sequence_length)
        data = recipe.data
        plain = Recipe(
            name=recipe.name,
            seed=recipe.seed,
            data=DataSettings(
                source=data.source,
                column=data.column,
                split=SplitSettings(by=data.split, validation=data.validation),
            ),
            model={"from": recipe.base},
            train=replace(recipe.train, steps=recipe.train.steps or 1),
        )
        self.prepared = prepare(plain, view)
        self.samples = TokenWindows(self.prepared.train.tokens, recipe.train.sequence_length)
        part = f"the held-out part of {self.prepared.source.name}"
        few = recipe.validate.examples * recipe.train.sequence_length
        self.few, self.many = (
            Texts.from_shard(self.prepared.validation, loaded.tokenizer, tokens, source=part)
            for tokens in (few, SCORED)
        )
        self.other = texts_of_source(loaded, data.other, SCORED, view) if data.other else None

    def make_method(self) -> NextToken:
        return NextToken(self.loaded.model)

    def operations(self) -> float:
        """As if all of the model learned: its shapes stay the same, so it may be compiled."""
        train = self.recipe.train
        tokens = train.for_examples(len(self.samples)).steps * train.tokens_per_step
        return float(tokens * flops_per_token(self.loaded.config, train.sequence_length))

    def facts(self) -> dict[str, Any]:
        return self.prepared.facts()

    def validate(self) -> Judged:
        made = figures(rolling(self.loaded.model, self.few.ids), self.few)
        line = {
            "perplexity": made.perplexity,
            "accuracy": made.accuracy,
            "bits_per_byte": made.bits_per_byte,
            "interval": made.bits_interval,
            "documents": made.documents,
            "tokens": made.tokens,
            "bytes": made.bytes,
        }
        says = f"validation loss {made.loss:.3f}, perplexity {made.perplexity:.2f}"
        return Judged(made.loss, line, says)

    def scores(self) -> list[Score]:
        found = score(self.loaded, self.many)
        if self.other is not None:
            found += [replace(each, task="other text") for each in score(self.loaded, self.other)]
        return found

    def compared(self) -> list[Score]:
        """How far it has moved from the model that it began as, on both texts."""
        base = load(self.recipe.base, device=self.loaded.device)
        base.tokenizer = self.loaded.tokenizer
        found = []
        for name, texts in (("learned text", self.few), ("other text", self.other)):
            if texts is None:
                continue
            moved = divergence(base, self.loaded, beginning(texts.ids, COMPARED))
            kinds = (("KL(base || tuned)", moved.forward), ("KL(tuned || base)", moved.reverse))
            found += [
                Score(
                    task=f"distance on {name}",
                    metric=metric,
                    value=amount.bits,
                    interval=amount.bits_interval,
                    n=moved.documents,
                    protocol=f"{texts.source}: bits per token over {moved.tokens} tokens",
                    version=1,
                    chance=None,
                )
                for metric, amount in kinds
            ]
        return found


def beginning(documents: Sequence[np.ndarray], tokens: int) -> list[np.ndarray]:
    """The first documents that hold so many tokens; the last of them is cut."""
    taken: list[np.ndarray] = []
    for ids in documents:
        left = tokens - sum(map(len, taken))
        if left < 2:
            break
        taken.append(ids[:left])
    return taken


TUNING = Style
