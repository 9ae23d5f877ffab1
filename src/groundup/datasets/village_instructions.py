"""Instructions about texts of the village, whose answers can be checked: questions and wishes for a tale."""

from collections.abc import Iterator
from itertools import count as counting
from typing import Any

from groundup.data.dataset import Dataset
from groundup.datasets._examples import conversations
from groundup.datasets._village import FIRST, counted_variant, village_dataset
from groundup.village.tasks.instructions import example

COUNT = 2000
PARTS = {
    "train": ("train", FIRST["train"]),
    "validation": ("documents", FIRST["validation"]),
    "test": ("documents", FIRST["test"]),
    "compositions": ("compositions", FIRST["test"]),
}
"""For each split, which of the village's own it is, and its first number. In "compositions" each word of an
instruction was seen in training, but never together with the others."""


def examples(split: str, seed: int) -> Iterator[dict[str, Any]]:
    """Records in Alpaca's form, with one field more: how answers are checked."""
    own, first = PARTS[split]
    for index in counting(first):
        one = example(seed, index, own)
        yield {
            "instruction": one.instruction,
            "input": one.input,
            "output": one.answer,
            "checker": one.checker,
        }


def make(name: str, count: int) -> Dataset:
    """So many instructions to learn from."""
    about = (
        "Instructions with answers that a program checks; the part compositions asks what was never asked "
        "together. Option: a number, village_instructions:500."
    )
    return village_dataset(name, about, "conversations", conversations, examples, count, tuple(PARTS))


DATASET = counted_variant(make("village_instructions", COUNT), make)
