"""Examples that are made from the village: as many as asked for, from a seed, on no network."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from groundup.data.dataset import Dataset, Kind
from groundup.data.piece import Piece, Progress
from groundup.datasets._examples import made_piece, write_lines
from groundup.datasets._remote import Reader, read_sample
from groundup.errors import UserError

FIRST = {"train": 2**36, "validation": 2**37, "test": 2**38}
"""Document numbers of the parts. None of them is reached by `village`: what a model was pre-trained on and
what it is examined with are never the same document, although the seed is."""

Examples = Callable[[str, int], Iterator[dict[str, Any]]]
"""The endless examples of (split, seed), as records of a file."""


def village_dataset(
    name: str, about: str, kind: Kind, read: Reader, examples: Examples, count: int, splits: tuple[str, ...]
) -> Dataset:
    """`count` examples to learn from, and a quarter as many in each other part."""

    def pieces(split: str, seed: int) -> list[Piece]:
        wanted = count if split == "train" else max(1, count // 4)

        def make(place: Path, progress: Progress | None) -> None:
            write_lines(place, _counted(islice(examples(split, seed), wanted), wanted, progress))

        def identity() -> str:
            # A change of the village changes its examples: the first one stands for all.
            return f"{name} {seed} {wanted} {json.dumps(next(examples(split, seed)))}"

        return [made_piece(f"{name} ({split})", f"{split}.jsonl", identity, make, read)]

    def sample_file() -> bytes:
        return "".join(json.dumps(record) + "\n" for record in islice(examples("train", 0), 4)).encode()

    return Dataset(
        name=name,
        about=about,
        licence="Apache-2.0 (it is part of groundup)",
        source="groundup.village, made on your machine from a seed",
        pieces=pieces,
        splits=splits,
        sample=lambda: read_sample("train.jsonl", sample_file(), read),
        kind=kind,
    )


def counted_variant(dataset: Dataset, make: Callable[[str, int], Dataset]) -> Dataset:
    """The dataset with the option NAME:COUNT, made by make("NAME:COUNT", count). UserError for no number."""

    def choose(option: str) -> Dataset:
        return make(f"{dataset.name}:{option}", count_of(dataset.name, option))

    return dataclasses.replace(dataset, variant=choose)


def count_of(name: str, option: str) -> int:
    """A number of examples out of an option. UserError if it is none."""
    if not re.fullmatch(r"[1-9][0-9]{0,6}", option):
        raise UserError(
            f"{name}:{option} names no number of examples to learn from. Write {name}:500, for instance."
        )
    return int(option)


def _counted(
    records: Iterator[dict[str, Any]], total: int, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(records, 1):
        yield record
        if progress:
            progress(number, total)
