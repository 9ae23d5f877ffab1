"""Two ways for a text of the village to go on, and which is preferred, drawn with exactly known odds."""

from collections.abc import Iterator
from itertools import count as counting
from typing import Any

from groundup.data.dataset import Dataset
from groundup.datasets._examples import preferences
from groundup.datasets._village import FIRST, counted_variant, village_dataset
from groundup.village.tasks.preferences import pair

COUNT = 1000


def examples(split: str, seed: int) -> Iterator[dict[str, Any]]:
    """Records with prompt, chosen, rejected and log_odds: log2 of p(chosen) / p(rejected), given the prompt.

    Pairs that differ from their first sentence on have no prompt, and are passed over.
    """
    for index in counting(FIRST[split]):
        found = pair(seed, index)
        if found.prompt:
            chosen, rejected = (found.first, found.second)[:: 1 - 2 * found.chosen]
            log_odds = found.log_odds * (1 - 2 * found.chosen)
            yield {"prompt": found.prompt, "chosen": chosen, "rejected": rejected, "log_odds": log_odds}


def make(name: str, count: int) -> Dataset:
    """So many pairs to learn from."""
    about = (
        "Beginnings with two endings, of which one is preferred with exactly known odds. "
        "Option: a number, village_preferences:200."
    )
    return village_dataset(name, about, "preferences", preferences, examples, count, tuple(FIRST))


DATASET = counted_variant(make("village_preferences", COUNT), make)
