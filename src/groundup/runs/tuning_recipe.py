"""The recipe of a fine-tuning: which model, by which method, what of it learns, and from what."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from groundup.errors import UserError
from groundup.runs.recipe import (
    SampleSettings,
    TokenizerSettings,
    check_name,
    check_not_negative,
)
from groundup.settings import Table, build, read_toml, to_table, to_toml, with_changes
from groundup.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """Thin matrices beside the large ones learn, and these stay as they are. A rank of 0: none."""

    rank: int = 0
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("attention", "mlp")

    def __post_init__(self) -> None:
        check_not_negative("learn.lora", self, "rank")


@dataclass(frozen=True, kw_only=True)
class LearnSettings:
    """What learns: "all", "head", "last 2 blocks", or parts of names such as "blocks.11" or "final_norm"."""

    what: str | tuple[str, ...] = "all"
    lora: LoraSettings = field(default_factory=LoraSettings)  # with it, `what` is not asked


@dataclass(frozen=True, kw_only=True)
class TuneDataSettings:
    """What to learn from: a dataset's name, a file or a folder. Numbers of examples; 0 means all."""

    source: str
    validation: float = 0.1  # the share of the examples that is kept from learning
    validation_source: str = ""  # instead of a share: another file, or another split of the dataset
    split: Literal["auto", "hash", "position"] = "auto"  # of a text: by documents, or its end is kept
    other: str = ""  # a text that is not to be forgotten: scored before and after
    max_examples: int = 0
    balance: bool = False  # of labels: as many texts of each as the rarest one has
    column: str = "text"  # of a Parquet file, or the field of JSON lines, that holds the texts

    def __post_init__(self) -> None:
        check_not_negative("data", self, "max_examples")
        if not 0 < self.validation < 1:
            raise UserError(f"data.validation = {self.validation} is no share. Use a number such as 0.1.")


@dataclass(frozen=True, kw_only=True)
class TuneSettings(TrainSettings):
    """How to train on examples: the settings of any training, counted in examples instead of tokens."""

    steps: int = 0  # 0: as many as the epochs have
    epochs: float = 3.0
    examples_per_step: int = 8
    sequence_length: int = 256  # the longest example, in tokens
    micro_batch: int = 8  # examples of one forward and backward
    tokens_per_step: int = 0  # follows: examples_per_step times sequence_length
    learning_rate: float = 2e-5
    schedule: Literal["cosine", "linear", "wsd", "constant"] = "linear"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("examples_per_step", "sequence_length"):
            if getattr(self, name) < 1:
                raise UserError(f"train.{name} = {getattr(self, name)} is too small. It must be at least 1.")
        if not 0 < self.epochs < math.inf:
            raise UserError(f"train.epochs = {self.epochs} does not fit. It must be above 0.")
        tokens = self.examples_per_step * self.sequence_length
        if self.tokens_per_step not in (0, tokens):
            raise UserError(
                f"train.tokens_per_step = {self.tokens_per_step} does not fit examples_per_step = "
                f"{self.examples_per_step}. Leave it out: it follows."
            )
        object.__setattr__(self, "tokens_per_step", tokens)
        if self.steps:
            super().__post_init__()

    def for_examples(self, n_examples: int) -> "TuneSettings":
        """With as many steps as the epochs over so many examples have, where none were given."""
        steps = self.steps or max(1, math.ceil(self.epochs * n_examples / self.examples_per_step))
        return dataclasses.replace(self, steps=steps)


@dataclass(frozen=True, kw_only=True)
class TuneValidateSettings:
    """Validation while training: every so many steps, on the first so many held-out examples (0: all)."""

    every: int = 50
    examples: int = 200

    def __post_init__(self) -> None:
        check_not_negative("validate", self, "every", "examples")


@dataclass(frozen=True, kw_only=True)
class TuneRecipe:
    """One fine-tuning, whole."""

    name: str
    seed: int = 1
    model: Mapping[str, Any]  # `from`: a folder, a run, "openai:124M", "hf:ORG/NAME"; `template`
    method: Mapping[str, Any]  # `name`, and the method's own settings
    learn: LearnSettings = field(default_factory=LearnSettings)
    data: TuneDataSettings
    train: TuneSettings = field(default_factory=TuneSettings)
    validate: TuneValidateSettings = field(default_factory=TuneValidateSettings)
    sample: SampleSettings = field(default_factory=lambda: SampleSettings(prompts=(), max_tokens=100))

    def __post_init__(self) -> None:
        check_name(self.name, self.seed)
        unknown = [name for name in self.model if name not in ("from", "template")]
        if unknown:
            raise UserError(
                f"Unknown key {unknown[0]!r} in [model]. A model that is tuned has its shape already: say "
                f"only from, and template."
            )
        if not isinstance(self.model.get("from"), str):
            raise UserError(
                'The recipe does not say which model to tune. Add from = "FOLDER" to [model]; `groundup '
                "pretrain` trains one from scratch."
            )

    @property
    def base(self) -> str:
        """Where the model comes from, as `load` takes it."""
        return self.model["from"]

    @property
    def tokenizer(self) -> TokenizerSettings:
        """The base's own; a fine-tuning never trains another."""
        return TokenizerSettings(source=self.base)

    def like(self, table: Table) -> "TuneRecipe":
        """Another recipe of this kind, from its tables."""
        return make_tuning(table)

    def to_table(self) -> Table:
        """The recipe as tables, in the order of the fields."""
        return to_table(self)

    def to_toml(self) -> str:
        """The recipe as a file that can be run again."""
        return to_toml(self.to_table())


def read_tuning(path: Path | str, changes: Iterable[str] = ()) -> TuneRecipe:
    """Read a recipe of a fine-tuning and put in the changes. UserError for whatever does not fit."""
    return make_tuning(with_changes(read_toml(path), tuple(changes)))


def make_tuning(table: Table) -> TuneRecipe:
    """A checked recipe from its tables."""
    from groundup.runs.tunings import TUNINGS

    if "method" not in table:
        raise UserError(
            "The recipe has no [method], so it trains a model from scratch. Run it with groundup pretrain, "
            'or add [method] with a name, such as "next_token" or "answers".'
        )
    recipe = build(TuneRecipe, table)
    name = recipe.method.get("name")
    if not isinstance(name, str):
        raise UserError(f"[method] needs a name. Known: {', '.join(TUNINGS.names())}.")
    TUNINGS.get(name).settings_of(recipe)
    return recipe
