"""What a dataset is: documents or examples by split, their source and licence, the best loss if known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groundup.data.piece import Piece, read_pieces
from groundup.errors import UserError

Kind = Literal["texts", "conversations", "labels", "preferences"]


@dataclass(frozen=True)
class Dataset:
    """A named source of documents (a document is a `str`), one file each in `groundup.datasets`.

    `pieces(split, seed)` gives the parts of one of `splits` in their order, without any download; each piece
    is fetched when it is read. A dataset whose only split is "train" is cut by us. `sample()` gives a few
    documents at once and without a network, in the source's own form and through the same parser.
    `floor(text)` is the exact -log2 p(text) in bits, `math.inf` for a text that cannot occur; None where
    nobody knows it. `check(text, complete)` gives the first impossible place of a text as
    {"position", "word", "why"}, or None; with complete=False, a text that was cut off is no mistake.

    A dataset of another `kind` than texts holds examples: conversations, texts with a label, or pairs of
    answers of which one is preferred. What learns from them reads its `files`; its documents are the same
    examples in words, to be looked at.
    """

    name: str
    about: str
    licence: str
    source: str
    pieces: Callable[[str, int], list[Piece]]
    splits: tuple[str, ...]
    sample: Callable[[], list[str]]
    kind: Kind = "texts"
    floor: Callable[[str], float] | None = None
    check: Callable[[str, bool], dict[str, object] | None] | None = None
    endless: bool = False  # take as many documents as you need
    prompts: tuple[str, ...] = ("",)  # good beginnings for samples of a model that learned it
    variant: "Callable[[str], Dataset] | None" = None  # what NAME:OPTION stands for; UserError if nothing

    def documents(self, split: str, seed: int = 0) -> Iterator[str]:
        """The documents of a split, fetched where they are not here yet. UserError for an unknown split."""
        return read_pieces(self.pieces_of(split, seed))

    def files(
        self, split: str, seed: int = 0, shown: Callable[[Piece], Piece] = lambda piece: piece
    ) -> list[Path]:
        """The files of a split of examples, fetched or made where they are not here yet.

        Conversations lie in a form of `data/conversations.py`; labels as lines "label<TAB>text" (.tsv) or as
        JSON lines {"text", "label"}; preferences as JSON lines {"prompt", "chosen", "rejected"}. `shown` may
        put a piece's progress on the screen. UserError for an unknown split, and as `download` gives it.
        """
        pieces = [shown(piece) for piece in self.pieces_of(split, seed)]
        return [piece.fetch(None) for piece in pieces if piece.fetch]

    def pieces_of(self, split: str, seed: int = 0) -> list[Piece]:
        """The pieces of a split. UserError for an unknown one."""
        if split not in self.splits:
            raise UserError(f"{self.name} has no split {split!r}. Known: {', '.join(self.splits)}.")
        return self.pieces(split, seed)
