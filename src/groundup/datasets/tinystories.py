"""TinyStories: two million stories in a small child's words, from which even tiny models learn to tell."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from groundup.data.dataset import Dataset
from groundup.data.formats import opened
from groundup.data.piece import Piece, Record
from groundup.datasets._remote import HubFiles, hub_pieces, read_sample
from groundup.errors import UserError

REPOSITORY, COMMIT = "roneneldan/TinyStories", "f54c09fd23315a6f9c86f9dc80f725de7d8f9c64"
FILES = {
    "v1": {"train": "TinyStories-train.txt", "validation": "TinyStories-valid.txt"},
    "v2": {"train": "TinyStoriesV2-GPT4-train.txt", "validation": "TinyStoriesV2-GPT4-valid.txt"},
}
BORDER = b"<|endoftext|>"
CHUNK = 1 << 20  # bytes read at once

SAMPLE = """\

One day, Tom saw a big snail on the wall. "Hello, snail," said Tom. "Why are you so slow?"

The snail said, "I carry my house." Tom gave the snail a leaf, and they sat in the sun.
<|endoftext|>

Mia had a red boat. The boat did not float. Dad put a cork under it, and now it did. Mia was so happy!
<|endoftext|>
"""


def stories(file: Path, start: int) -> Iterator[Record]:
    """The texts between the borders, without white space around them; skipping only counts borders."""
    number, rest = 0, b""
    with opened(file) as (stream, share):
        while True:
            data = stream.read(CHUNK)
            *whole, rest = (rest + data).split(BORDER)
            if not data and rest.strip():  # no border after the last story
                whole.append(rest)
            for story in whole:
                number += 1
                if number > start:
                    yield _story(story, number, share() if data else 1.0)
            if not data:
                return


def _story(data: bytes, number: int, share: float) -> Record:
    try:
        return Record(data.decode("utf-8").strip(), share=share)
    except UnicodeDecodeError as error:
        return Record(None, f"story {number}: it is not UTF-8 at its byte {error.start}", share)


def choose(option: str) -> Dataset:
    """One of the two versions. UserError for another option."""
    if option not in FILES:
        raise UserError(f"tinystories has no version {option!r}. Known: {', '.join(FILES)}.")

    def pieces(split: str, seed: int) -> list[Piece]:
        return hub_pieces(HubFiles(REPOSITORY, COMMIT, "", FILES[option][split]), stories)

    return dataclasses.replace(DATASET, name=f"tinystories:{option}", pieces=pieces)


def sample_file() -> bytes:
    """Two stories of our own in the form of the real file."""
    return SAMPLE.encode()


DATASET = Dataset(
    name="tinystories",
    about="Stories in a small child's words, 1.9 GB. Option v2: only those that GPT-4 wrote.",
    licence="CDLA-Sharing 1.0",
    source=f"https://huggingface.co/datasets/{REPOSITORY}, Eldan and Li 2023, arXiv:2305.07759",
    pieces=lambda split, seed: choose("v1").pieces(split, seed),
    splits=("train", "validation"),
    sample=lambda: read_sample("stories.txt", sample_file(), stories),
    prompts=("Once upon a time", "One day, a little girl named"),
    variant=choose,
)
