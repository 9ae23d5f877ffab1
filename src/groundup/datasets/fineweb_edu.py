"""FineWeb-Edu: pages of the web that a classifier found instructive; take as many files of it as you need."""

import dataclasses

from groundup.data.dataset import Dataset
from groundup.data.formats import records
from groundup.data.piece import Piece
from groundup.datasets._remote import HubFiles, hub_pieces, parquet_file, read_sample
from groundup.errors import UserError, did_you_mean

REPOSITORY, COMMIT = "HuggingFaceFW/fineweb-edu", "87f09149ef4734204d70ed1d046ddc9ca3f2b8f9"
FOLDERS = {
    "sample-10BT": "sample/10BT",
    "sample-100BT": "sample/100BT",
    "sample-350BT": "sample/350BT",
}
"""Random samples by their size in tokens of GPT-2. The smallest is 14 files, 28.5 GB."""

SAMPLE = [
    "Why does ice float? Water is densest at about four degrees. As it freezes, its molecules take up a "
    "wider order, so a litre of ice weighs less than a litre of water.\n\nTry it at home: mark the level.",
    "Lesson 3: Reading a map\nNorth is at the top unless the map says otherwise. Measure with a strip of "
    "paper, then lay it along the scale.",
]


def choose(option: str) -> Dataset:
    """One of the samples by name. UserError for another."""
    if option not in FOLDERS:
        hint = did_you_mean(option, FOLDERS)
        raise UserError(f"fineweb_edu has no sample {option!r}.{hint} Known: {', '.join(FOLDERS)}.")

    def pieces(split: str, seed: int) -> list[Piece]:
        return hub_pieces(HubFiles(REPOSITORY, COMMIT, FOLDERS[option], "*.parquet"), records)

    return dataclasses.replace(DATASET, name=f"fineweb_edu:{option}", pieces=pieces)


def sample_file() -> bytes:
    """Two pages of our own in the form of a real file."""
    return parquet_file(SAMPLE)


DATASET = Dataset(
    name="fineweb_edu",
    about="Instructive pages of the web. Options: sample-10BT (the default), sample-100BT, sample-350BT.",
    licence="ODC-By 1.0, and the terms of use of Common Crawl",
    source=f"https://huggingface.co/datasets/{REPOSITORY}, Penedo et al. 2024, arXiv:2406.17557",
    pieces=lambda split, seed: choose("sample-10BT").pieces(split, seed),
    splits=("train",),
    sample=lambda: read_sample("rows.parquet", sample_file(), records),
    prompts=("", "Water boils at"),
    variant=choose,
)
