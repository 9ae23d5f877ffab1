"""The recipes that come with the project: each one runs, made tiny and on a local text."""

from pathlib import Path
from typing import Any

import pytest
import torch

from groundup.methods.next_token import NextToken
from groundup.model.counting import count_parameters
from groundup.model.decoder import Decoder
from groundup.runs.estimate import expected_config
from groundup.runs.pretrain import pretrain
from groundup.runs.recipe import model_config, read_recipe
from groundup.settings import Table, read_toml
from tests.runs.conftest import quiet_view

ALL = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
RECIPES = [path for path in ALL if "method" not in read_toml(path)]
OWN = pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])


def tiny(path: Path, text: Path) -> list[str]:
    """The changes that make a recipe small; everything else of it stays."""
    table: Table = read_toml(path)
    model = {"d_model": 16, "n_layers": 1, "n_heads": 2, "context_length": 64}
    if "vocab_size" in table["model"]:
        model["vocab_size"] = 304  # a little more than the tokenizer has, as in the recipe
    train = {"steps": 4, "tokens_per_step": 128, "micro_batch": 2, "sequence_length": 32, "warmup_steps": 1}
    return [
        f"data.source='{text}'",
        "data.split={by='position', validation=0.2}",
        "data.max_tokens=0",
        "data.validation_tokens=0",
        "tokenizer.source='bytes'",
        *(f"model.{name}={value}" for name, value in model.items()),
        *(f"train.{name}={value}" for name, value in train.items()),
        "train.precision='float32'",
        "sample.max_tokens=4",
        "evaluate.tasks=['perplexity']",
    ]


@OWN
def test_every_recipe_runs_to_its_end(path: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"The miller carried sack {n} past the well.\n" for n in range(60)), "utf-8")
    recipe = read_recipe(path, tiny(path, text))
    run = pretrain(recipe, tmp_path / "run", quiet_view(), device="cpu")
    assert run.read_facts()["status"] == "finished"
    rows = {(row["step"], row["metric"]) for row in run.read_evaluation()}
    assert {step for step, metric in rows if metric == "bits_per_byte"} == {
        {"start": 0, "end": 4}[when] for when in recipe.evaluate.when
    }
    first = [line for line in run.lines("samples") if line["step"] == 0]
    assert len(first) == len(recipe.sample.prompts) * recipe.sample.count
    assert len({(line["prompt"], line["seed"]) for line in first}) == len(first)


@OWN
def test_a_recipe_is_named_as_its_file_and_explains_how_it_is_run(path: Path) -> None:
    assert read_recipe(path).name in (path.stem, "demo-fixed")
    assert f"groundup pretrain recipes/{path.name}" in path.read_text(encoding="utf-8")


def by_name(name: str) -> Any:
    return read_recipe(next(path for path in RECIPES if path.stem == name))


@pytest.mark.parametrize("name, parameters", [("gpt-16m", 16_299_520), ("gpt2-124m", 124_475_904)])
def test_the_models_have_exactly_the_stated_number_of_parameters(name: str, parameters: int) -> None:
    config = expected_config(by_name(name))
    assert count_parameters(config) == parameters
    with torch.device("meta"):
        assert Decoder(config).n_parameters() == parameters


def test_an_untrained_16m_model_starts_where_it_was_worked_out_to() -> None:
    config = expected_config(by_name("gpt-16m"))
    model = Decoder(config).initialise(torch.Generator().manual_seed(1)).eval()
    ids = torch.randint(50_257, (1, 513), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        loss, count = NextToken(model)({"ids": ids[:, :-1], "targets": ids[:, 1:]})
    # ln(50,304) = 10.826, and half the variance of the logits: normalised vectors of 256 numbers times
    # weights of 0.02 vary by 256 * 0.02 ** 2 = 0.102.
    assert float(loss) / count == pytest.approx(10.87, abs=0.03)


def test_the_16m_recipe_sees_300_million_tokens_once_and_a_third() -> None:
    recipe = by_name("gpt-16m")
    assert recipe.train.steps * recipe.train.tokens_per_step == pytest.approx(400e6, rel=1e-4)
    assert recipe.data.max_tokens == 300_000_000
    # Both parts fill at the same place of the source.
    assert recipe.data.validation_tokens / (400e6) == recipe.data.split.validation


def test_a_size_on_the_command_line_takes_the_place_of_the_shape_in_the_file() -> None:
    path = next(path for path in RECIPES if path.stem == "gpt2-124m")
    asked = model_config(read_recipe(path, ["model.size=50m"]), 50_257)
    assert 0.75 * 50e6 < count_parameters(asked) < 1.25 * 50e6
    flat = model_config(read_recipe(path, ["model.size=50m", "model.n_layers=3"]), 50_257)
    assert flat.n_layers == 3
    assert flat.context_length == asked.context_length == 1024
