"""Texts of the village to sort by mood, by kind or by whether they are wanted; the best accuracy is known."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from groundup.data.dataset import Dataset
from groundup.datasets._examples import labels as read_labels
from groundup.datasets._village import FIRST, count_of, village_dataset
from groundup.errors import UserError
from groundup.village.tasks import labels

COUNT = 2000
PARTS = tuple(FIRST)


def make(name: str, task: str, count: int) -> Dataset:
    """One of the tasks of `village/tasks/labels.py`, with so many examples to learn from."""

    def examples(split: str, seed: int) -> Iterator[dict[str, Any]]:
        found = labels.examples(task, seed, FIRST[split], 2**32)
        return ({"text": one.text, "label": one.label} for one in found)

    about = (
        "Texts with a known best accuracy: mood (the default; 0.76), kind or wanted (1). "
        "Options: the task, a number, or both: village_labels:kind,500."
    )
    return village_dataset(name, about, "labels", read_labels, examples, count, PARTS)


def choose(option: str) -> Dataset:
    """A task, a number of examples to learn from, or "kind,500". UserError for anything else."""
    task, count = "mood", COUNT
    for word in (word.strip() for word in option.split(",")):
        if word in labels.LABELS:
            task = word
        elif word.isdecimal():
            count = count_of("village_labels", word)
        else:
            raise UserError(
                f"village_labels:{option} is none: {word!r} is neither a task nor a number. "
                f"Tasks: {', '.join(labels.LABELS)}."
            )
    return make(f"village_labels:{option}", task, count)


DATASET = dataclasses.replace(make("village_labels", "mood", COUNT), variant=choose)
