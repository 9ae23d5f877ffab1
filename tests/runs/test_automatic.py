"""The recipe that is chosen for a text of one's own."""

from pathlib import Path

import pytest
import torch

from groundup.errors import UserError
from groundup.model.counting import count_parameters
from groundup.runs import pace
from groundup.runs.automatic import (
    EPOCHS,
    LADDER,
    TOKENS_PER_STEP,
    first_table,
    fit,
    recipe_for,
    run_name,
    sizes_for,
    vocabulary_for,
    with_size,
)
from groundup.runs.pace import measured_speed
from groundup.runs.recipe import make_recipe, model_config
from groundup.settings import Table, with_changes
from tests.runs.conftest import quiet_view


def laptop(table: Table, tokens: float) -> float:
    """Tokens a second of an imagined machine: 30 million parameters times 1,000 tokens."""
    model, vocabulary = table["model"], table["tokenizer"]["vocab_size"]
    return 3e10 / (12 * model["n_layers"] * model["d_model"] ** 2 + model["d_model"] * vocabulary)


@pytest.mark.parametrize(
    "n_bytes, vocabulary",
    [(1, 512), (150_000, 512), (1_100_000, 1024), (5_000_000, 2048), (29_000_000, 4096)],
)
def test_the_vocabulary_grows_with_the_root_of_the_text(n_bytes: int, vocabulary: int) -> None:
    assert vocabulary_for(n_bytes) == vocabulary


@pytest.mark.parametrize("source", ["My book.txt.gz", "/a/b/My book.txt", "My book.jsonl"])
def test_a_run_is_named_after_its_text(source: str) -> None:
    assert run_name(source) == "My_book"


def test_more_minutes_give_a_larger_model_and_more_tokens() -> None:
    sizes, tokens = [], []
    for seconds in (60.0, 600.0, 6000.0):
        table = fit(first_table("x", "x", None), None, lambda left=seconds: left, laptop)
        sizes.append(table["model"]["d_model"])
        tokens.append(table["train"]["steps"])
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert tokens == sorted(tokens)


def test_a_short_text_is_not_read_more_often_than_the_limit() -> None:
    table = fit(first_table("x", "x", 150_000), 150_000, lambda: 6000, laptop)
    assert table["train"]["steps"] * TOKENS_PER_STEP <= EPOCHS * 150_000 / 2


def test_dropout_is_for_texts_that_are_read_again_and_again() -> None:
    short = fit(first_table("x", "x", 150_000), 150_000, lambda: 600, laptop)
    long = fit(first_table("x", "x", 50_000_000), 50_000_000, lambda: 600, laptop)
    assert short["model"]["dropout"] > 0
    assert long["model"]["dropout"] == 0


@pytest.mark.parametrize("n_bytes", [20_000, 150_000, 5_000_000, None])
@pytest.mark.parametrize("minutes", [0.1, 3, 600])
def test_every_choice_is_a_valid_recipe(n_bytes: int | None, minutes: float) -> None:
    recipe = make_recipe(fit(first_table("x", "x", n_bytes), n_bytes, lambda: 60 * minutes, laptop))
    assert recipe.train.steps >= 20
    assert recipe.train.warmup_steps < recipe.train.steps


def test_no_minutes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--minutes"):
        recipe_for("village", 0, tmp_path, quiet_view())


