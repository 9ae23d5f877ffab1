"""Why each letter of a text is what it is, and its exact bits: so that a model's excess can be told apart.

spelling  any other letter would begin a word that the village does not have
fact      the letter belongs to a word that something said before has settled: who has it, on which day
free      the source itself could have gone on in another way
grammar   all the rest: the only way in which a sentence of the village goes on here
end       (only in texts that are no documents) the text stops too early, or goes on too long

Spelling and grammar cost the source nothing. A fact costs it something only where the word also tells which
line was chosen. So the bits of a model on facts, less the bits here, are what it has not learned of them.
"""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from groundup.village.check import check, vocabulary
from groundup.village.grammar import Grammar, village
from groundup.village.tasks.told import Followed, Part, follow, put_together, way

# A token with several causes counts for the first of them.
CAUSES: tuple[str, ...] = ("fact", "free", "grammar", "spelling")
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
NOTHING = 1e-9  # bits that are only rounding


class Piece(NamedTuple):
    """The stretch text[start:end], which has one cause, and its bits given all the text before it."""

    start: int
    end: int
    bits: float  # inf where the text is impossible
    cause: str


def causes(text: str, *, grammar: Grammar | None = None) -> list[Piece]:
    """The pieces of a text by cause. Their bits add up to `bits(text)`; the last, empty one is the end."""
    pieces: list[Piece] = []
    for letter in letters(text, grammar=grammar):
        if pieces and pieces[-1].cause == letter.cause and letter.start < letter.end:
            letter = Piece(pieces[-1].start, letter.end, pieces.pop().bits + letter.bits, letter.cause)
        pieces.append(letter)
    return pieces


class Explained(NamedTuple):
    """What can be said about each character of a text, and about the words that its world fixes."""

    letters: list[Piece]  # one for each character, in order, and an empty one for the end
    facts: list[Part]  # the words of which something said before has settled what they are


def letters(text: str, *, grammar: Grammar | None = None) -> list[Piece]:
    """One piece for each character of a text, in order, and an empty one for its end."""
    return explained(text, grammar=grammar).letters


def explained(text: str, *, grammar: Grammar | None = None) -> Explained:
    """All letters of a text and all facts in it, by following it once."""
    grammar = grammar or village()
    followed = follow(text, grammar)
    facts = [part for part in put_together(text, way(followed), grammar).parts if part.cause == "fact"]
    return Explained(_letters(text, followed, facts, grammar), facts)


def _letters(text: str, followed: Followed, parts: list[Part], grammar: Grammar) -> list[Piece]:
    facts = {position for part in parts for position in range(part.start, part.end)}
    spelled = spelling(text, grammar)
    found = []
    for n, (here, after) in enumerate(zip(followed.levels, followed.levels[1:], strict=False)):
        if after == -math.inf:
            break
        cost = max(here - after, 0.0)
        cause = "fact" if n in facts else "free" if cost > NOTHING else "grammar"
        found.append(Piece(n, n + 1, cost, "spelling" if n in spelled else cause))
    if followed.ended == -math.inf:
        mistake = check(text, suggest=False, grammar=grammar)
        cause = mistake.cause if mistake and len(found) < len(text) else "end"
        return [*found, Piece(len(found), len(text), math.inf, cause)]
    cost = max(followed.levels[-1] - followed.ended, 0.0)
    return [*found, Piece(len(text), len(text), cost, "free" if cost > NOTHING else "grammar")]


def span(pieces: list[Piece], start: int, end: int) -> tuple[float, str]:
    """The bits and the cause of text[start:end], one token perhaps. `pieces`: what `letters` gave.

    The end of the document is the character number len(text).
    """
    inside = pieces[start:end]
    rank = {cause: place for place, cause in enumerate(CAUSES)}
    cause = min((piece.cause for piece in inside), key=lambda cause: rank.get(cause, -1))
    return math.fsum(piece.bits for piece in inside), cause


class Share(NamedTuple):
    """What the tokens of one cause cost."""

    tokens: int
    bits: float  # the model's
    floor: float  # the source's: nobody can do with less in the long run

    @property
    def excess(self) -> float:
        """The bits that the model pays because of what it has not learned."""
        return self.bits - self.floor


def excess(text: str, tokens: Sequence[tuple[int, int, float]]) -> dict[str, Share]:
    """A model's bits on a document told apart by cause; add up the shares of many documents.

    tokens: (start, end, the model's bits) of each token, where text[start:end] are its characters; the token
    that ends the document is (len(text), len(text) + 1, bits). All texts of the village are ASCII, so bytes
    count as characters. A text that is no document has no floor: ValueError.
    """
    pieces = letters(text)
    if pieces[-1].bits == math.inf:
        raise ValueError("The text is no document of the village. `check(text)` says where and why.")
    found = dict.fromkeys(CAUSES, Share(0, 0.0, 0.0))
    for start, end, cost in tokens:
        floor, cause = span(pieces, start, end)
        old = found[cause]
        found[cause] = Share(old.tokens + 1, old.bits + cost, old.floor + floor)
    return found


def spelling(text: str, grammar: Grammar) -> set[int]:
    """The positions of all letters that follow from the letters of the word before them."""
    follows, found = followers(grammar), set[int]()
    for word in WORD.finditer(text):
        small = word.group().lower()
        for n in range(1, len(small)):
            if follows.get(small[:n]) == {small[n]}:
                found.add(word.start() + n)
    return found


@lru_cache(maxsize=4)
def followers(grammar: Grammar) -> dict[str, set[str]]:
    """For each beginning of a word of the village, the letters that can come next; "" for the word's end."""
    found: dict[str, set[str]] = {}
    for word in vocabulary(grammar):
        for n in range(len(word) + 1):
            found.setdefault(word[:n], set()).add(word[n : n + 1])
    return found
