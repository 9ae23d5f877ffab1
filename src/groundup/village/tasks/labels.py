"""Texts to sort: by kind, wanted or unwanted, warm or cold; with the best accuracy that anyone can reach.

The source knows the true label of each document that it writes. Kind and unwanted can be read off any text.
The mood is hidden: it only makes some words three times as likely, so that even the best reader errs, and
`posterior` says how often. The mean of its highest value over many texts is the Bayes accuracy.
"""

from collections.abc import Callable, Iterator
from statistics import fmean
from typing import NamedTuple

from groundup.village.filter import worlds
from groundup.village.grammar import Grammar, village
from groundup.village.kinds.notice import SORTS
from groundup.village.tasks.told import tell
from groundup.village.world import Facts


class Labels(NamedTuple):
    """What is asked about a text."""

    names: tuple[str, ...]  # the labels; a model gives the place of one of them
    of: Callable[[Facts], str | None]  # the label of a document that ends in this world; None if it has none


class Labelled(NamedTuple):
    """A text and its true label."""

    text: str
    label: str


def kind(facts: Facts) -> str:
    """What sort of document it is."""
    return village().kinds[facts.kind].name


def wanted(facts: Facts) -> str | None:
    """Whether people want to read a notice. Tales and letters have no such label."""
    if facts.z < 0:
        return None
    return "unwanted" if SORTS[facts.z] == "trick" else "wanted"


def mood(facts: Facts) -> str:
    """How whoever tells it feels."""
    return ("warm", "cold")[facts.mood]


LABELS = {
    "kind": Labels(("letter", "notice", "tale"), kind),
    "wanted": Labels(("wanted", "unwanted"), wanted),
    "mood": Labels(("warm", "cold"), mood),
}


def posterior(text: str, task: str, *, grammar: Grammar | None = None) -> dict[str, float]:
    """The exact probability of each label given the text. Empty if the text is impossible or has no label."""
    found: dict[str, float] = {}
    for facts, chance in worlds(text, grammar=grammar).items():
        name = LABELS[task].of(facts)
        if name is not None:
            found[name] = found.get(name, 0.0) + chance
    return {name: found.get(name, 0.0) for name in LABELS[task].names} if found else {}


def label(text: str, task: str) -> str | None:
    """The best guess at the label, which no reader can beat; None if the text has none."""
    chances = posterior(text, task)
    return max(chances, key=lambda name: chances[name]) if chances else None


def examples(task: str, seed: int, start: int, count: int) -> Iterator[Labelled]:
    """`count` labelled documents of the corpus of `seed`, from document number `start` on.

    Documents that have no label in this task are left out: "wanted" is asked of notices only.
    """
    index = start
    while count:
        told = tell(seed, index)
        if (name := LABELS[task].of(told.facts)) is not None:
            yield Labelled(told.text, name)
            count -= 1
        index += 1


def best_accuracy(texts: list[str], task: str) -> float:
    """The accuracy that the best reader expects on these texts: the known best score of the task."""
    return fmean(max(posterior(text, task).values()) for text in texts)
