"""Preferences: learn which of two answers people chose, without going far from the model at the start."""

from typing import Any

from groundup.data.preferences import PreferenceExamples, read_preferences, stack_preferences
from groundup.evaluation.score import Score
from groundup.methods._reference import reference
from groundup.methods.dpo import DPO, Settings, sentence, validate
from groundup.runs.examples import cut, example_files
from groundup.runs.recipe import check_context
from groundup.runs.tuning_recipe import TuneRecipe
from groundup.runs.tunings._tuning import Judged, Tuning
from groundup.runs.tunings.answers import speaking_decoder
from groundup.system.files import cache_folder
from groundup.system.progress import View
from groundup.weights.folder import Loaded

PAIRS = 8  # of one forward where nothing is learned


class Preferences(Tuning):
    """Pairs of answers to the same question; the model at the start is asked once, and that is kept."""

    Settings = Settings
    stack = staticmethod(stack_preferences)
    unit = samples_are = "pairs"

    def __init__(self, recipe: TuneRecipe, loaded: Loaded[Any], view: View):
        super().__init__(recipe, speaking_decoder(loaded), view)
        length = recipe.train.sequence_length
        check_context(loaded.config, length)
        files = example_files(recipe.data, "preferences", view)
        learned = [pair for file in files.learned for pair in read_preferences(file).found]
        if files.kept:
            kept = [pair for file in files.kept for pair in read_preferences(file).found]
        else:
            learned, kept = cut(learned, recipe.data.validation, recipe.seed, lambda pair: str(pair.prompt))
        learned = learned[: recipe.data.max_examples or None]
        kept = kept[: recipe.validate.examples or None]
        with view.phase("Encoding the pairs"):
            self.samples, self.kept = (
                PreferenceExamples(pairs, self.loaded.tokenizer, length) for pairs in (learned, kept)
            )
        self.about = files.facts() | {"examples": len(self.samples), "validation_examples": len(self.kept)}
        for name, examples in (("learned", self.samples), ("held-out", self.kept)):
            with view.phase(f"Asking the model about {name} pairs before it learns") as progress:
                reference(
                    self.loaded.model,
                    examples,
                    pairs_per_batch=PAIRS,
                    precision=recipe.train.precision,
                    folder=cache_folder() / "references",
                    progress=progress,
                )

    method: DPO

    def make_method(self) -> DPO:
        self.method = DPO(self.loaded.model, self.settings)
        return self.method

    def facts(self) -> dict[str, Any]:
        return self.about

    def validate(self) -> Judged:
        found = validate(self.method, self.kept, pairs_per_batch=PAIRS)
        return Judged(found["loss"], found, sentence(found))

    def scores(self) -> list[Score]:
        found = validate(self.method, self.kept, pairs_per_batch=PAIRS)
        protocol = f"{found['pairs']} held-out pairs, beta {self.settings.beta}"
        low, high = found["accuracy_interval"]
        rows = (("accuracy", (low, high), 0.5), ("margin", None, 0.0), ("loss", None, None))
        return [
            Score(
                task="preferences",
                metric=metric,
                value=found[metric],
                interval=interval,
                n=found["pairs"],
                protocol=protocol,
                version=1,
                chance=chance,
            )
            for metric, interval, chance in rows
        ]


TUNING = Preferences
