"""A table of things that may be said at one place, each with a whole-number weight."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from groundup.village.randomness import Draws


class Table:
    """Options that cannot change: `pieces` of text, their `weights`, and `values` to remember."""

    __slots__ = ("by_first", "ends", "longest", "pieces", "silent", "total", "values", "weights")

    def __init__(self, options: Iterable[tuple[int, str, Any]]):
        options = list(options)
        assert options and all(weight > 0 for weight, _, _ in options), "a table needs options with weights"
        self.weights = [weight for weight, _, _ in options]
        self.pieces = [piece for _, piece, _ in options]
        self.values = [value for _, _, value in options]
        self.ends = list(accumulate(self.weights))
        self.total = self.ends[-1]
        self.silent = [k for k, piece in enumerate(self.pieces) if not piece]
        self.longest = max(map(len, self.pieces))
        self.by_first: dict[str, list[int]] = {}
        for k, piece in enumerate(self.pieces):
            if piece:
                self.by_first.setdefault(piece[0], []).append(k)

    def pick(self, draws: Draws) -> int:
        """The number of one option, drawn in proportion to its weight."""
        return bisect_right(self.ends, draws.below(self.total)) if self.total > self.weights[0] else 0

    def matching(self, text: str, start: int) -> list[int]:
        """The numbers of all options with which `text` goes on at `start`; a silent option always matches."""
        likely = self.by_first.get(text[start : start + 1])
        if likely is None:
            return self.silent
        found = [k for k in likely if text.startswith(self.pieces[k], start)]
        return found + self.silent if self.silent else found


def falling(words: Iterable[Any]) -> list[tuple[int, Any]]:
    """Weights that fall with the rank, as words do (Zipf, flattened): 10, 9, 8, 8, 7, 7, 6, 6, 6, 5 ..."""
    return [(max(120 // (rank + 12), 1), word) for rank, word in enumerate(words)]
