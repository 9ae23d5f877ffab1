"""How a document came to be: each word with the fact or the choice that it comes from, and the world then.

`tell` knows it because it writes the document; `derived` finds the likeliest way in which a text was written.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

from groundup.village.filter import SHIFT, SMALL
from groundup.village.grammar import END, Grammar, village
from groundup.village.nodes import Call, Done, Say
from groundup.village.randomness import Draws
from groundup.village.slots import FIELD, Fact
from groundup.village.table import falling
from groundup.village.world import Facts, State, with_fact

Spot = tuple[int, State]  # a position in the text and a state of the walk there


class Part(NamedTuple):
    """A stretch of a document, text[start:end], that is said by one part of a line."""

    start: int
    end: int
    cause: str  # "fixed" words of the line, a "fact" that was settled before, or a "choice" made here
    register: str  # the letter of the fact (see `slots.py`), or ""
    guess: str = ""  # of a fact: what one who has not read the story would say here, see `guessed`


class Event(NamedTuple):
    """Something that has just been told: where the telling of it ends, and the world then."""

    name: str  # of an episode, or the pattern of a line
    position: int
    facts: Facts


class Told(NamedTuple):
    """A document and how it came to be."""

    text: str
    parts: tuple[Part, ...]
    events: tuple[Event, ...]  # the episodes
    lines: tuple[Event, ...]  # the lines
    facts: Facts  # the world at the end


class Followed(NamedTuple):
    """What all walks through a text say about it."""

    levels: list[float]  # log2 of the chance that a document begins with text[:n], for n = 0 ... length
    before: dict[Spot, tuple[float, Spot]]  # the likeliest spot before each spot, and log2 of its mass
    last: Spot  # the likeliest spot at the furthest position; the end, if the text is a document
    ended: float  # log2 of the chance of the text as a whole document; -inf if it is none


def tell(seed: int, index: int, *, grammar: Grammar | None = None) -> Told:
    """Document number `index` of `seed`, the same as `sample` gives, with how it came to be."""
    grammar = grammar or village()
    draws, state, said, spots = Draws(seed, index), grammar.start, "", list[Spot]()
    while True:
        spots.append((len(said), state))
        at, todo, facts = state
        if at == END:
            return put_together(said, spots, grammar)
        prefix, table = grammar.nodes[at].open(facts)
        choice = table.pick(draws)
        said += prefix + table.pieces[choice]
        state = grammar.nodes[at].move(todo, facts, table.values[choice])


def derived(text: str, *, grammar: Grammar | None = None) -> Told | None:
    """A likely way in which a text was written; None if it is no possible document."""
    grammar = grammar or village()
    followed = follow(text, grammar)
    position, (at, _, _) = followed.last
    ended = position == len(text) and at == END
    return put_together(text, way(followed), grammar) if ended else None


def way(followed: Followed) -> list[Spot]:
    """The spots from the start to the last one, each the likeliest one before its follower."""
    spots = [followed.last]
    while spots[-1] in followed.before:
        spots.append(followed.before[spots[-1]][1])
    return spots[::-1]


def put_together(text: str, spots: list[Spot], grammar: Grammar) -> Told:
    """The parts and events of a walk."""
    parts, events, lines = list[Part](), list[Event](), list[Event]()
    for (position, (at, _, facts)), (end, state) in zip(spots, spots[1:], strict=False):
        node = grammar.nodes[at]
        for part in node.parts if isinstance(node, Say | Call) else ():
            said = part if isinstance(part, str) else part.render(facts)
            end_of_part = position + len(said)
            if isinstance(part, str):
                parts.append(Part(position, end_of_part, "fixed", ""))
            else:
                guess = guessed(part, facts, grammar)
                parts.append(Part(position, end_of_part, "fact", part.register, guess))
            position = end_of_part
        if position < end:
            parts.append(Part(position, end, "choice", ""))
        if isinstance(node, Done):
            events.append(Event(grammar.episodes[node.episode].name, end, state[2]))
        elif isinstance(node, Say) and node.last:
            lines.append(Event(node.line.text, end, state[2]))
    return Told(text, tuple(parts), tuple(events), tuple(lines), spots[-1][1][2])


def guessed(part: Fact, facts: Facts, grammar: Grammar) -> str:
    """The most frequent word that fits in the place of a fact.

    So guesses one who knows the line, and of the fact only how often the source chooses each of its values.
    """
    field, chances = FIELD[part.register], dict[str, float]()
    for value, weight in frequencies(part.register, grammar):
        word = part.render(with_fact(facts, field, value))
        chances[word] = chances.get(word, 0.0) + weight
    return max(chances, key=lambda word: chances[word])


@lru_cache(maxsize=100)
def frequencies(register: str, grammar: Grammar) -> list[tuple[int, float]]:
    """The values of a fact, and how often each is chosen.

    Of numbers, n is any from 2 to the most there are; k of them go, at least one of them, and m are left.
    """
    most = grammar.lexicon.most
    if register == "n":
        return [(n, 1.0) for n in range(2, most + 1)]
    if register in ("k", "m"):
        return [(part, sum(1 / (n - 1) for n in range(part + 1, most + 1))) for part in range(1, most)]
    return [(value, weight) for weight, value in falling(range(len(grammar.slots.names[register])))]


def follow(text: str, grammar: Grammar) -> Followed:
    """Follow every walk through a text, and add up the chance of each beginning of it.

    A walk that writes text[:n] and then something else counts for the beginnings up to n.
    """
    chances, shifts = [1.0] + [0.0] * len(text), [0] * (len(text) + 1)  # the true ones are times 2**-shift
    waiting: dict[int, dict[State, Any]] = {0: {grammar.start: 1.0}}
    before: dict[Spot, tuple[float, Spot]] = {}
    position, shift, reached = 0, 0, {grammar.start: 1.0}
    ended: dict[State, float] = {}
    while waiting:
        position = min(waiting)
        here = waiting.pop(position)
        if max(max(masses.values()) for masses in (here, *waiting.values())) < SMALL:
            shift += SHIFT
            here = {state: math.ldexp(mass, SHIFT) for state, mass in here.items()}
            waiting = {
                at: {state: math.ldexp(m, SHIFT) for state, m in all_.items()} for at, all_ in waiting.items()
            }
            for n in range(position + 1, len(text) + 1):
                chances[n], shifts[n] = math.ldexp(chances[n], SHIFT), shift
        reached = dict(here)
        while here:
            state, mass = here.popitem()
            if state[0] == END:
                if position == len(text):
                    ended[state] = ended.get(state, 0.0) + mass
                continue
            for end, new, share in moves(text, position, state, mass, grammar, chances):
                states = here if end == position else waiting.setdefault(end, {})
                states[new] = states.get(new, 0.0) + share
                level = math.log2(share) - shift
                if (end, new) not in before or before[end, new][0] < level:
                    before[end, new] = level, (position, state)
    levels = [math.log2(c) - s if c else -math.inf for c, s in zip(chances, shifts, strict=True)]
    final = ended or reached
    last = position, max(final, key=lambda state: final[state])
    return Followed(levels, before, last, math.log2(sum(ended.values())) - shift if ended else -math.inf)


def moves(
    text: str, position: int, state: State, mass: float, grammar: Grammar, chances: list[float]
) -> list[tuple[int, State, float]]:
    """Where a walk can go on in the text: (position, state, mass). Adds what it writes to `chances`."""
    at, todo, facts = state
    node = grammar.nodes[at]
    prefix, table = node.open(facts)
    start = position + written(text, position, prefix, mass, chances)
    if start < position + len(prefix):
        return []
    found = []
    for k in table.by_first.get(text[start : start + 1], []):
        share = mass * table.weights[k] / table.total
        end = start + written(text, start, table.pieces[k], share, chances)
        if end == start + len(table.pieces[k]):
            found.append((end, node.move(todo, facts, table.values[k]), share))
    for k in table.silent:
        new = node.move(todo, facts, table.values[k])
        found.append((start, new, mass * table.weights[k] / table.total))
    return found


def written(text: str, position: int, piece: str, mass: float, chances: list[float]) -> int:
    """How many characters of `piece` stand in the text there. The mass of each beginning grows by `mass`."""
    count = 0
    for letter in piece:
        if text[position + count : position + count + 1] != letter:
            break
        count += 1
        chances[position + count] += mass
    return count
