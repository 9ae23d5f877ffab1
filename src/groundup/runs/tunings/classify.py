"""Classification: learn to sort texts, and say how much better that is than counting words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from groundup.data.label_examples import LabelledExamples, split_labelled, stack_labelled
from groundup.data.labels import Labelled, read_labelled
from groundup.errors import UserError
from groundup.evaluation.labels import follow_labels, predict, score_labels, word_baseline
from groundup.evaluation.score import Score
from groundup.evaluation.statistics import wilson
from groundup.methods.classify import Classify, Settings
from groundup.model.classifier import Classifier
from groundup.model.encoder import Encoder
from groundup.runs.examples import example_files
from groundup.runs.recipe import check_context
from groundup.runs.tuning_recipe import TuneRecipe
from groundup.runs.tunings._tuning import Judged, Tuning
from groundup.system.progress import View
from groundup.weights.folder import Loaded


class Labels(Tuning):
    """Texts with a label each; a new head beside the model learns, and of the model what is chosen."""

    Settings = Settings
    stack = staticmethod(stack_labelled)
    unit = samples_are = "texts"

    def __init__(self, recipe: TuneRecipe, loaded: Loaded[Any], view: View):
        super().__init__(recipe, loaded, view)
        length = recipe.train.sequence_length
        check_context(loaded.config, length)
        if recipe.sample.prompts:
            raise UserError("A classifier writes no texts, so sample.prompts cannot be. Leave [sample] out.")
        files = example_files(recipe.data, "labels", view)
        found = joined([read_labelled(file) for file in files.learned])
        kept = joined([read_labelled(file) for file in files.kept]) if files.kept else recipe.data.validation
        self.split = split_labelled(found, validation=kept, seed=recipe.seed, balance=recipe.data.balance)
        if recipe.data.max_examples:
            train = self.split.train.chosen(range(min(recipe.data.max_examples, len(self.split.train))))
            self.split = replace(self.split, train=train)
        self.names = found.names
        self.samples, self.many = (
            LabelledExamples(part.texts, part.ids(self.names), loaded.tokenizer, length)
            for part in (self.split.train, self.split.validation)
        )
        few = recipe.validate.examples or len(self.many)
        self.few: Any = [self.many[i] for i in range(min(few, len(self.many)))]
        if self.samples.told:
            view.say(self.samples.told)
        if found.empty:
            view.say(f"{found.empty} empty texts are left out.")
        self.about = files.facts() | {
            "examples": len(self.samples),
            "validation_examples": len(self.many),
            "labels": self.split.train.counts,
            "cut": self.samples.cut,
            "left_out": found.empty,
        }

    def make_method(self) -> Classify:
        counts = [self.split.train.counts[name] for name in self.names]
        generator = torch.Generator().manual_seed(self.recipe.seed)
        self.no_pooler = getattr(self.loaded.model, "pooler", True) is None
        n_labels, dropout = len(self.names), self.settings.dropout
        self.model = Classifier(self.loaded.model, n_labels, dropout, generator=generator)
        self.loaded = replace(self.loaded, model=self.model, labels=self.names)
        return Classify(self.model, settings=self.settings, counts=counts)

    def what_is_new(self) -> list[nn.Module]:
        pooler = self.model.model.pooler if self.no_pooler and isinstance(self.model.model, Encoder) else None
        return [self.model.head, *([pooler] if pooler is not None else [])]

    def facts(self) -> dict[str, Any]:
        return self.about

    def validate(self) -> Judged:
        found = predict(self.model, self.few)
        line, says = follow_labels(found, [label for _, label in self.few], len(self.names))
        sure = wilson(line["accuracy"] * len(self.few), len(self.few))
        return Judged(line["loss"], {**line, "accuracy_interval": sure}, says)

    def scores(self) -> list[Score]:
        labels = self.many.labels
        protocol = f"{len(labels)} held-out texts, the first {self.many.max_length} tokens of each"
        return score_labels(predict(self.model, self.many), labels, self.names, protocol=protocol)

    def compared(self) -> list[Score]:
        """What counting words reaches on the same split; nothing where scikit-learn is not installed."""
        held = self.split.validation
        try:
            found = word_baseline(self.split.train, held.texts, self.names)
        except UserError as error:
            self.view.say(f"{error} The run goes on without it.")
            return []
        says = "words and pairs of words by TF-IDF, logistic regression, the same split"
        scores = score_labels(found, held.ids(self.names), self.names, protocol=says)
        return [replace(each, task="word baseline") for each in scores]


def joined(parts: Sequence[Labelled]) -> Labelled:
    """The texts of several files as one."""
    texts = [text for part in parts for text in part.texts]
    labels = [label for part in parts for label in part.labels]
    return Labelled(texts, labels, sum(part.empty for part in parts))


TUNING = Labels
