"""The village: an endless corpus of short tales, letters and notices whose exact probability is known."""

import itertools
from collections.abc import Iterator

from groundup import village
from groundup.data.dataset import Dataset
from groundup.errors import UserError

SPLITS = ("train", "validation")
# Document numbers of the two parts: no training run reaches the second one's first document.
FIRST_INDEX = {"train": 0, "validation": 2**40}


def documents(split: str, seed: int) -> Iterator[str]:
    """The documents of a split, without end. The splits take different documents of one seed's corpus."""
    if split not in FIRST_INDEX:
        raise UserError(f"The village has no split {split!r}. Known: {', '.join(SPLITS)}.")
    return (village.sample(seed, index) for index in itertools.count(FIRST_INDEX[split]))


def check(text: str, complete: bool) -> dict[str, object] | None:
    """The first impossible place of a text, as the report underlines it."""
    mistake = village.check(text, complete)
    if mistake is None:
        return None
    return {"position": mistake.position, "word": mistake.word, "why": mistake.why}


DATASET = Dataset(
    name="village",
    about="Short tales, letters and notices from a small world, by a program whose exact entropy is known.",
    licence="Apache-2.0 (it is part of groundup)",
    source="groundup.village, made on your machine from a seed",
    documents=documents,
    splits=SPLITS,
    sample=lambda: [village.sample(0, index) for index in range(4)],
    floor=village.bits,
    check=check,
    endless=True,
    prompts=("", "Near the mill lived"),
)
