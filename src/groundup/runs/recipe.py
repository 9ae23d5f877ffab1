"""The typed recipe: all that a run is told, complete in one TOML file."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from groundup.errors import UserError
from groundup.generation.sample import Sampling
from groundup.model.config import ModelConfig
from groundup.runs.sizes import vocabulary_to_expect, with_shape
from groundup.settings import Table, build, read_toml, to_table, to_toml, with_changes
from groundup.tasks import TASKS
from groundup.text.patterns import split_pattern
from groundup.training.settings import TrainSettings
from groundup.zoo import FAMILIES, family_for

AUTO_TOKENS = 16384
"""Tokens of one forward that `micro_batch = "auto"` aims at; more takes memory and is not faster on a CPU."""

SHAPE = ("d_model", "n_layers", "n_heads", "n_kv_heads", "d_head", "d_ff")
"""The fields of [model] that follow from a size."""

DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789¹²³"),
}
"""What Windows takes for a device, with any ending and in any case: a run must be movable to it."""


def check_not_negative(section: str, settings: object, *names: str) -> None:
    """UserError for the first of these settings that is below 0."""
    for name in names:
        if getattr(settings, name) < 0:
            raise UserError(
                f"{section}.{name} = {getattr(settings, name)} is negative. It must be 0 or more."
            )


def check_name(name: str, seed: int) -> None:
    """UserError for a run's name that cannot be a folder's, or a seed that is none."""
    if not 0 <= seed < 2**63:
        raise UserError(f"seed = {seed} is out of range. Use a number from 0 to below 2**63.")
    if len(name) > 100:
        raise UserError(f"The name {name[:20]}… has {len(name)} characters. Use at most 100.")
    if not name.isprintable() or set(name) & set('/\\:*?"<>|') or name[:1] in ("", "."):
        raise UserError(f"The name {name!r} cannot be a folder's name. Use letters, digits, - and _.")
    if name.partition(".")[0].strip().upper() in DEVICES or name[-1] in ". ":
        raise UserError(
            f"The name {name!r} cannot be a folder's name on Windows. Choose another with name=NAME."
        )


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """Which part of the data is kept for validation."""

    by: Literal["auto", "hash", "position", "files"] = "auto"
    validation: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise UserError(
                f"data.split.validation = {self.validation} is no share. Use a number such as 0.1."
            )


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What to learn from: a name in datasets/, a file or a folder. Numbers are tokens; 0 means all."""

    source: str
    column: str = "text"  # of a Parquet file, or the field of JSON lines, that holds the texts
    split: SplitSettings = field(default_factory=SplitSettings)
    max_tokens: int = 0
    validation_tokens: int = 0

    def __post_init__(self) -> None:
        check_not_negative("data", self, "max_tokens", "validation_tokens")


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """Where the tokenizer comes from: "train" (on this data), "gpt2", "bytes", or a folder."""

    source: str = "train"
    vocab_size: int = 4096
    pattern: str = "gpt2"  # of one that is trained: how texts are cut before merging, "gpt2" or "gpt4"

    def __post_init__(self) -> None:
        split_pattern(self.pattern)  # UserError for an unknown one


@dataclass(frozen=True, kw_only=True)
class ValidateSettings:
    """Validation while training: every so many steps, on the first so many tokens of the validation part."""

    every: int = 100
    tokens: int = 100_000

    def __post_init__(self) -> None:
        check_not_negative("validate", self, "every", "tokens")


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Samples while training: every so many steps, `count` for each prompt, always from the same seeds."""

    every: int = 500
    prompts: tuple[str, ...] = ("",)
    count: int = 1  # for each prompt, from the recipe's seed and those after it
    max_tokens: int = 200
    temperature: float = 0.8
    top_k: int = 50
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        check_not_negative("sample", self, "every")
        for name in ("count", "max_tokens"):
            if getattr(self, name) < 1:
                raise UserError(f"sample.{name} = {getattr(self, name)} is too small. Ask for at least 1.")
        Sampling(**self.how)  # checks these itself

    @property
    def how(self) -> dict[str, Any]:
        """How tokens are drawn, as `generate` takes it."""
        return {name: getattr(self, name) for name in (f.name for f in dataclasses.fields(Sampling))}


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Which tasks to run, when, and on how many tokens of the validation part (0: all)."""

    tasks: tuple[str, ...] = ("perplexity",)
    tokens: int = 0
    when: tuple[Literal["start", "end"], ...] = ("end",)

    def __post_init__(self) -> None:
        check_not_negative("evaluate", self, "tokens")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One run, whole."""

    name: str
    seed: int = 1
    data: DataSettings
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    model: Mapping[str, Any] = field(
        default_factory=dict
    )  # fields of ModelConfig, and `family`, `size`; or `from`
    train: TrainSettings
    validate: ValidateSettings = field(default_factory=ValidateSettings)
    sample: SampleSettings = field(default_factory=SampleSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)

    def __post_init__(self) -> None:
        check_name(self.name, self.seed)

    def like(self, table: Table) -> "Recipe":
        """Another recipe of this kind, from its tables."""
        return make_recipe(table)

    def to_table(self) -> Table:
        """The recipe as tables, in the order of the fields."""
        return to_table(self)

    def to_toml(self) -> str:
        """The recipe as a file that can be run again."""
        return to_toml(self.to_table())


def read_recipe(path: Path | str, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe and put in the changes (section.key=value). UserError for whatever does not fit."""
    table, changes = read_toml(path), tuple(changes)
    if "method" in table:
        raise UserError(f"{path} is a recipe to tune a model. Run it with: groundup finetune {path}")
    if isinstance(table.get("model"), dict) and any(word.startswith("model.size=") for word in changes):
        # Who turns the dial means another shape than the file's.
        table["model"] = {name: value for name, value in table["model"].items() if name not in SHAPE}
    return make_recipe(with_changes(table, changes))


