"""The exact probability of a text: all walks that can have written it are followed, and their chances added.

This is the forward algorithm of hidden Markov models (Rabiner, 1989), over {(position, state): mass}.
It needs no proof that a text has only one derivation: hidden choices and ambiguity just add up.
"""

import math
from fractions import Fraction
from typing import Any, Generic, NamedTuple, TypeVar

from groundup.village.grammar import END, Grammar, village
from groundup.village.world import Facts, State

Mass = TypeVar("Mass", float, Fraction)
SMALL = 2.0**-500  # masses below this are scaled up by 2**500, which is exact, so that none can underflow
SHIFT = 500


class Reading(NamedTuple, Generic[Mass]):
    """What the filter knows at the end of a text. True masses are the ones here times 2**-shift."""

    ends: dict[Facts, Mass]  # the worlds in which the document is complete, and their masses
    unfinished: Mass  # the mass of all walks that have written this text and go on
    shift: int
    most_live: int  # the largest number of states, silent ones too, that were visited at one position

    @property
    def bits(self) -> float:
        """-log2 of the probability of the complete document; inf if no walk ended here."""
        total = math.fsum(self.ends.values())
        return self.shift - math.log2(total) if total else math.inf

    @property
    def bits_so_far(self) -> float:
        """-log2 of the probability that a document begins with the text, or is the text; inf if none does."""
        total = math.fsum([*self.ends.values(), self.unfinished])
        return max(self.shift - math.log2(total), 0.0) if total else math.inf  # never -0 by rounding


def read(text: str, one: Any = 1.0, *, grammar: Grammar | None = None) -> Reading:
    """Follow every walk that writes `text`. With `one=Fraction(1)` all masses are exact fractions."""
    grammar = grammar or village()
    nodes = grammar.nodes
    waiting: dict[int, dict[State, Any]] = {0: {grammar.start: one}}
    ends: dict[Facts, Any] = {}
    unfinished, shift, most_live = one * 0, 0, 0
    scaling = isinstance(one, float)
    while waiting:
        position = min(waiting)
        here = waiting.pop(position)
        if scaling and max(here.values()) < SMALL:
            alive = [here, *waiting.values(), ends, {0: unfinished}]
            if max(max(masses.values(), default=0.0) for masses in alive) < SMALL:
                shift += SHIFT
                here, *later, ends, rest = [
                    {key: math.ldexp(mass, SHIFT) for key, mass in masses.items()} for masses in alive
                ]
                waiting = dict(zip(waiting, later, strict=True))
                unfinished = rest[0]
        visited = 0
        while here:
            visited += 1
            state, mass = here.popitem()
            at, todo, facts = state
            if at == END:
                if position == len(text):
                    ends[facts] = ends.get(facts, 0) + mass
                continue
            node = nodes[at]
            prefix, table = node.open(facts)
            if not text.startswith(prefix, position):
                unfinished += mass if prefix.startswith(text[position:]) else 0
                continue
            start = position + len(prefix)
            for k in table.matching(text, start):
                new = node.move(todo, facts, table.values[k])
                end = start + len(table.pieces[k])
                states = here if end == position else waiting.setdefault(end, {})
                states[new] = states.get(new, 0) + mass * table.weights[k] / table.total
            if len(text) - start < table.longest:
                rest = text[start:]
                for weight, piece in zip(table.weights, table.pieces, strict=True):
                    if len(piece) > len(rest) and piece.startswith(rest):
                        unfinished += mass * weight / table.total
        most_live = max(most_live, visited)
    return Reading(ends, unfinished, shift, most_live)


def probability(text: str, *, grammar: Grammar | None = None) -> Fraction:
    """The exact probability of a complete document."""
    return sum(read(text, Fraction(1), grammar=grammar).ends.values(), Fraction(0))


def bits(text: str, complete: bool = True, *, grammar: Grammar | None = None) -> float:
    """-log2 of the probability of a complete document: the floor under any model. inf if it is impossible.

    With complete=False: of the probability that a document begins with this text, or is this text. So
    bits(text + "x", complete=False) - bits(text, complete=False) is what an "x" costs after the text, and
    bits(text) - bits(text, complete=False) is what it costs to end there.
    """
    reading = read(text, grammar=grammar)
    return reading.bits if complete else reading.bits_so_far


def worlds(text: str, *, grammar: Grammar | None = None) -> dict[Facts, float]:
    """The worlds that can have led to a complete document, with their probabilities given the text."""
    ends = read(text, grammar=grammar).ends
    total = math.fsum(ends.values())
    return {facts: mass / total for facts, mass in ends.items()}