@pytest.mark.parametrize("change", ["model.size=banana", "train.stepss=3", "model.d_model=7", "seed"])
def test_a_wrong_change_is_refused_before_the_machine_is_measured(tmp_path: Path, change: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text("A mill by the river. " * 1000)

    def clock() -> float:
        pytest.fail("The measuring began.")

    with pytest.raises(UserError):
        recipe_for(str(text), 1, tmp_path / "runs", quiet_view(), changes=[change], clock=clock)


def test_larger_steps_are_fewer_in_the_same_time() -> None:
    table = first_table("x", "x", None)
    larger = with_changes(table, [f"train.tokens_per_step={4 * TOKENS_PER_STEP}"])
    steps, fewer = (fit(t, None, lambda: 600, laptop)["train"]["steps"] for t in (table, larger))
    assert fewer == round(steps / 4)


@pytest.mark.parametrize("choice, compiled", [("off", False), ("on", True)])
def test_the_speed_is_measured_compiled_only_if_the_run_will_be(
    monkeypatch: pytest.MonkeyPatch, choice: str, compiled: bool
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(pace, "compile_training", lambda *what: asked.append(what))
    monkeypatch.setattr(pace, "why_not", lambda device: None)
    small = ["tokenizer.vocab_size=300", "model.d_model=32", "model.n_layers=1", "model.n_heads=1"]
    table = with_changes(first_table("x", "x", None), [*small, f"train.compile={choice}"])
    assert pace.measured_speed(table, torch.device("cpu"), 1e20, seconds=0.0) > 0
    assert bool(asked) == compiled


def test_a_text_that_is_read_again_and_again_learns_by_adamw_and_fresh_text_by_muon() -> None:
    for n_bytes, optimizer in ((150_000, "adamw"), (None, "muon"), (500_000_000, "muon")):
        recipe = make_recipe(fit(first_table("x", "x", n_bytes), n_bytes, lambda: 600, laptop))
        assert recipe.train.optimizer == optimizer
        assert (recipe.model["dropout"] > 0) == (optimizer == "adamw")


def test_measuring_and_compiling_take_their_time_from_the_training() -> None:
    whole = fit(first_table("x", "x", None), None, lambda: 600, laptop)
    spent = {"pace known": 0.0}

    def slow_to_compile(table: Table, tokens: float) -> float:
        spent["pace known"] = 300.0 if tokens else 0.0
        return laptop(table, tokens)

    short = fit(first_table("x", "x", None), None, lambda: 600 - spent["pace known"], slow_to_compile)
    assert short["model"] == whole["model"]
    assert short["train"]["steps"] == round(whole["train"]["steps"] / 2)


def test_the_clock_runs_while_speed_is_measured_and_speed_is_that_of_the_changed_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, compiled = [1000.0], list[str | None]()

    def measured(table: Table, device: object, tokens: float) -> float:
        now[0] += 270.0 if tokens else 0.0
        compiled.append(table["train"].get("compile"))
        return laptop(table, tokens)

    monkeypatch.setattr("groundup.runs.automatic.measured_speed", measured)
    recipe = recipe_for(
        "village", 10, tmp_path, quiet_view(), changes=["train.compile=off"], clock=lambda: now[0]
    )
    whole = fit(first_table("x", "x", None), None, lambda: 540, laptop)
    assert recipe.train.steps == round(whole["train"]["steps"] / 2)
    assert compiled == ["off", "off"]


@pytest.mark.parametrize("how, compiled", [("off", 0), ("auto", 1)])
def test_the_trial_is_compiled_as_the_run_will_be(
    how: str, compiled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr("groundup.runs.pace.why_not", lambda device: None)
    monkeypatch.setattr("groundup.runs.pace.compile_training", lambda *given: calls.append(given))
    table = with_size(first_table("x", "x", 20_000), (16, 1, 1))
    table["train"] |= {"compile": how, "tokens_per_step": 256, "micro_batch": 1}
    assert measured_speed(table, torch.device("cpu"), 1e20, seconds=0.0) > 0
    assert len(calls) == compiled
    measured_speed(table, torch.device("cpu"), seconds=0.0)
    assert len(calls) == compiled


def test_a_size_that_is_asked_for_is_taken_and_only_the_steps_are_fitted() -> None:
    table = first_table("x", "x", None)
    asked = with_changes(table, ["model.size=5m"])
    fitted = fit(table, None, lambda: 600, laptop, sizes_for(asked))
    recipe = make_recipe(with_changes(fitted, ["model.size=5m"]))
    assert 4e6 < count_parameters(model_config(recipe, recipe.tokenizer.vocab_size)) < 6e6
    assert recipe.train.steps < fit(table, None, lambda: 600, laptop)["train"]["steps"]


def test_a_width_that_is_asked_for_is_measured_and_kept() -> None:
    table = first_table("x", "x", None)
    assert sizes_for(with_changes(table, ["model.d_model=512", "model.n_heads=8"])) == [(512, 4, 8)]
    assert sizes_for(table) == LADDER
