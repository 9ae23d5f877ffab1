"""The village: an endless corpus of short tales, letters and notices whose exact probability is known."""

import itertools
from collections.abc import Iterator

from groundup import village
from groundup.data.dataset import Dataset
from groundup.data.piece import Piece, Record

SPLITS = ("train", "validation")
# Document numbers of the two parts: no training run reaches the second one's first document.
FIRST_INDEX = {"train": 0, "validation": 2**40}


def pieces(split: str, seed: int) -> list[Piece]:
    """One endless piece. The splits take different documents of one seed's corpus."""
    first = FIRST_INDEX[split]

    def records(start: int) -> Iterator[Record]:
        return (Record(village.sample(seed, index)) for index in itertools.count(first + start))

    # A change of the village changes its documents: the first ones stand for all.
    return [
        Piece("village", records, identity=lambda: repr([next(records(0)).text, village.sample(seed, 19)]))
    ]


def check(text: str, complete: bool) -> dict[str, object] | None:
    """The first impossible place of a text, as the report underlines it."""
    mistake = village.check(text, complete, suggest=False)
    if mistake is None:
        return None
    return {"position": mistake.position, "word": mistake.word, "why": mistake.why}


DATASET = Dataset(
    name="village",
    about="Short tales, letters and notices from a small world, by a program whose exact entropy is known.",
    licence="Apache-2.0 (it is part of groundup)",
    source="groundup.village, made on your machine from a seed",
    pieces=pieces,
    splits=SPLITS,
    sample=lambda: [village.sample(0, index) for index in range(4)],
    floor=village.bits,
    check=check,
    endless=True,
    prompts=("", "Near the mill lived"),
)
