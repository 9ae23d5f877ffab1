"""Checkpoints: whole, checked, and no more of them than asked for."""

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

import groundup.weights.folder as folder_module
from groundup.errors import UserError
from groundup.weights.checkpoints import (
    DamagedCheckpoint,
    best_checkpoint,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from groundup.weights.folder import Loaded, checkpoints, load, write_model


def writer(loaded: Loaded) -> Callable[[Path], None]:
    """Writes this model into a checkpoint."""
    return partial(write_model, loaded=loaded)


@pytest.fixture
def checkpoint(make_loaded, tmp_path) -> Path:
    tensors = {
        "optimizer.0.exp_avg": torch.arange(6.0).view(2, 3).t(),
        "generator.cpu": torch.get_rng_state(),
    }
    values = {"tokens": 12_345, "note": "día"}
    return save_checkpoint(tmp_path, writer(make_loaded()), step=500, tensors=tensors, values=values, keep=3)


def test_what_is_saved_comes_back_beside_a_model_that_can_be_loaded(checkpoint):
    found = read_checkpoint(checkpoint)
    assert (found.folder, found.step, found.values) == (checkpoint, 500, {"tokens": 12_345, "note": "día"})
    assert found.tensors.keys() == {"optimizer.0.exp_avg", "generator.cpu"}
    assert torch.equal(found.tensors["optimizer.0.exp_avg"], torch.arange(6.0).view(2, 3).t())
    assert found.tensors["generator.cpu"].dtype == torch.uint8
    assert load(checkpoint).config.vocab_size == 264


FILES = ["config.json", "model.safetensors", "tokenizer.json", "training.safetensors", "state.json"]


@pytest.mark.parametrize("name", FILES)
def test_one_wrong_bit_in_any_file_is_found(checkpoint, name):
    data = bytearray((checkpoint / name).read_bytes())
    data[len(data) // 2] ^= 1
    (checkpoint / name).write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match=f"step-000500 is damaged \\({name}\\)"):
        read_checkpoint(checkpoint)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_found(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(DamagedCheckpoint, match=f"step-000500 is incomplete \\(no {name}\\)"):
        read_checkpoint(checkpoint)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "3", '{"state.json": "00"}'])
def test_a_damaged_manifest_is_found(checkpoint, text):
    (checkpoint / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="is incomplete") as caught:
        read_checkpoint(checkpoint)
    assert "\n" not in str(caught.value)


def test_the_manifest_names_every_file(checkpoint):
    named = json.loads((checkpoint / "manifest.json").read_text()).keys()
    assert named == {path.name for path in checkpoint.iterdir()} - {"manifest.json"}


def test_only_the_newest_are_kept_in_the_order_of_steps(make_loaded, tmp_path):
    def keep(step: int) -> list[str]:
        save_checkpoint(tmp_path, writer(make_loaded()), step=step, tensors={}, values={}, keep=2)
        return [path.name for path in checkpoints(tmp_path)]

    assert keep(500) == ["step-000500"]
    assert keep(999_999) == ["step-000500", "step-999999"]
    assert keep(1_000_000) == ["step-999999", "step-1000000"]
    assert keep(1_000_500) == ["step-1000000", "step-1000500"]


