"""Several ends, and how a model wants to speak: they survive loading and saving, and answers stop at each."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, GenerationConfig

from groundup.errors import UserError
from groundup.generation.engine import generate
from groundup.text.library import read_json
from groundup.weights.folder import Loaded, load, save
from tests.weights.test_real_forms import fresh

ENDS = [9, 40, 77]
SPEAKING = {"bos_token_id": 2, "do_sample": True, "eos_token_id": ENDS, "temperature": 0.6, "top_p": 0.9}


def put(folder: Path, name: str, **more: Any) -> None:
    place = folder / name
    before = read_json(place) if place.exists() else {}
    place.write_text(json.dumps(before | more), "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fresh(tmp_path / "theirs", "llama")
    (tmp_path / "theirs" / "generation_config.json").unlink()
    return tmp_path / "theirs"


def test_several_ends_and_a_foreign_generation_config_come_back_as_they_were(folder, tmp_path):
    put(folder, "generation_config.json", **SPEAKING)
    save(tmp_path / "ours", load(folder))
    assert read_json(tmp_path / "ours" / "generation_config.json") == SPEAKING
    assert AutoConfig.from_pretrained(tmp_path / "ours").eos_token_id == ENDS
    assert GenerationConfig.from_pretrained(tmp_path / "ours").eos_token_id == ENDS
    save(tmp_path / "again", load(tmp_path / "ours"))
    for file in (tmp_path / "ours").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_several_ends_that_only_config_json_lists_come_back_too(folder, tmp_path):
    put(folder, "config.json", eos_token_id=ENDS)
    put(folder, "generation_config.json", temperature=0.6)
    loaded = load(folder)
    assert loaded.ends >= set(ENDS)
    save(tmp_path / "ours", loaded)
    assert AutoConfig.from_pretrained(tmp_path / "ours").eos_token_id == ENDS
    assert GenerationConfig.from_pretrained(tmp_path / "ours").eos_token_id == ENDS
    assert read_json(tmp_path / "ours" / "generation_config.json")["temperature"] == 0.6


@pytest.mark.parametrize("end", ENDS)
def test_an_answer_stops_at_each_of_several_ends(folder: Path, end: int):
    put(folder, "generation_config.json", **SPEAKING)
    loaded: Loaded = load(folder)
    saying(loaded, end)
    (piece,) = generate(loaded, "the", temperature=0, max_tokens=5)
    assert (piece.ids, piece.finished) == ((), "border")
    saying(loaded, 41)
    pieces = list(generate(loaded, "the", temperature=0, max_tokens=5))
    assert pieces[-1].finished == "length"


def saying(loaded: Loaded, id: int) -> None:
    """Whatever the model reads, this is likeliest next: its embedding is longest, and nothing else counts."""
    with torch.no_grad():
        for name, parameter in loaded.model.named_parameters():
            if name.endswith(("attention.output.weight", "mlp.down.weight")):
                parameter.zero_()
        loaded.model.get_parameter("final_norm.weight").fill_(1.0)
        loaded.model.tokens.weight.fill_(1.0)
        loaded.model.tokens.weight[id] = 2.0


@pytest.mark.parametrize(
    "value, more", [(7, {7}), ([], set()), (None, set()), ("</s>", set()), ([7, "x"], {7})]
)
def test_other_forms_of_an_end_are_taken_as_far_as_they_are_ids(folder: Path, value: object, more: set[int]):
    before = load(folder).ends
    put(folder, "generation_config.json", eos_token_id=value)
    assert load(folder).ends == before | more


def test_a_damaged_generation_config_is_one_line(folder: Path):
    (folder / "generation_config.json").write_text("{")
    with pytest.raises(UserError, match="Could not read .*generation_config.json") as caught:
        load(folder)
    assert "\n" not in str(caught.value)
