"""The recipes of fine-tuning: each one runs, on a tiny random model of its family and a few records."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from groundup.errors import UserError
from groundup.methods import METHODS
from groundup.model.config import ModelConfig
from groundup.runs.finetune import RESPONSES, finetune
from groundup.runs.folder import RunFolder
from groundup.runs.tuning_recipe import read_tuning
from groundup.runs.tunings import TUNINGS
from groundup.settings import read_toml
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded, save
from groundup.zoo import FAMILIES
from tests.runs.conftest import quiet_view, said
from tests.text.kinds import KINDS

ALL = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
RECIPES = {path.stem: path for path in ALL if "method" in read_toml(path)}
FAMILY = {"style-gpt-neo": "gpt_neo", "imdb-bert-lora": "bert"}  # the others tune a GPT-2
OWN = pytest.mark.parametrize("name", RECIPES)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny random model of a recipe's family."""
    folder = tmp_path_factory.mktemp("bases")

    def make(name: str) -> Path:
        family = FAMILIES.get(FAMILY.get(name, "gpt2"))
        if (folder / family.name).is_dir():
            return folder / family.name
        tokenizer = KINDS["bert"].make() if family.name == "bert" else Tokenizer.from_bytes()
        sizes = {"vocab_size": tokenizer.vocab_size, "context_length": 96, "d_model": 16, "n_layers": 2}
        config = ModelConfig(**{**family.defaults, **sizes, "n_heads": 2, "dropout": 0.0})
        model = family.model(config)
        model.initialise(torch.Generator().manual_seed(0))
        return save(folder / family.name, Loaded(model, tokenizer, config))

    return make


def data(method: str, folder: Path) -> Path:
    """Some records in the form that a method learns from."""
    words = ["sack", "well", "mill", "king", "boat", "bread", "wind", "stone"]
    if method == "next_token":
        path = folder / "text.txt"
        path.write_text("".join(f"Quoth the {word}: {n}!\n" for n in range(20) for word in words), "utf-8")
        return path
    if method == "classify":
        path = folder / "labels.tsv"
        lines = [
            f"{('ham', 'spam')[n % 2]}\tThe {w} {n} {'now' * (n % 2)}\n" for n, w in enumerate(words * 2)
        ]
        path.write_text("".join(lines), "utf-8")
        return path
    path = folder / "records.jsonl"
    records = []
    for word in words:
        if method == "dpo":
            records.append({"prompt": f"A {word}?", "chosen": f"Yes, {word}.", "rejected": "No."})
        else:
            records.append({"instruction": f"Name a {word}.", "input": "", "output": f"The {word}."})
    path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return path


@pytest.fixture
def tune(base: Callable[[str], Path], tmp_path: Path) -> Callable[..., tuple[RunFolder, str]]:
    """Run a recipe that is made tiny; the run, and what was said."""

    def run(name: str, *more: str, into: str = "run") -> tuple[RunFolder, str]:
        table: dict[str, Any] = read_toml(RECIPES[name])
        source = data(table["method"]["name"], tmp_path)
        template = ["model.template='groundup'"] * (table["method"]["name"] in ("answers", "dpo"))
        changes = [
            f"model.from='{base(name)}'",
            *template,
            f"data.source='{source}'",
            "data.validation=0.25",
            *([f"data.other='{source}'", "data.split='position'"] if "other" in table["data"] else []),
            "train.steps=4",
            "train.examples_per_step=3",
            "train.micro_batch=2",
            "train.sequence_length=64",
            "train.warmup_steps=1",
            "train.learning_rate=0.01",
            "train.precision='float32'",
            "train.checkpoint={every=2, keep=9}",
            "validate.every=2",
        ]
        recipe = read_tuning(RECIPES[name], [*changes, *more])
        view = quiet_view()
        return finetune(recipe, tmp_path / into, view, device="cpu"), said(view)

    return run


def test_every_method_has_a_recipe_and_a_way_to_be_tuned():
    used = {read_toml(path)["method"]["name"] for path in RECIPES.values()}
    assert used == set(METHODS.names()) == set(TUNINGS.names())


@OWN
def test_every_recipe_runs_to_its_end_and_learns(name, tune):
    run, words = tune(name, "train.steps=12")
    assert run.read_facts()["status"] == "finished"
    lines = [line for line in run.lines("metrics") if line["kind"] == "train"]
    assert sum(line["loss"] for line in lines[-3:]) < sum(line["loss"] for line in lines[:3])
    assert {row["step"] for row in run.read_evaluation()} == {0, 12}
    assert "parameters learn (" in words
    assert (run.path / "report.html").is_file()
    facts = run.read_facts()
    assert 0 < facts["parameters_that_learn"] <= facts["parameters"]


@OWN
def test_a_recipe_is_named_as_its_file_and_explains_how_it_is_run(name):
    assert read_tuning(RECIPES[name]).name == name
    assert f"groundup finetune recipes/{name}.toml" in RECIPES[name].read_text(encoding="utf-8")


@OWN
def test_a_stopped_run_of_any_method_goes_on_to_the_same_bytes(name, tune):
    whole, _ = tune(name, into="whole")
    run, _ = tune(name)
    shutil.rmtree(run.checkpoints / "step-000004")
    shutil.rmtree(run.model)
    run.update_facts(status="running")
    again, words = tune(name)
    assert "Going on from step 2" in words
    for file in ("metrics.jsonl", "checkpoints/step-000004/training.safetensors", "evaluation.json"):
        assert (again.path / file).read_bytes() == (whole.path / file).read_bytes()
    files = [file.name for file in whole.model.glob("*.safetensors")]
    assert files
    for file in files:
        assert (again.model / file).read_bytes() == (whole.model / file).read_bytes()


def test_answers_to_held_out_questions_are_kept(tune):
    run, _ = tune("instruct-gpt2-alpaca")
    lines = [json.loads(line) for line in (run.path / RESPONSES).read_text("utf-8").splitlines()]
    assert len(lines) == 2
    assert all(line["reference"].startswith("The ") for line in lines)
    config = json.loads((run.model / "generation_config.json").read_text())
    assert Tokenizer.from_folder(run.model).special_tokens["<|end|>"] in config["eos_token_id"]


BAD_INPUT = [
    ("instruct-gpt2-alpaca", {"data.source": "records.tsv"}, "no file"),
    ("instruct-gpt2-alpaca", {"data.source": "sms_spam"}, "holds labels, but this method learns from"),
    ("instruct-gpt2-alpaca", {"model.template": "alpacca"}, "Did you mean 'alpaca'"),
    ("spam-gpt2", {"sample.prompts": ["a"]}, "writes no texts"),
    ("dpo", {"method.beta": 0}, "beta = 0"),
    ("style-gpt-neo", {"model.from": "nowhere"}, "nowhere"),
]


@pytest.mark.parametrize(("name", "changes", "message"), BAD_INPUT)
def test_what_does_not_fit_is_one_line_before_any_training(name, changes, message, tune, tmp_path):
    words = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
    with pytest.raises(UserError, match=message):
        tune(name, *words)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_classifier_stands_beside_counting_words(tune):
    run, _ = tune("spam-gpt2")
    rows = {(row["task"], row["metric"]) for row in run.read_evaluation() if row["step"]}
    assert {("labels", "accuracy"), ("word baseline", "accuracy")} <= rows
    assert "What was taken for what" in (run.path / "report.html").read_text(encoding="utf-8")