def test_what_a_killed_process_left_half_deleted_is_removed_with_the_next_checkpoint(make_loaded, tmp_path):
    (tmp_path / ".step-000004.old").mkdir()
    (tmp_path / ".step-000004.old" / "model.safetensors").write_bytes(b"half")
    save_checkpoint(tmp_path, writer(make_loaded()), step=5, tensors={}, values={}, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"]


def test_all_files_may_be_read_by_the_same_people(checkpoint):
    assert len({path.stat().st_mode for path in checkpoint.iterdir()}) == 1
    assert (checkpoint / "training.safetensors").stat().st_mode & 0o777 == 0o666 & ~usual_mask()


def usual_mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_model_can_be_loaded_at_any_moment_of_a_run_that_rotates_its_checkpoints(
    make_loaded, tmp_path, monkeypatch
):
    # One checkpoint is kept, so that every new one deletes the one that may just be read. Here that is about
    # every eighth try: often enough to lose three in a row by chance, so more tries are given.
    monkeypatch.setattr(folder_module, "TRIES", 50)
    loaded, stop = make_loaded(card="words"), threading.Event()
    folder = tmp_path / "checkpoints"
    save_checkpoint(folder, writer(loaded), step=1, tensors={}, values={}, keep=1)

    def rotate() -> None:
        step = 1
        while not stop.is_set():
            step += 1
            save_checkpoint(folder, writer(loaded), step=step, tensors={}, values={}, keep=1)
            time.sleep(0.01)  # a run trains between two checkpoints

    with ThreadPoolExecutor(1) as pool:
        rotation = pool.submit(rotate)
        try:
            for _ in range(25):
                assert load(tmp_path).card == "words"
        finally:
            stop.set()
        rotation.result()
    assert len(list(folder.iterdir())) == 1


def test_what_a_killed_process_left_half_written_is_removed_with_the_next_checkpoint(make_loaded, tmp_path):
    (tmp_path / ".step-000004.123.part").mkdir()
    (tmp_path / ".step-000004.123.part" / "model.safetensors").write_bytes(b"half")
    save_checkpoint(tmp_path, writer(make_loaded()), step=5, tensors={}, values={}, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"]


def test_saving_a_step_again_replaces_it(make_loaded, tmp_path):
    for value in (1, 2):
        save_checkpoint(tmp_path, writer(make_loaded()), step=5, tensors={}, values={"tokens": value}, keep=2)
    assert read_checkpoint(tmp_path / "step-000005").values == {"tokens": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"]


LOSSES = {1: 3.0, 2: 2.0, 3: float("nan"), 4: 2.5, 6: 2.0}


def save_steps(make_loaded, folder: Path, steps, keep: int) -> list[str]:
    """Save these steps one after the other; gives the names of the checkpoints that are there then."""
    for step in steps:
        tensors = {"generator.cpu": torch.tensor([step])}
        save_checkpoint(
            folder, writer(make_loaded()), step=step, tensors=tensors, values={}, keep=keep, losses=LOSSES
        )
    return [path.name for path in checkpoints(folder)]


def test_the_best_by_validation_loss_is_kept_besides_the_newest_and_named(make_loaded, tmp_path):
    assert save_steps(make_loaded, tmp_path, [1, 2, 3], 1) == ["step-000002", "step-000003"]
    named = {"step": 2, "folder": "step-000002", "validation_loss": 2.0}
    assert json.loads((tmp_path / "best.json").read_text()) == named
    # A later one that is as good, one that is no number, one without a validation: none of them is better.
    assert save_steps(make_loaded, tmp_path, [4, 5, 6], 1) == ["step-000002", "step-000006"]
    assert best_checkpoint(tmp_path) == tmp_path / "step-000002"


def test_where_nothing_was_validated_none_is_called_the_best(make_loaded, tmp_path):
    assert save_steps(make_loaded, tmp_path, [3, 5], 1) == ["step-000005"]
    assert best_checkpoint(tmp_path) is None
    assert not (tmp_path / "best.json").exists()


def damage(folder: Path) -> None:
    """Cut a file of a checkpoint off, as a disk does that fails."""
    os.truncate(folder / "training.safetensors", 20)


def test_a_damaged_newest_checkpoint_is_set_aside_for_the_one_before(make_loaded, tmp_path):
    save_steps(make_loaded, tmp_path, [7, 8, 9], 3)
    damage(tmp_path / "step-000009")
    (tmp_path / "step-000008" / "manifest.json").unlink()
    found, wrong = newest_checkpoint(tmp_path)
    assert found is not None and (found.step, found.tensors["generator.cpu"]) == (7, torch.tensor([7]))
    assert wrong == [
        "step-000009 is damaged (training.safetensors).",
        "step-000008 is incomplete (no manifest.json).",
    ]
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000007"]
    # What is set aside does not crowd out good ones, and goes when its step has been made again.
    assert save_steps(make_loaded, tmp_path, [8], 1) == ["step-000008"]
    assert [path.name for path in tmp_path.glob("damaged-*")] == ["damaged-step-000009"]
    assert save_steps(make_loaded, tmp_path, [9], 1) == ["step-000009"]
    assert not list(tmp_path.glob("damaged-*"))


def test_if_all_checkpoints_are_damaged_one_line_says_so_and_all_stay(make_loaded, tmp_path):
    save_steps(make_loaded, tmp_path, [4, 5], 3)
    for path in checkpoints(tmp_path):
        damage(path)
    with pytest.raises(
        UserError, match=r"All 2 checkpoints in .* step-000005 is damaged .*--restart"
    ) as caught:
        newest_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000004", "step-000005"]


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for a right to make links.")
def test_a_checkpoint_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(checkpoint):
    (checkpoint / "manifest.json").unlink()
    (checkpoint / "manifest.json").symlink_to("manifest.json")  # a loop, which the system refuses to follow
    with pytest.raises(UserError, match="cannot be read") as caught:
        newest_checkpoint(checkpoint.parent)
    assert not isinstance(caught.value, DamagedCheckpoint)


def test_a_copy_that_somebody_made_of_a_checkpoint_is_never_deleted(make_loaded, tmp_path):
    save_steps(make_loaded, tmp_path, [1], 1)
    (tmp_path / "step-000001").rename(tmp_path / "step-000001-mine")
    assert save_steps(make_loaded, tmp_path, [7, 8], 1) == ["step-000008"]
    assert (tmp_path / "step-000001-mine").is_dir()
