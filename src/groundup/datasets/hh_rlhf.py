"""HH-RLHF: two answers to what a person asked, and which of them a person found more helpful."""

import dataclasses
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

from groundup.data.dataset import Dataset
from groundup.data.formats import opened, readable
from groundup.data.piece import Piece
from groundup.datasets._examples import converted_piece, converting, preferences, write_lines
from groundup.datasets._remote import HubFiles, hub_pieces, read_sample
from groundup.errors import UserError, did_you_mean

REPOSITORY, COMMIT = "Anthropic/hh-rlhf", "09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa"
FOLDERS = ("helpful-base", "helpful-online", "helpful-rejection-sampled", "harmless-base")
"""By whose answers were compared. The questions of the last one try to bring out harm, and are crude."""

TURN = re.compile(r"\n\n(Human|Assistant):")
Turn = tuple[str, str]  # who speaks, and what

WAX = "\n\nHuman: How do I get wax out of a cloth?\n\nAssistant:"
BEANS = "\n\nHuman: I planted beans.\n\nAssistant: Nice!\n\nHuman: When can I pick them?\n\nAssistant:"
SAMPLE = [
    {"chosen": f"{WAX} Cool it with ice, and scrape it off.", "rejected": f"{WAX} Buy a new cloth."},
    {"chosen": f"{BEANS} In July.\n\nTry one first.", "rejected": f"{BEANS} I do not like beans."},
]


def turns(text: str) -> list[Turn]:
    """A dialogue as its turns. ValueError if it does not begin with one."""
    before, *parts = TURN.split(text)
    if before or not parts:
        raise ValueError("it does not begin with a turn")
    return [(who, said.strip()) for who, said in zip(parts[::2], parts[1::2], strict=True)]


def told(dialogue: list[Turn]) -> str:
    """Turns as one text; a single one without its speaker."""
    if len(dialogue) == 1:
        return dialogue[0][1]
    return "\n\n".join(f"{who}: {said}" for who, said in dialogue)


def pair(chosen: list[Turn], rejected: list[Turn]) -> dict[str, str]:
    """The prompt is what both dialogues share, up to a turn of the human; the answers are the rest."""
    shared = 0
    while shared < min(len(chosen), len(rejected)) and chosen[shared] == rejected[shared]:
        shared += 1
    while shared and chosen[shared - 1][0] != "Human":
        shared -= 1
    return {
        "prompt": told(chosen[:shared]),
        "chosen": told(chosen[shared:]),
        "rejected": told(rejected[shared:]),
    }


def convert(file: Path, place: Path) -> None:
    """Write the pairs of a file as JSON lines with prompt, chosen and rejected. UserError for other lines."""
    write_lines(place, _pairs(file))


def _pairs(file: Path) -> Iterator[dict[str, str]]:
    with readable(file), opened(file) as (stream, _):
        for number, line in enumerate(stream, 1):
            try:
                record = json.loads(line)
                found = pair(turns(record["chosen"]), turns(record["rejected"]))
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"Line {number} of {file} is no pair of dialogues: {error}. Delete it, and fetch it "
                    f"again."
                ) from error
            yield found


def choose(option: str) -> Dataset:
    """One of the folders by name. UserError for another."""
    if option not in FOLDERS:
        hint = did_you_mean(option, FOLDERS)
        raise UserError(f"hh_rlhf has no part {option!r}.{hint} Known: {', '.join(FOLDERS)}.")

    def pieces(split: str, seed: int) -> list[Piece]:
        files = hub_pieces(HubFiles(REPOSITORY, COMMIT, option, f"{split}.jsonl.gz"), preferences)
        return [converted_piece(file, f"{split}.jsonl", convert, preferences) for file in files]

    return dataclasses.replace(DATASET, name=f"hh_rlhf:{option}", pieces=pieces)


def sample_file() -> bytes:
    """Two pairs of our own in the form of a real file."""
    return gzip.compress("".join(json.dumps(record) + "\n" for record in SAMPLE).encode(), mtime=0)


DATASET = Dataset(
    name="hh_rlhf",
    about="Pairs of answers and which one people preferred. Options: helpful-base (the default, 46,189 "
    "pairs), helpful-online, helpful-rejection-sampled, harmless-base (crude).",
    licence="MIT",
    source=f"https://huggingface.co/datasets/{REPOSITORY}, Bai et al. 2022, arXiv:2204.05862",
    pieces=lambda split, seed: choose("helpful-base").pieces(split, seed),
    splits=("train", "test"),
    sample=lambda: read_sample(
        "train.jsonl.gz", sample_file(), converting("train.jsonl", convert, preferences)
    ),
    kind="preferences",
    variant=choose,
)
