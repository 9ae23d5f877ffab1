"""What a dataset is: documents by split, their source and licence and, where known, the best loss."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from groundup.data.piece import Piece, read_pieces
from groundup.errors import UserError


@dataclass(frozen=True)
class Dataset:
    """A named source of documents (a document is a `str`), one file each in `groundup.datasets`.

    `pieces(split, seed)` gives the parts of one of `splits` in their order, without any download; each piece
    is fetched when it is read. A dataset whose only split is "train" is cut by us. `sample()` gives a few
    documents at once and without a network, in the source's own form and through the same parser.
    `floor(text)` is the exact -log2 p(text) in bits, `math.inf` for a text that cannot occur; None where
    nobody knows it. `check(text, complete)` gives the first impossible place of a text as
    {"position", "word", "why"}, or None; with complete=False, a text that was cut off is no mistake.
    """

    name: str
    about: str
    licence: str
    source: str
    pieces: Callable[[str, int], list[Piece]]
    splits: tuple[str, ...]
    sample: Callable[[], list[str]]
    floor: Callable[[str], float] | None = None
    check: Callable[[str, bool], dict[str, object] | None] | None = None
    endless: bool = False  # take as many documents as you need
    prompts: tuple[str, ...] = ("",)  # good beginnings for samples of a model that learned it
    variant: "Callable[[str], Dataset] | None" = None  # what NAME:OPTION stands for; UserError if nothing

    def documents(self, split: str, seed: int = 0) -> Iterator[str]:
        """The documents of a split, fetched where they are not here yet. UserError for an unknown split."""
        if split not in self.splits:
            raise UserError(f"{self.name} has no split {split!r}. Known: {', '.join(self.splits)}.")
        return read_pieces(self.pieces(split, seed))
