"""Instructions that a machine can check: questions about a document, and requests for a tale.

Two sorts of unseen examples: new documents, and new *compositions*, where each word of the instruction is
known and only their combination is new: a model that has learned "Who has the ... now?" and "lamp" must join
the two. The best score is 1: every answer follows from its input, and every request can be fulfilled.
"""

import zlib
from typing import NamedTuple

from groundup.village.randomness import Draws
from groundup.village.tasks.questions import Asked, asked, requests
from groundup.village.tasks.told import derived, tell

SPLITS = ("train", "documents", "compositions")
HELD_OUT = 8  # one instruction with names in it out of so many is never seen in training
FAR = 1 << 40  # documents that replace one without a fitting instruction are this far away


class Example(NamedTuple):
    """An instruction, its input (perhaps empty), a right answer, and how answers are checked."""

    instruction: str
    input: str
    answer: str
    checker: str  # "exact" or "tale"


def example(seed: int, index: int, split: str = "train") -> Example:
    """Example number `index` of a split. No two splits share a document.

    train and documents: instructions that are not held out. compositions: only those that are.
    """
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}. Known: {', '.join(SPLITS)}.")
    draws = Draws(~seed, index * len(SPLITS) + SPLITS.index(split))
    for attempt in range(1000):
        found = all_of(seed, index * len(SPLITS) + SPLITS.index(split) + attempt * FAR)
        fitting = {
            pattern: those
            for pattern, examples in sorted(found.items())
            if (those := [one for one in examples if held_out(pattern, one) == (split == "compositions")])
        }
        if fitting:
            those = list(fitting.values())[draws.below(len(fitting))]
            return those[draws.below(len(those))]
    raise AssertionError("no example in a thousand documents")


def all_of(seed: int, index: int) -> dict[str, list[Example]]:
    """All examples that document number `index` gives, by the pattern of the instruction."""
    told = tell(seed, index)
    found: dict[str, list[Example]] = {}
    for one in asked(told):
        found.setdefault(one.pattern, []).append(question(one))
    for one in sorted(requests(told)):
        found.setdefault("Tell a tale {}.", []).append(Example(one, "", told.text, "tale"))
    return found


def question(one: Asked) -> Example:
    """A question as an example."""
    return Example(one.question, one.text, one.answer, "exact")


def held_out(pattern: str, one: Example) -> bool:
    """Whether an instruction is one of the compositions that training never sees."""
    return "{" in pattern and zlib.crc32(one.instruction.encode()) % HELD_OUT == 0


def correct(one: Example, answer: str) -> bool:
    """Whether an answer is right: the known answer, or any possible tale in which happens what is asked."""
    if one.checker == "exact":
        return plain(answer) == plain(one.answer)
    told = derived(answer.strip())
    return told is not None and one.instruction in requests(told)


def plain(answer: str) -> str:
    """An answer without what does not matter: capitals, spaces around it and a full stop."""
    return " ".join(answer.lower().split()).removesuffix(".")
