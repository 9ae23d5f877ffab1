"""Fine-tuning, whole: what learns, what stays, what a run leaves, and that stopping changes nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from groundup.errors import UserError
from groundup.runs.finetune import finetune
from groundup.runs.folder import RunFolder
from groundup.runs.tuning_recipe import TuneRecipe, make_tuning
from groundup.settings import with_changes
from groundup.weights.folder import load
from tests.runs.conftest import quiet_view, said, tiny_recipe

Tune = Callable[..., RunFolder]
LORA = "learn.lora={rank=2, alpha=4, dropout=0.2}"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of somebody with a style."""
    path = tmp_path_factory.mktemp("text") / "style.txt"
    path.write_text("".join(f"Quoth the miller: sack {n}, by my beard!\n" for n in range(90)), "utf-8")
    return path


@pytest.fixture
def recipe(finished_run: RunFolder, text: Path) -> Callable[..., TuneRecipe]:
    """A small recipe of style, with changes."""
    table: dict[str, Any] = {
        "name": "style",
        "model": {"from": str(finished_run.path)},
        "method": {"name": "next_token"},
        "data": {"source": str(text), "other": str(text), "validation": 0.2},
        "train": {
            "steps": 6,
            "examples_per_step": 4,
            "micro_batch": 3,
            "sequence_length": 32,
            "learning_rate": 1e-3,
            "precision": "float32",
            "checkpoint": {"every": 2, "keep": 9},
        },
        "validate": {"every": 3, "examples": 10},
        "sample": {"prompts": ["Quoth"], "max_tokens": 8, "every": 3},
    }
    return lambda *changes: make_tuning(with_changes(table, changes))


@pytest.fixture
def tune(recipe: Callable[..., TuneRecipe], tmp_path: Path) -> Tune:
    """Run it in a folder of this test."""

    def run(*changes: str, name: str = "style", view: Any = None, restart: bool = False) -> RunFolder:
        return finetune(
            recipe(*changes), tmp_path / name, view or quiet_view(), device="cpu", restart=restart
        )

    return run


def parameters(where: Path) -> dict[str, torch.Tensor]:
    return dict(load(where).model.named_parameters())


def changed(before: Path, after: Path) -> set[str]:
    """The names of the parameters that are not what they were."""
    old, new = parameters(before), parameters(after)
    return {name for name in old if not torch.equal(old[name], new[name])}


def test_a_style_is_learned_and_scored_before_and_after(tune: Tune, finished_run: RunFolder):
    run = tune("train.steps=40")
    rows = [row for row in run.read_evaluation() if row["metric"] == "bits_per_byte"]
    assert [(row["task"], row["step"]) for row in rows] == [
        ("perplexity", 0),
        ("other text", 0),
        ("perplexity", 40),
        ("other text", 40),
    ]
    assert rows[2]["value"] < rows[0]["value"] - 0.1
    moved = [row for row in run.read_evaluation() if row["task"] == "distance on other text"]
    assert len(moved) == 2
    assert all(row["value"] > 0 for row in moved)
    lines = [line for line in run.lines("metrics") if line["kind"] == "validation"]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert (run.path / "report.html").is_file()
    assert run.read_facts()["status"] == "finished"


def test_only_what_is_chosen_learns(tune: Tune, finished_run: RunFolder):
    run = tune('learn.what=["final_norm", "positions"]', "train.weight_decay=0.5")
    assert changed(finished_run.path, run.model) == {
        "positions.weight",
        "final_norm.weight",
        "final_norm.bias",
    }
    assert run.read_facts()["parameters_that_learn"] == sum(
        p.numel() for n, p in parameters(run.model).items() if n.startswith(("positions", "final_norm"))
    )


def test_the_table_of_what_learns_stands_before_the_start(tune: Tune):
    view = quiet_view()
    tune(LORA, view=view)
    words = said(view)
    assert words.index("parameters learn (") < words.index("step 3")
    assert "LoRA" in words


def test_lora_leaves_the_base_alone_and_peft_opens_what_it_learned(tune: Tune, finished_run: RunFolder):
    run = tune(LORA)
    base = AutoModelForCausalLM.from_pretrained(finished_run.model)
    theirs = PeftModel.from_pretrained(base, run.model).eval()
    ids = torch.arange(20)[None] + 60
    with torch.no_grad():
        tuned, plain = load(run.path).model(ids), load(finished_run.path).model(ids)
        assert (theirs(ids).logits - tuned).abs().max() < 1e-5
        assert (plain - tuned).abs().max() > 1e-3


@pytest.mark.parametrize("what", [LORA, 'learn.what="last 1 block"', 'learn.what="all"'])
def test_a_stopped_run_goes_on_to_the_same_bytes(what: str, tune: Tune):
    whole, run = tune(what, name="whole"), tune(what)
    for step in (4, 6):  # as if the process had died after step 3
        shutil.rmtree(run.checkpoints / f"step-{step:06d}")
    shutil.rmtree(run.model)
    run.update_facts(status="running")
    again = tune(what)
    for name in ("metrics.jsonl", "samples.jsonl", "checkpoints/step-000006/training.safetensors"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()
    files = [file.name for file in whole.model.iterdir() if file.suffix == ".safetensors"]
    assert files
    for name in files:
        assert (again.model / name).read_bytes() == (whole.model / name).read_bytes()


def test_micro_batches_change_nothing_but_the_order_of_sums(tune: Tune, finished_run: RunFolder, tmp_path):
    base = shutil.copytree(finished_run.model, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    config |= dict.fromkeys([name for name in config if name.endswith("_pdrop")], 0.0)
    (base / "config.json").write_text(json.dumps(config))
    losses = []
    for rows in (1, 3, 4):
        run = tune(f"train.micro_batch={rows}", f"model.from={base}", name=f"{rows}")
        losses.append([line["loss"] for line in run.lines("metrics")])
    for others in losses[1:]:
        assert others == pytest.approx(losses[0], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("method.name=stile", "no method of fine-tuning 'stile'"),
        ("method.betta=1", "Unknown key 'betta' in"),
        ("model.d_model=8", "A model that is tuned has its shape already"),
        ('learn.what="blocks.7"', "blocks.7"),
        ('learn.lora={rank=2, targets=["quary"]}', "quary"),
        ("train.epochs=0", "train.epochs = 0"),
        ("train.examples_per_step=0", "examples_per_step = 0 is too small"),
        ("train.sequence_length=5000", "longer than"),
        ("data.validation=1", "no share"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(change, message, tune: Tune, tmp_path: Path):
    with pytest.raises(UserError, match=message):
        tune(change)
    assert not (tmp_path / "style" / "run.json").exists()


def test_a_recipe_without_a_model_says_what_lacks():
    with pytest.raises(UserError, match='Add from = "FOLDER"'):
        make_tuning({"name": "x", "model": {}, "method": {"name": "next_token"}, "data": {"source": "x"}})


def test_a_folder_of_pretraining_is_not_taken_for_one_of_tuning(tune: Tune, recipe, finished_run, tmp_path):
    run = tune("train.steps=1")
    (run.path / "recipe.toml").write_text(tiny_recipe().to_toml(), encoding="utf-8")
    with pytest.raises(UserError, match="another verb"):
        tune("train.steps=1")
