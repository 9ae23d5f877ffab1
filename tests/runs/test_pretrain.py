"""Pre-training, whole: what a run leaves behind, and that stopping and going on changes nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from groundup.errors import UserError
from groundup.generation.engine import generate
from groundup.runs import observers
from groundup.runs.data import show_step
from groundup.runs.folder import RunFolder
from groundup.runs.pretrain import pretrain
from groundup.runs.recipe import make_recipe
from groundup.settings import to_toml, with_changes
from groundup.system.files import cache_folder
from groundup.weights.folder import load
from tests.runs.conftest import TINY, quiet_view, said, tiny_recipe

RUN = Callable[..., RunFolder]


def test_a_run_leaves_every_promised_file(finished_run: RunFolder) -> None:
    wanted = (
        "recipe.toml run.json metrics.jsonl timing.jsonl samples.jsonl evaluation.json loss.png report.html"
    )
    assert [name for name in wanted.split() if not (finished_run.path / name).is_file()] == []
    assert finished_run.read_facts()["status"] == "finished"
    kept = [path.name for path in sorted(finished_run.checkpoints.iterdir())]
    assert kept == ["best.json", "step-000008", "step-000010"]


def test_a_run_writes_one_line_of_figures_for_each_step(finished_run: RunFolder) -> None:
    lines = finished_run.lines("metrics")
    train = [line for line in lines if line["kind"] == "train"]
    assert [line["step"] for line in train] == list(range(1, 11))
    assert [line["tokens"] for line in train] == [512 * step for step in range(1, 11)]
    assert [line["step"] for line in lines if line["kind"] == "validation"] == [0, 5, 10]
    assert train[-1]["loss"] < train[0]["loss"]


def test_validation_gives_the_excess_over_the_floor_on_the_same_texts(finished_run: RunFolder) -> None:
    last = [line for line in finished_run.lines("metrics") if line["kind"] == "validation"][-1]
    assert last["floor_bits_per_byte"] == finished_run.read_facts()["floor_bits_per_byte"]
    excess = 100 * (last["bits_per_byte"] / last["floor_bits_per_byte"] - 1)
    assert last["excess_percent"] == pytest.approx(excess, rel=1e-9)
    low, high = last["interval"]
    assert low < last["bits_per_byte"] < high


def test_samples_are_kept_at_the_start_after_a_tenth_and_at_the_end(finished_run: RunFolder) -> None:
    samples = finished_run.lines("samples")
    assert [(line["step"], line["prompt"]) for line in samples] == [
        (step, prompt) for step in (0, 1, 5, 10) for prompt in ("", "Ana")
    ]


def test_several_samples_of_several_prompts_are_those_that_each_gives_alone(run_tiny: RUN) -> None:
    changes = "train.steps=2", "sample.prompts=['', 'Ana']", "sample.count=3", "sample.min_p=0.01"
    run = run_tiny(*changes)
    last = [line for line in run.lines("samples") if line["step"] == 2]
    assert [(line["prompt"], line["seed"]) for line in last] == [
        (p, s) for p in ("", "Ana") for s in (1, 2, 3)
    ]
    assert len({line["text"] for line in last}) == 6
    for line in last:
        how = {name: line[name] for name in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")}
        pieces = generate(load(run.model), line["prompt"], seed=line["seed"], max_tokens=20, **how)
        assert "".join(piece.text for piece in pieces) == line["text"]


def test_transformers_opens_the_model_and_every_checkpoint_with_the_same_logits(
    finished_run: RunFolder,
) -> None:
    transformers = pytest.importorskip("transformers")
    ids = torch.randint(5, 261, (2, 30), generator=torch.Generator().manual_seed(0))
    for folder in (finished_run.model, finished_run.checkpoints / "step-000008"):
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
        with torch.no_grad():
            difference = (theirs(ids).logits - load(folder).model(ids)).abs().max()
        assert difference < 1e-5


def test_a_stopped_run_goes_on_to_the_same_bytes(
    finished_run: RunFolder, run_tiny: RUN, tmp_path: Path
) -> None:
    run = run_tiny()
    for name in ("run.json", "metrics.jsonl", "samples.jsonl"):
        assert (run.path / name).is_file()
    # Forget all after step 8, as if the process had died there.
    shutil.rmtree(run.checkpoints / "step-000010")
    shutil.rmtree(run.model)
    run.update_facts(status="running")
    again = run_tiny()
    for name in ("metrics.jsonl", "samples.jsonl"):
        assert (again.path / name).read_bytes() == (finished_run.path / name).read_bytes()
    for name in ("model.safetensors", "training.safetensors"):
        newest = "checkpoints/step-000010"
        assert (again.path / newest / name).read_bytes() == (finished_run.path / newest / name).read_bytes()


def test_a_finished_run_is_not_touched_without_being_asked(run_tiny: RUN) -> None:
    run = run_tiny("train.steps=2")
    before = (run.path / "metrics.jsonl").read_bytes()
    with pytest.raises(UserError, match="finished.*--restart"):
        run_tiny("train.steps=2")
    assert (run.path / "metrics.jsonl").read_bytes() == before
    (run.path / "left.txt").write_text("from the earlier run")
    assert run_tiny("train.steps=2", restart=True).read_facts()["status"] == "finished"
    assert not (run.path / "left.txt").exists()


@pytest.mark.parametrize("restart", [False, True])
def test_a_folder_with_files_that_are_no_run_is_left_alone(
    restart: bool, run_tiny: RUN, tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/thesis.txt").write_text("my own")
    with pytest.raises(UserError, match=r"holds thesis\.txt, but no run"):
        run_tiny("train.steps=2", restart=restart)
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["thesis.txt"]


def test_another_recipe_in_the_same_folder_is_refused_by_the_key_that_differs(run_tiny: RUN) -> None:
    run_tiny("train.steps=2")
    with pytest.raises(UserError, match=r"train\.learning_rate"):
        run_tiny("train.steps=2", "train.learning_rate=0.1")


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "tiny")
    with folder.alone(), pytest.raises(UserError, match="Another run is writing"):
        pretrain(tiny_recipe(), folder.path, quiet_view(), device="cpu")


def test_changed_data_are_noticed(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text("A small tale of a lamp and a well.\n" * 400, encoding="utf-8")
    changes = (f"data.source='{book}'", "data.max_tokens=0", "data.validation_tokens=0", "train.steps=4")
    run = pretrain(tiny_recipe(*changes), tmp_path / "run", quiet_view(), device="cpu")
    run.update_facts(status="running")
    book.write_text("A small tale of a lamp and a bell.\n" * 400, encoding="utf-8")
    prepared = sorted((cache_folder() / "prepared").iterdir())
    with pytest.raises(UserError, match="changed since"):
        pretrain(tiny_recipe(*changes), tmp_path / "run", quiet_view(), device="cpu")
    with pytest.raises(UserError, match="changed since"):
        show_step(run.path, 1, 1, quiet_view())
    assert sorted((cache_folder() / "prepared").iterdir()) == prepared  # noticed before hours of work


def test_a_run_that_goes_on_elsewhere_says_what_is_not_as_it_was(run_tiny: RUN, tmp_path: Path) -> None:
    run, view = run_tiny("train.steps=2"), quiet_view()
    run.update_facts(status="running", torch="1.0")
    pretrain(tiny_recipe("train.steps=2"), run.path, view, device="cpu")
    assert f"torch 1.0 → {torch.__version__}. It goes on, but not to the same bytes" in said(view)
    run.facts.unlink()  # lost: then nothing is known of what was, and the checkpoint still counts
    view = quiet_view()
    pretrain(tiny_recipe("train.steps=2"), run.path, view, device="cpu")
    assert "Going on from step 2 of 2" in said(view)
    assert "Not as when" not in said(view)


def test_tasks_run_at_the_start_and_at_the_end_as_asked(run_tiny: RUN) -> None:
    run = run_tiny("train.steps=2", "evaluate.when=['start', 'end']")
    rows = run.read_evaluation()
    assert {row["step"] for row in rows} == {0, 2}
    bits = [row["value"] for row in rows if row["metric"] == "bits_per_byte"]
    assert bits[1] < bits[0]
    assert "before training" in (run.path / "report.html").read_text()


@pytest.mark.parametrize("inside", ["", "model"])
def test_a_run_can_start_from_a_run_or_a_model(inside: str, finished_run: RunFolder, tmp_path: Path) -> None:
    table, view = {**TINY, "model": {"from": str(finished_run.path / inside)}}, quiet_view()
    run = pretrain(make_recipe(table), tmp_path / "more", view, device="cpu")
    first = next(line for line in run.lines("metrics") if line["kind"] == "validation")
    last = [line for line in finished_run.lines("metrics") if line["kind"] == "validation"][-1]
    assert first["loss"] == pytest.approx(last["loss"], abs=1e-6)
    assert "Warning" not in said(view)  # it may well know something at the start
    assert f"trained from {(finished_run.path / inside).name} with" in load(run.model).card


def test_a_model_to_start_from_is_not_read_beyond_its_context(
    finished_run: RunFolder, tmp_path: Path
) -> None:
    table = with_changes(TINY, ["train.sequence_length=128"])
    table["model"] = {"from": str(finished_run.path)}
    with pytest.raises(UserError, match=r"longer than model\.context_length = 64"):
        pretrain(make_recipe(table), tmp_path / "more", quiet_view(), device="cpu")
    assert not (tmp_path / "more").exists()


def test_a_recipe_without_prompts_draws_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "LIVE_SECONDS", 0.0)
    recipe, view = tiny_recipe("sample.prompts=[]", "train.steps=2"), quiet_view()
    run = pretrain(recipe, tmp_path / "run", view, device="cpu")
    assert run.lines("samples") == []
    assert "sample after" not in said(view)


def test_the_view_tells_steps_validation_and_samples(run_tiny: RUN, tmp_path: Path) -> None:
    view = quiet_view()
    pretrain(tiny_recipe("train.steps=3"), tmp_path / "told", view, device="cpu")
    text = said(view)
    assert "step 3 of 3" in text
    assert "above the best possible" in text
    assert "sample after step 3" in text


def test_sigint_ends_a_run_with_a_checkpoint_and_the_next_command_finishes_it(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    table = {**TINY, "train": {**TINY["train"], "steps": 400, "checkpoint": {"every": 0, "keep": 1}}}
    recipe.write_text(to_toml(table), encoding="utf-8")
    words = [sys.executable, "-m", "groundup", "pretrain", str(recipe), "--runs", str(tmp_path / "runs")]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    metrics, deadline = tmp_path / "runs/tiny/metrics.jsonl", time.monotonic() + 120
    while not (metrics.is_file() and metrics.read_text().count('"train"') > 3):
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    told, _ = running.communicate(timeout=60)
    assert "everything is saved" in told
    assert running.returncode == 130
    run = RunFolder(tmp_path / "runs/tiny")
    assert run.read_facts()["status"] == "interrupted"
    step = json.loads(next(run.checkpoints.glob("step-*/state.json")).read_text())["step"]
    assert 3 < step < 400
    assert run.lines("metrics")[-1]["step"] == step
    assert "was stopped at step" in (run.path / "report.html").read_text(encoding="utf-8")
