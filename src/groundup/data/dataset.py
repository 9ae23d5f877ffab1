"""What a dataset is: documents by split, their source and licence and, where known, the best loss."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """A named source of documents (a document is a `str`), one file each in `groundup.datasets`.

    `documents(split, seed)` gives the documents of one of `splits`; where they are `endless`, take as many as
    you need with `itertools.islice`. `sample()` gives a few documents at once and without a network.
    `floor(text)` is the exact -log2 p(text) in bits, `math.inf` for a text that cannot occur; None where
    nobody knows it. `check(text, complete)` gives the first impossible place of a text as
    {"position", "word", "why"}, or None; with complete=False, a text that was cut off is no mistake.
    """

    name: str
    about: str
    licence: str
    source: str
    documents: Callable[[str, int], Iterator[str]]
    splits: tuple[str, ...]
    sample: Callable[[], list[str]]
    floor: Callable[[str], float] | None = None
    check: Callable[[str, bool], dict[str, object] | None] | None = None
    endless: bool = False
    prompts: tuple[str, ...] = ("",)  # good beginnings for samples of a model that learned it
