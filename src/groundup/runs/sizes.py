"""The size of a model by one dial: `model.size = "16m"` in a recipe, and its shape follows."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.counting import count_parameters
from groundup.runs.vocabulary import open_tokenizer
from groundup.settings import Table, build
from groundup.system.progress import View
from groundup.text.tokenizer import Tokenizer
from groundup.zoo import FAMILIES
from groundup.zoo._family import Family

OFFICIAL = 0.04
"""A published size this near is taken as it was: GPT-2's largest has 1,558 million, and goes by 1.5b."""

NEAR = 0.25
"""What comes out may be so far from what was asked. Where the shape is free, it is nearer by far."""

LARGEST = 10**12
GPT2_TOKENS = 50_257
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
WIDTHS = (*range(32, 128, 16), *range(128, 512, 32), *range(512, 16_385, 64))
DEPTHS = range(1, 257)  # where the width is given


def parameters_asked(size: object) -> int:
    """16_000_000 from "16m"; also "300k", "1.5b", or a plain number. UserError for what is no size."""
    found = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?) ?([kmb]?)", str(size).strip().lower())
    number = float(found[1]) * UNITS[found[2]] if found else float(size) if isinstance(size, float) else 0.0
    if not 1 <= number <= LARGEST:
        raise UserError(
            f'model.size = {size!r} is no size. Give the parameters, such as "16m", "1.5b" or 300_000.'
        )
    return round(number)


def with_shape(model: Mapping[str, Any], *, vocab_size: int, context_length: int) -> Table:
    """The [model] table with `size` replaced by a shape of about so many parameters.

    A published size of the family comes first. Otherwise the depth follows the width, one layer for each 64
    and at least 2. The width is the one that comes nearest; then up to half as many layers are taken off or
    added to come nearer still. Heads are 64 wide, below a width of 512 only 32. What the table says of the
    shape itself stays as it is.

    vocab_size, context_length: used where the table has none. UserError if no such size can be.
    """
    given = {name: value for name, value in model.items() if name not in ("size", "family")}
    wanted, asked = parameters_asked(model["size"]), repr(model["size"])
    family = FAMILIES.get(model.get("family", "gpt2"))
    base = _checked(family, {"vocab_size": vocab_size, "context_length": context_length, **given})
    official = _nearest(_official(family, base, given), wanted)
    if official is not None and _miss(official, wanted) <= OFFICIAL:
        chosen = official
    else:
        chosen = _nearest(_ruled(base, given, WIDTHS), wanted)
        if chosen is None:
            raise UserError(f"model.size = {asked} has no shape with {_told(given)}. Leave one of them out.")
        chosen = _nearest(_deeper(chosen, given), wanted) or chosen
    if _miss(chosen, wanted) > NEAR:
        _refuse(asked, given, chosen)
    plain, before = dataclasses.asdict(chosen), dataclasses.asdict(base)
    shape = {name: value for name, value in plain.items() if value != before[name]}
    sizes = {name: getattr(chosen, name) for name in ("d_model", "n_layers", "n_heads")}
    kept = {name: value for name, value in model.items() if name != "size"}
    return {**kept, **shape, **sizes}


def told_shape(config: ModelConfig) -> str:
    """The shape in words: "4 layers of width 256"."""
    return f"{config.n_layers} layer{'s' * (config.n_layers > 1)} of width {config.d_model}"


def vocabulary_to_expect(source: str, vocab_size: int) -> int:
    """How many tokens the tokenizer of a recipe has; of one still to be trained, what is asked for."""
    if source == "train":
        return vocab_size
    if source == "gpt2" and not Path("gpt2").exists():
        return GPT2_TOKENS  # without a download
    return (
        Tokenizer.from_bytes().vocab_size if source == "bytes" else open_tokenizer(source, View()).vocab_size
    )


def _checked(family: Family, fields: Table) -> ModelConfig:
    """Any configuration with these fields, which says whether they themselves are valid."""
    heads = fields.get("n_heads") or fields.get("n_kv_heads") or 1
    free = {"n_heads": heads, "n_layers": 1}
    if isinstance(heads, int):
        free["d_model"] = 64 * heads
    return build(ModelConfig, {**free, **family.defaults, **fields}, where="model")


def _official(family: Family, base: ModelConfig, given: Table) -> Iterator[ModelConfig]:
    """The published shapes that agree with what is given."""
    for published in family.sizes.values():
        shape = {k: v for k, v in published.items() if k not in ("vocab_size", "context_length")}
        if all(given.get(name, value) == value for name, value in shape.items()):
            yield from _possible(base, shape)


def _ruled(base: ModelConfig, given: Table, widths: Iterable[int]) -> Iterator[ModelConfig]:
    """For each width the shape by the rule; where the width is given, for each depth."""
    if "d_model" in given:
        first = {"n_heads": _heads(base.d_model, base.n_kv_heads)} | given
        yield from (c for depth in DEPTHS for c in _possible(base, {"n_layers": depth} | first))
        return
    for width in widths:
        shape = {"d_model": width, "n_layers": _depth(width), "n_heads": _heads(width, base.n_kv_heads)}
        yield from _possible(base, shape | given)


def _deeper(chosen: ModelConfig, given: Table) -> Iterator[ModelConfig]:
    """The same width with half as many layers to half as many more; none where width or depth is given."""
    if "n_layers" in given or "d_model" in given:
        return
    usual = _depth(chosen.d_model)
    for depth in range(max(2, usual - usual // 2), usual + usual // 2 + 1):
        yield from _possible(chosen, {"n_layers": depth})


def _possible(base: ModelConfig, shape: Table) -> Iterator[ModelConfig]:
    """The configuration of this shape; nothing where its fields do not fit together."""
    try:
        yield dataclasses.replace(base, **shape)
    except UserError:
        return


def _depth(width: int) -> int:
    return max(2, round(width / 64))


def _heads(width: int, n_kv_heads: int | None) -> int:
    """Heads 64 wide, or 32 in a narrow model; wider where only then they divide what they must."""
    most, least = width // (64 if width >= 512 else 32), n_kv_heads or 1
    fitting = (n for n in range(most, least - 1, -1) if width % n == 0 and n % least == 0)
    return next(fitting, least)


def _nearest(shapes: Iterable[ModelConfig], wanted: int) -> ModelConfig | None:
    return min(shapes, key=lambda config: abs(count_parameters(config) - wanted), default=None)


def _miss(config: ModelConfig, wanted: int) -> float:
    """How far a shape is from what was asked, as a share of it."""
    return abs(count_parameters(config) / wanted - 1)


def _told(given: Table) -> str:
    return " and ".join(f"{name} = {value!r}" for name, value in given.items())


def _refuse(asked: str, given: Table, chosen: ModelConfig) -> None:
    """UserError that says why no model of this size can be."""
    count = count_parameters(chosen)
    shape = told_shape(chosen)
    shaped = {name: value for name, value in given.items() if name not in ("vocab_size", "context_length")}
    if shaped:
        raise UserError(
            f"model.size = {asked} contradicts {_told(shaped)}: the nearest is {shape}, {count:,} "
            f"parameters. Leave out the one or the other."
        )
    raise UserError(
        f"model.size = {asked} is too small: with "
        f"{chosen.vocab_size:,} tokens the nearest is {shape}, {count:,} parameters. "
        f"Ask for that, or change the vocabulary (tokenizer.vocab_size)."
    )
