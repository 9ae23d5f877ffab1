"""Settings: TOML tables and key=value words become frozen, checked dataclasses, and back again."""

import copy
import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from groundup.errors import UserError, did_you_mean

T = TypeVar("T")
Table = dict[str, Any]

FOREIGN_NAMES = {
    **dict.fromkeys(("n_embd", "hidden_size", "dim", "d_embed", "emb_dim", "embedding_size"), "d_model"),
    **dict.fromkeys(("n_layer", "num_hidden_layers", "num_layers", "depth"), "n_layers"),
    **dict.fromkeys(("n_head", "num_attention_heads", "num_heads"), "n_heads"),
    **dict.fromkeys(("num_key_value_heads", "n_kv_head", "n_query_groups"), "n_kv_heads"),
    **dict.fromkeys(("block_size", "n_positions", "max_position_embeddings", "n_ctx"), "context_length"),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim", "hidden_dim"), "d_ff"),
    **dict.fromkeys(("rope_theta", "rope_base_freq"), "rope_base"),
    **dict.fromkeys(("max_iters", "max_steps", "num_steps", "num_train_steps", "iterations"), "steps"),
    **dict.fromkeys(("lr", "max_lr", "peak_lr"), "learning_rate"),
    **dict.fromkeys(("min_lr", "end_lr"), "final_learning_rate"),
    **dict.fromkeys(("warmup_iters", "warmup", "num_warmup_steps"), "warmup_steps"),
    **dict.fromkeys(("batch_size", "per_device_train_batch_size", "device_batch_size"), "micro_batch"),
    **dict.fromkeys(("total_batch_size", "global_batch_size"), "tokens_per_step"),
    **dict.fromkeys(("grad_clip", "max_grad_norm", "gradient_clip_val"), "clip_norm"),
    **dict.fromkeys(("seq_len", "max_seq_len", "max_length"), "sequence_length"),
    **dict.fromkeys(("dtype",), "precision"),
    **dict.fromkeys(("eval_interval", "eval_every", "eval_steps"), "every"),
    **dict.fromkeys(("dataset", "path", "file"), "source"),
}
"""What other projects call these settings; used only to say what was probably meant."""

TOML_WORDS = {"tuple_type": "a list", "mapping_type": "a table", "dataclass_exact_type": "a table"}
"""What a person writes where pydantic speaks of Python's types."""


def read_toml(path: Path | str) -> Table:
    """Read a TOML file. UserError for a file that is missing or no TOML, with the line."""
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*.toml")))
        raise UserError(f"There is no file {path}.{near} Give the path of a recipe (.toml).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no valid TOML: {error}. Correct that line.") from None
    except OSError as error:
        raise UserError(
            f"Could not read {path}: {error.strerror}. Give the path of a recipe (.toml)."
        ) from None


def with_changes(table: Mapping[str, Any], words: Iterable[str]) -> Table:
    """A copy of the table with every word of the form section.key=value put in; values are read as TOML."""
    result: Table = copy.deepcopy(dict(table))
    for word in words:
        key, equals, text = word.partition("=")
        names = [name.strip() for name in key.split(".")]
        if not equals or not all(names):
            raise UserError(f"{word!r} changes nothing. Write section.key=value, such as train.steps=200.")
        inner = result
        for name in names[:-1]:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise UserError(f"In {word!r}, {name!r} is a value and not a section.")
        value = _value(text.strip())
        # A shell takes quotes away, so that 2026, true or nan would be no name.
        inner[names[-1]] = text.strip() if names == ["name"] and not isinstance(value, str) else value
    return result


def build(kind: type[T], table: Mapping[str, Any], *, where: str = "") -> T:
    """Make a frozen dataclass from a table: unknown keys, wrong types and missing values are UserErrors.

    `where` is the dotted name of the table, for messages. Lists become tuples, so that the result is frozen.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    values: Table = {}
    place = f"[{where}]" if where else "the recipe"
    for key, value in table.items():
        name = f"{where}.{key}" if where else key
        if key not in fields:
            hint = _meant(key, fields, hints)
            raise UserError(f"Unknown key {key!r} in {place}.{hint} Known: {', '.join(fields)}.")
        values[key] = _checked(hints[key], value, name)
    missing = [f.name for f in fields.values() if f.name not in values and _is_required(f)]
    if missing:
        raise UserError(f"{place} lacks {', '.join(map(repr, missing))}. Add it.")
    return kind(**values)


def to_table(value: Any) -> Table:
    """The table of a dataclass, with nested dataclasses as tables and without the values that are None."""
    return {
        f.name: _plain(getattr(value, f.name))
        for f in dataclasses.fields(value)
        if getattr(value, f.name) is not None
    }


def to_toml(table: Mapping[str, Any]) -> str:
    """A table of tables as TOML: plain values first, then a section for each table; deeper tables inline."""
    lines = [f"{key} = {_toml_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for section, inner in table.items():
        if isinstance(inner, dict):
            lines += ["", f"[{section}]", *(f"{key} = {_toml_value(value)}" for key, value in inner.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _checked(hint: Any, value: Any, name: str) -> Any:
    kind = _dataclass_of(hint)
    if kind is not None and isinstance(value, Mapping):
        return build(kind, value, where=name)
    value = _frozen(value)
    try:
        return TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        told = [TOML_WORDS.get(e["type"], e["msg"].removeprefix("Input should be ")) for e in error.errors()]
        wanted = " or ".join(dict.fromkeys(told))
        raise UserError(f"{name} = {value!r} does not fit: expected {wanted}.") from None


def _dataclass_of(hint: Any) -> type | None:
    """The dataclass in a hint such as `Checkpoint` or `Checkpoint | None`."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((option for option in options if dataclasses.is_dataclass(option)), None)  # type: ignore[return-value]


def _meant(key: str, fields: Iterable[str], hints: Mapping[str, Any]) -> str:
    """What an unknown key probably meant: another project's name, a key of an inner table, a near one."""
    fields = list(fields)
    foreign = {theirs: ours for theirs, ours in FOREIGN_NAMES.items() if ours in fields}
    inner = {field: _dataclass_of(hints[field]) for field in fields}
    for field, kind in inner.items():
        if kind is not None and key in {f.name for f in dataclasses.fields(kind)}:
            return f" Did you mean {field + '.' + key!r}?"
    return f" Did you mean {foreign[key]!r}?" if key in foreign else did_you_mean(key, fields, foreign)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_table(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(text: str) -> Any:
    """A word from the command line: a TOML value (no setting is a date), else a plain string."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if isinstance(value, date | time) else value


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, str):  # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    assert isinstance(value, int | float), f"no TOML form for {value!r}"
    return repr(value)
