"""Checkpoints: whole, checked, and no more of them than asked for."""

import json
from pathlib import Path

import pytest
import torch

from groundup.errors import UserError
from groundup.weights.checkpoints import checkpoints, read_checkpoint, save_checkpoint
from groundup.weights.folder import load


@pytest.fixture
def checkpoint(make_loaded, tmp_path) -> Path:
    tensors = {
        "optimizer.0.exp_avg": torch.arange(6.0).view(2, 3).t(),
        "generator.cpu": torch.get_rng_state(),
    }
    values = {"tokens": 12_345, "note": "día"}
    return save_checkpoint(tmp_path, make_loaded(), step=500, tensors=tensors, values=values, keep=3)


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
    with pytest.raises(UserError, match=f"is damaged \\({name}\\). Delete it to go on from the one before"):
        read_checkpoint(checkpoint)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_found(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(UserError, match="is incomplete .* Delete it to go on from the one before") as caught:
        read_checkpoint(checkpoint)
    assert name in str(caught.value)


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
        save_checkpoint(tmp_path, make_loaded(), step=step, tensors={}, values={}, keep=2)
        return [path.name for path in checkpoints(tmp_path)]

    assert keep(500) == ["step-000500"]
    assert keep(999_999) == ["step-000500", "step-999999"]
    assert keep(1_000_000) == ["step-999999", "step-1000000"]
    assert keep(1_000_500) == ["step-1000000", "step-1000500"]


def test_what_a_killed_process_left_half_written_is_removed_with_the_next_checkpoint(make_loaded, tmp_path):
    (tmp_path / ".step-000004.123.part").mkdir()
    (tmp_path / ".step-000004.123.part" / "model.safetensors").write_bytes(b"half")
    save_checkpoint(tmp_path, make_loaded(), step=5, tensors={}, values={}, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"]


def test_saving_a_step_again_replaces_it(make_loaded, tmp_path):
    for value in (1, 2):
        save_checkpoint(tmp_path, make_loaded(), step=5, tensors={}, values={"tokens": value}, keep=2)
    assert read_checkpoint(tmp_path / "step-000005").values == {"tokens": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"]