def make_recipe(table: Table) -> Recipe:
    """A checked recipe from its tables."""
    train = table.get("train")
    if isinstance(train, dict) and train.get("micro_batch") == "auto":
        table = table | {"train": train | {"micro_batch": auto_micro_batch(train)}}
    recipe = build(Recipe, table)
    if "size" in recipe.model and "from" not in recipe.model:
        recipe = dataclasses.replace(recipe, model=shaped(recipe))
    check_parts(recipe)
    return recipe


def shaped(recipe: Recipe) -> Table:
    """The [model] table with its `size` turned into a shape, so that what a run writes down is complete."""
    vocab_size = vocabulary_to_expect(recipe.tokenizer.source, recipe.tokenizer.vocab_size)
    return with_shape(recipe.model, vocab_size=vocab_size, context_length=recipe.train.sequence_length)


def auto_micro_batch(train: Table) -> int:
    """Rows of one forward that make about AUTO_TOKENS; 1 where the lengths cannot be used."""
    length, tokens = train.get("sequence_length"), train.get("tokens_per_step")
    if not isinstance(length, int) or not isinstance(tokens, int) or length < 1:
        return 1
    return max(1, min(tokens, AUTO_TOKENS) // length)


def check_parts(recipe: Recipe) -> None:
    """UserError for an unknown task, or a model that no family has, before anything is done."""
    for task in recipe.evaluate.tasks:
        TASKS.get(task)
    if "from" not in recipe.model:
        tokenizer = (
            recipe.tokenizer
        )  # one in a folder is looked at when it is needed: the folder may be made yet
        named = tokenizer.source in ("train", "bytes", "gpt2")
        tokens = vocabulary_to_expect(tokenizer.source, tokenizer.vocab_size) if named else 1
        family_for(model_config(recipe, vocab_size=tokens))
        return
    if not isinstance(recipe.model["from"], str):
        raise UserError(
            f"model.from = {recipe.model['from']!r} is no folder. Give a model's or a run's folder."
        )
    others = [name for name in recipe.model if name != "from"]
    if others:
        raise UserError(
            f"[model] has from and {', '.join(others)}. A model that is there has its shape already: "
            f"leave out the one or the other."
        )


def model_config(recipe: Recipe, vocab_size: int) -> ModelConfig:
    """The configuration of a new model: the family's defaults, changed by the recipe's [model] table."""
    table = dict(recipe.model)
    family = FAMILIES.get(table.pop("family", "gpt2"))
    known = {f.name for f in dataclasses.fields(ModelConfig)}
    wanted = {**family.defaults, "vocab_size": vocab_size, **table}
    if not wanted.keys() - known and wanted.get("context_length") is None:
        wanted["context_length"] = recipe.train.sequence_length
    config = build(ModelConfig, wanted, where="model")
    check_context(config, recipe.train.sequence_length)
    if config.vocab_size < vocab_size:
        raise UserError(
            f"model.vocab_size = {config.vocab_size} is smaller than the tokenizer's {vocab_size}. "
            f"Leave it out, and it follows the tokenizer."
        )
    return config


def check_context(config: ModelConfig, sequence_length: int) -> None:
    """UserError if training would read longer texts than the model can."""
    if config.context_length < sequence_length:
        raise UserError(
            f"train.sequence_length = {sequence_length} is longer than model.context_length = "
            f"{config.context_length}. Shorten the one, or lengthen the other."
        )
