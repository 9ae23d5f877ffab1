"""What every method of fine-tuning says of itself: its examples, its loss, how it is judged and written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from groundup.data.batches import Batch, Samples, stack_windows
from groundup.evaluation.score import Score
from groundup.methods import Method
from groundup.model.lora import lora_layers
from groundup.runs.tuning_recipe import TuneRecipe
from groundup.settings import build
from groundup.system.progress import View
from groundup.weights import adapters
from groundup.weights.folder import Loaded, write_model


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """A method that has none of its own."""


@dataclass(frozen=True)
class Judged:
    """What a validation found: the mean loss, other plain numbers for metrics.jsonl, and a sentence."""

    loss: float
    line: dict[str, Any] = field(default_factory=dict)
    says: str = ""


class Tuning:
    """One method around one model and its data, all of it made before anything on the disk is touched."""

    Settings: ClassVar[type] = NoSettings
    samples: Samples  # what is learned from
    unit: ClassVar[str] = "tokens"  # what counts in the loss
    samples_are: str = "examples"  # what they are called
    stack: Callable[[list[Any]], Batch] = staticmethod(stack_windows)

    def __init__(self, recipe: TuneRecipe, loaded: Loaded[Any], view: View):
        self.recipe, self.loaded, self.view = recipe, loaded, view
        self.settings = self.settings_of(recipe)

    @classmethod
    def settings_of(cls, recipe: TuneRecipe) -> Any:
        """The method's own settings of a recipe's [method]. UserError for what does not fit."""
        own = {name: value for name, value in recipe.method.items() if name != "name"}
        return build(cls.Settings, own, where="method")

    def make_method(self) -> Method[Any]:
        """The method around the model, once it is decided what of it learns."""
        raise NotImplementedError

    def what_is_new(self) -> list[nn.Module]:
        """Parts that begin with random numbers, and learn whatever else does: a head."""
        return []

    def operations(self) -> float:
        """Floating-point operations of the whole run if its shapes stay the same; 0: it is not compiled."""
        return 0.0

    def facts(self) -> dict[str, Any]:
        """For run.json: "source" and "fingerprint" of the data, and what else is worth knowing of them."""
        raise NotImplementedError

    def validate(self) -> Judged:
        """How well it does on the examples that are kept from learning."""
        raise NotImplementedError

    def scores(self) -> list[Score]:
        """What is measured before the first step and after the last."""
        return []

    def compared(self) -> list[Score]:
        """At the end only: what it is compared with, such as a simple other way, or the model it began as."""
        return []

    def answers(self) -> Sequence[dict[str, Any]]:
        """What the finished model answers to held-out examples, for responses.jsonl."""
        return ()

    def write(self, part: Path, card: str = "") -> None:
        """Write the model, or what it learned beside its base, into an empty folder."""
        loaded = replace(self.loaded, card=card)
        if lora_layers(loaded.model):
            adapters.write(part, loaded)
        else:
            write_model(part, loaded)
