"""Examples of the village as datasets: true, new to who has read the village, and as many as asked for."""

import json
import math
from itertools import islice
from typing import Any

import pytest

from groundup import village
from groundup.datasets import find_dataset
from groundup.errors import UserError
from groundup.village.tasks.instructions import Example, correct, held_out
from groundup.village.tasks.labels import LABELS, posterior
from groundup.village.tasks.questions import requests
from groundup.village.tasks.told import derived

pytestmark = pytest.mark.usefixtures("web")  # for an empty cache: nothing is fetched
NAMES = ("village_labels", "village_instructions", "village_preferences")


def read(name: str, split: str, seed: int = 0) -> list[dict[str, Any]]:
    [file] = find_dataset(name).files(split, seed)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def text_of(record: dict[str, Any]) -> str:
    """The document of the village that a record is about; of a question only what it is asked about."""
    if "chosen" in record:
        return record["prompt"]
    return record.get("text") or record["input"] or record["output"]


@pytest.mark.parametrize("name", NAMES)
def test_there_are_as_many_examples_as_asked_for_and_a_quarter_in_the_other_parts(name):
    dataset = find_dataset(f"{name}:12")
    assert {split: len(read(f"{name}:12", split)) for split in dataset.splits} == {
        split: 12 if split == "train" else 3 for split in dataset.splits
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_part_and_no_seed_shares_a_text_with_another_or_with_the_village_itself(name):
    dataset = find_dataset(f"{name}:12")
    parts = [
        {text_of(one) for one in read(dataset.name, split, seed)}
        for split in dataset.splits
        for seed in (1, 2)
    ]
    corpus = find_dataset("village")
    parts += [set(islice(corpus.documents(split, 1), 40)) for split in corpus.splits]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert all(len(part) >= 3 for part in parts)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes_and_a_longer_file_begins_as_a_shorter(
    name, monkeypatch, tmp_path
):
    [short], [long] = (find_dataset(f"{name}:{count}").files("train", 3) for count in (5, 9))
    assert long.read_bytes().startswith(short.read_bytes())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    [again] = find_dataset(f"{name}:5").files("train", 3)
    assert again != short and again.read_bytes() == short.read_bytes()


@pytest.mark.parametrize("task", ["kind", "wanted"])
def test_labels_that_can_be_read_off_a_text_are_the_right_ones(task):
    records = read(f"village_labels:{task},12", "train")
    assert {one["label"] for one in records} <= set(LABELS[task].names)
    assert len({one["label"] for one in records}) > 1
    for one in records:
        assert posterior(one["text"], task)[one["label"]] == pytest.approx(1)


def test_moods_are_drawn_as_the_texts_say_they_should_be():
    """The oracle is the exact chance of each label. Where both are alike, nothing can be guessed."""
    records = read("village_labels:100", "train")
    chances = [posterior(one["text"], "mood")[one["label"]] for one in records]
    likelier = [chance for chance in chances if abs(chance - 0.5) > 1e-9]
    expected = sum(max(chance, 1 - chance) for chance in likelier)
    deviation = math.sqrt(sum(chance * (1 - chance) for chance in likelier))
    assert abs(sum(chance > 0.5 for chance in likelier) - expected) < 3 * deviation
    assert expected / len(likelier) > 0.7


def test_all_answers_are_right_and_new_compositions_are_only_in_their_part():
    unseen = {split: read("village_instructions:24", split) for split in ("train", "test", "compositions")}
    for split, records in unseen.items():
        for one in records:
            example = Example(one["instruction"], one["input"], one["output"], one["checker"])
            assert correct(example, one["output"])
            assert not correct(example, "Nobody knows.")
            if one["checker"] == "tale":
                told = derived(one["output"])
                assert told and one["instruction"] in requests(told)
                assert held_out("Tell a tale {}.", example) == (split == "compositions")
    instructions = [{one["instruction"] for one in unseen[split]} for split in ("train", "compositions")]
    assert not instructions[0] & instructions[1]


def test_the_odds_of_a_preference_are_those_of_the_two_whole_texts():
    """The oracle is the exact probability of each text."""
    records = read("village_preferences:10", "train")
    for one in records:
        bits = {field: village.bits(one["prompt"] + one[field]) for field in ("chosen", "rejected")}
        assert one["log_odds"] == pytest.approx(bits["rejected"] - bits["chosen"], abs=1e-9)
        assert one["prompt"] and one["chosen"] != one["rejected"]
    assert any(one["log_odds"] < 0 for one in records), "the less likely is chosen, too: with its odds"
    assert sum(one["log_odds"] for one in records) > 0


def test_making_examples_tells_how_many_are_done():
    [piece] = find_dataset("village_labels:7").pieces("train", 0)
    told: list[tuple[int, int]] = []
    assert piece.fetch
    piece.fetch(lambda done, total: told.append((done, total)))
    assert told == [(number, 7) for number in range(1, 8)]
    piece.fetch(lambda done, total: told.append((done, total)))
    assert len(told) == 7, "what is there is not made again"


@pytest.mark.parametrize(
    "source, words",
    [
        ("village_labels:moood", "neither a task nor a number. Tasks: kind, wanted, mood"),
        ("village_labels:mood,0", "names no number of examples"),
        ("village_labels:", "neither a task nor a number"),
        ("village_instructions:many", "Write village_instructions:500"),
        ("village_preferences:-3", "names no number of examples"),
        ("village_preferences:99999999", "names no number of examples"),
    ],
)
def test_an_option_that_is_none_is_one_line(source, words):
    with pytest.raises(UserError, match=words):
        find_dataset(source)
