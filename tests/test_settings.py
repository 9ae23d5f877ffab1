"""Settings: strict tables, the words of the command line, and TOML back and forth."""

import tomllib
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any, Literal

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.errors import UserError
from groundup.settings import build, read_toml, to_table, to_toml, with_changes


@dataclass(frozen=True, kw_only=True)
class Inner:
    every: int = 500
    keep: int = 3


@dataclass(frozen=True, kw_only=True)
class Sizes:
    d_model: int
    steps: int = 10
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "linear"] = "cosine"
    window: int | None = None
    tied: bool = True
    prompts: tuple[str, ...] = ()
    name: str = ""
    checkpoint: Inner = field(default_factory=Inner)


def test_a_table_becomes_a_frozen_dataclass_with_its_defaults():
    made = build(Sizes, {"d_model": 8, "prompts": ["a", "b"], "checkpoint": {"keep": 1}, "learning_rate": 1})
    assert made == Sizes(d_model=8, prompts=("a", "b"), checkpoint=Inner(keep=1), learning_rate=1.0)
    assert isinstance(made.learning_rate, float)
    with pytest.raises(FrozenInstanceError):
        made.d_model = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    "table, told",
    [
        (
            {"d_modle": 8},
            r"Unknown key 'd_modle' in \[model\]. Did you mean 'd_model'\? Known: d_model, steps",
        ),
        ({"n_embd": 8}, r"Unknown key 'n_embd' in \[model\]. Did you mean 'd_model'\?"),
        ({"hidden_size": 8}, "Did you mean 'd_model'"),
        ({"n_embed": 8}, "Did you mean 'd_model'"),  # a foreign name, misspelt
        ({"max_iters": 8}, "Did you mean 'steps'"),
        ({"lr": 8}, "Did you mean 'learning_rate'"),
        ({"checkpoint": {"eval_interval": 1}}, r"in \[model.checkpoint\]. Did you mean 'every'"),
        ({"zzz": 8}, r"Unknown key 'zzz' in \[model\]. Known"),
        ({}, r"\[model\] lacks 'd_model'. Add it."),
        ({"d_model": "8"}, "model.d_model = '8' does not fit: expected a valid integer"),
        ({"d_model": 8.0}, "model.d_model = 8.0 does not fit: expected a valid integer"),
        ({"d_model": True}, "model.d_model = True does not fit: expected a valid integer"),
        ({"d_model": 8, "tied": 1}, "model.tied = 1 does not fit: expected a valid boolean"),
        ({"d_model": 8, "learning_rate": "fast"}, "does not fit: expected a valid number"),
        ({"d_model": 8, "schedule": "step"}, "does not fit: expected 'cosine' or 'linear'"),
        ({"d_model": 8, "window": "all"}, "model.window = 'all' does not fit: expected a valid integer"),
        ({"d_model": 8, "name": 5}, "model.name = 5 does not fit: expected a valid string"),
        ({"d_model": 8, "prompts": "one"}, "model.prompts = 'one' does not fit: expected a list"),
        ({"d_model": 8, "prompts": ["one", 2]}, "does not fit: expected a valid string"),
        ({"d_model": 8, "checkpoint": 5}, "model.checkpoint = 5 does not fit: expected a table"),
        ({"d_model": 8, "checkpoint": {"keep": "all"}}, "model.checkpoint.keep = 'all' does not fit"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line_with_the_key_and_what_was_expected(table, told):
    with pytest.raises(UserError, match=told) as caught:
        build(Sizes, table, where="model")
    assert "\n" not in str(caught.value)


def test_the_outermost_table_is_called_the_recipe():
    with pytest.raises(UserError, match="the recipe lacks 'd_model'"):
        build(Sizes, {})
    with pytest.raises(UserError, match="Unknown key 'stepz' in the recipe. Did you mean 'steps'"):
        build(Sizes, {"stepz": 3})


@pytest.mark.parametrize(
    "word, value",
    [
        ("train.steps=200", 200),
        ("train.rate=6e-4", 6e-4),
        ("train.tied=false", False),
        ("train.name=village", "village"),
        ('train.name="42"', "42"),
        ("train.name=my book.txt", "my book.txt"),
        ("train.name=C:\\books\\new.txt", "C:\\books\\new.txt"),
        ("train.name=a=b", "a=b"),
        ("train.name=", ""),
        ("train.name=2026-05-01", "2026-05-01"),  # TOML would make it a date, which no setting is
        ('train.prompts=["a", "b"]', ["a", "b"]),
        ("train.checkpoint={every = 5}", {"every": 5}),
        (" train . steps = 7 ", 7),
    ],
)
def test_a_word_of_the_command_line_is_read_as_toml_or_as_plain_text(word, value):
    table = {"name": "x", "train": {"steps": 1}}
    changed = with_changes(table, [word])
    key = word.partition("=")[0].split(".")[1].strip()
    assert changed["train"][key] == value
    assert type(changed["train"][key]) is type(value)
    assert table == {"name": "x", "train": {"steps": 1}}


def test_words_make_sections_reach_deep_and_the_last_one_counts():
    changed = with_changes({}, ["a.b.c=1", "a.b.c=2", "name=n"])
    assert changed == {"a": {"b": {"c": 2}}, "name": "n"}


@pytest.mark.parametrize("word", ["steps", "=5", "train.=5", ".steps=5", "a..b=1"])
def test_a_word_that_changes_nothing_is_told_with_the_right_form(word):
    with pytest.raises(UserError, match="changes nothing. Write section.key=value, such as train.steps=200"):
        with_changes({}, [word])


def test_a_word_that_treats_a_value_as_a_section_is_told():
    with pytest.raises(UserError, match="In 'name.x=1', 'name' is a value and not a section"):
        with_changes({"name": "x"}, ["name.x=1"])


names = st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cs",)))
values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@hypothesis.settings(deadline=None, max_examples=50)
@given(st.dictionaries(names, values, max_size=5))
@hypothesis.example({"x": "\x00\x1f\x7f\x80 \" ' \\ \n\r\t # ="})
def test_every_table_survives_toml(table: dict[str, Any]):
    assert tomllib.loads(to_toml(table)) == table


settings = st.builds(
    Sizes,
    d_model=st.integers(1, 10**9),
    learning_rate=st.floats(allow_nan=False),
    window=st.none() | st.integers(0, 99),
    tied=st.booleans(),
    prompts=st.lists(texts, max_size=3).map(tuple),
    name=texts,
    checkpoint=st.builds(Inner, every=st.integers(-5, 5)),
)


@hypothesis.settings(deadline=None)
@given(settings)
def test_every_setting_survives_toml(sizes: Sizes):
    assert build(Sizes, tomllib.loads(to_toml(to_table(sizes)))) == sizes


@pytest.mark.parametrize(
    "text, told",
    [
        ("a = 1\nb = = 2\n", "is no valid TOML: .*at line 2, column 5"),
        ("name = 'x'\nname = 'y'\n", "is no valid TOML: .*at line 2"),
        ("a = [1", "is no valid TOML: .*at end of document"),
        (b"name = '\xff'", "is no valid TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path, text, told):
    (tmp_path / "recipe.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=told) as caught:
        read_toml(tmp_path / "recipe.toml")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_names_the_nearest_and_a_folder_is_none(tmp_path):
    (tmp_path / "shakespeare.toml").write_text("")
    assert read_toml(tmp_path / "shakespeare.toml") == {}
    with pytest.raises(UserError, match=r"Did you mean 'shakespeare.toml'\? Give the path of a recipe"):
        read_toml(tmp_path / "shakespear.toml")
    for wrong in (tmp_path, tmp_path / "shakespeare.toml" / "inside.toml"):
        with pytest.raises(UserError, match=r"Give the path of a recipe \(.toml\)") as caught:
            read_toml(wrong)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nan", "2026", "true", "1.5"])
def test_a_name_on_the_command_line_may_look_like_a_number(name: str) -> None:
    assert with_changes({}, [f"name={name}"]) == {"name": name}
    assert with_changes({}, ['name="mill"']) == {"name": "mill"}
