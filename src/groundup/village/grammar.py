"""The source itself: a grammar of nodes whose one function, `step(state)`, says what may come next and how likely it is."""

import importlib
import pkgutil
import re
from functools import cache
from typing import Any

from groundup.village.lexicon import FULL, Lexicon
from groundup.village.patterns import Beat, Episode, Kind, Line
from groundup.village.phrases import PHRASES
from groundup.village.slots import Choice, Fact, Slots
from groundup.village.table import Table
from groundup.village.world import FORGOTTEN, Facts, State, Todo, opened, resumed

END = -1
SILENT = Table([(1, "", None)])


def said(parts: list[str | Fact], facts: Facts) -> str:
    """The words of parts that are certain in a world."""
    return "".join([part if isinstance(part, str) else part.render(facts) for part in parts])


class Say:
    """A node that says fixed words (`parts`) and then one choice of words."""

    __slots__ = ("choice", "last", "line", "number", "parts", "pattern")

    def __init__(self, number: int, parts: list[str | Fact], choice: Choice | None, line: Line, last: bool):
        self.number, self.parts, self.choice, self.line, self.last = number, parts, choice, line, last
        self.pattern = line.text

    def open(self, facts: Facts) -> tuple[str, Table]:
        """The words that are certain here, and the table of what may follow them."""
        return said(self.parts, facts), self.choice.table(facts) if self.choice else SILENT

    def move(self, todo: Todo, facts: Facts, value: Any) -> State:
        """Where the walk is after a choice."""
        if self.choice and self.choice.take:
            facts = self.choice.take(facts, value)
        if not self.last:
            return self.number + 1, todo, facts
        return todo[0], todo[1:], self.line.then(facts) if self.line.then else facts


class Call:
    """A node that says fixed words and then lets a phrase follow, before the line goes on."""

    __slots__ = ("parts", "phrase", "then")

    def __init__(self, parts: list[str | Fact], phrase: int, then: int):
        self.parts, self.phrase, self.then = parts, phrase, then

    def open(self, facts: Facts) -> tuple[str, Table]:
        return said(self.parts, facts), SILENT

    def move(self, todo: Todo, facts: Facts, value: Any) -> State:
        return self.phrase, (self.then, *todo), facts


class Choose:
    """A node that picks one of a beat's lines, and says the words with which it begins."""

    __slots__ = ("conditional", "options", "table")

    def __init__(self, options: list[tuple[Line, str, int]]):
        self.options = [(line, (line.weight, start, node)) for line, start, node in options]
        self.conditional = any(line.when for line, _, _ in options)
        self.table = Table([option for _, option in self.options])

    def open(self, facts: Facts) -> tuple[str, Table]:
        if not self.conditional:
            return "", self.table
        return "", Table([option for line, option in self.options if not line.when or line.when(facts)])

    def move(self, todo: Todo, facts: Facts, value: int) -> State:
        return value, todo, facts


class Done:
    """A silent node at the end of an episode's telling: it is not told again, and its thread is open if it has one."""

    __slots__ = ("episode", "opens")

    def __init__(self, episode: int, opens: bool):
        self.episode, self.opens = episode, opens

    def open(self, facts: Facts) -> tuple[str, Table]:
        return "", SILENT

    def move(self, todo: Todo, facts: Facts, value: Any) -> State:
        facts = facts._replace(used=facts.used | 1 << self.episode)
        return todo[0], todo[1:], opened(facts, self.episode) if self.opens else facts


class Plan:
    """A silent node that decides what happens next: a new episode, the ending of an open one, or the end."""

    __slots__ = ("grammar",)

    def __init__(self, grammar: "Grammar"):
        self.grammar = grammar

    def open(self, facts: Facts) -> tuple[str, Table]:
        return "", self.grammar.plan(facts)

    def move(self, todo: Todo, facts: Facts, value: tuple[Todo, Facts]) -> State:
        todo, facts = value
        return todo[0], todo[1:], facts


Node = Say | Call | Choose | Done | Plan


class Grammar:
    """All documents of a village, as nodes. `step` is the whole definition; sampling and probability follow from it."""

    def __init__(
        self, lexicon: Lexicon, kinds: tuple[Kind, ...], episodes: tuple[Episode, ...], phrases: dict[str, Beat]
    ):
        self.lexicon, self.kinds, self.episodes, self.phrases = lexicon, kinds, episodes, phrases
        self.slots = Slots(lexicon)
        self.nodes: list[Node] = [Plan(self)]
        self.beats: dict[int, int] = {}
        self.lines: list[Line] = []
        self.opening = [self.compiled(kind.opening) for kind in kinds]
        self.ending = [self.compiled(kind.ending) for kind in kinds]
        self.telling = [self.compiled(episode.beats) for episode in episodes]
        self.closing = [self.compiled(episode.closing) for episode in episodes]
        self.talking = [self.compiled(episode.talk) for episode in episodes]
        for number, episode in enumerate(episodes):
            self.telling[number] += (len(self.nodes),)
            self.nodes.append(Done(number, bool(episode.closing)))
        self.of_kind = [[n for n, e in enumerate(episodes) if kind.name in e.kinds] for kind in kinds]

    @property
    def start(self) -> State:
        """The world before the first word."""
        return 0, (), Facts()

    def compiled(self, beats: tuple[Beat, ...]) -> Todo:
        """The numbers of the nodes that tell these beats."""
        return tuple(self.beats.get(id(beat), 0) or self.compile_beat(beat) for beat in beats)

    def compile_beat(self, beat: Beat) -> int:
        lines = beat.lines[: self.lexicon.lines]
        # The fixed beginning of a line belongs to the choice of the line: so most lines that a text does not follow
        # are ruled out by one look at their first letters.
        starts = [beat.glue + line.text.partition("{")[0] for line in lines]
        nodes = [self.compile_line(line) for line in lines]
        number = self.beats[id(beat)] = len(self.nodes)
        self.nodes.append(Choose(list(zip(lines, starts, nodes, strict=True))))
        return number

    def compile_line(self, line: Line) -> int:
        """Append the nodes of one line, after its fixed beginning: a node ends at each choice."""
        self.lines.append(line)
        called = {slot: self.compiled((self.phrases[slot],))[0] for slot in re.findall(r"{>(\w+)}", line.text)}
        first = len(self.nodes)
        parts: list[str | Fact] = []
        pieces = line.text.replace("}", "{").split("{")  # fixed words and slots take turns
        for position, piece in enumerate(pieces):
            if position % 2 == 0:
                parts += [piece] if piece and position else []
            elif piece[0] == ">":
                self.nodes.append(Call(parts, called[piece[1:]], len(self.nodes) + 1))
                parts = []
            elif isinstance(part := self.slots.part(piece, line.text), Fact):
                parts.append(part)
            else:
                last = position == len(pieces) - 2 and not pieces[-1]
                self.nodes.append(Say(len(self.nodes), parts, part, line, last))
                parts = []
        if parts or len(self.nodes) == first or not isinstance(self.nodes[-1], Say) or not self.nodes[-1].last:
            self.nodes.append(Say(len(self.nodes), parts, None, line, True))
        return first

    def plan(self, facts: Facts) -> Table:
        """What may happen next, as a table whose values are the nodes to visit and the facts to start from."""
        if facts.kind < 0:
            options = [
                (kind.weight, "", ((*self.opening[i], 0), Facts(mood=mood, kind=i)))
                for mood in (0, 1)
                for i, kind in enumerate(self.kinds)
            ]
            return Table(options)
        kind = self.kinds[facts.kind]
        go_on, end = kind.go_on[min(facts.told, len(kind.go_on) - 1)]
        options = []
        told = facts.told + 1
        fresh = facts._replace(told=told, **FORGOTTEN)
        room = len(kind.go_on) - 1 - facts.told - len(facts.threads)  # each open thread still needs an ending
        for number in self.of_kind[facts.kind] if go_on else ():
            episode = self.episodes[number]
            needs = 2 if episode.closing else 1
            if facts.used >> number & 1 or room < needs or (episode.when and not episode.when(facts)):
                continue
            options.append((episode.weight * go_on, "", ((*self.telling[number], 0), fresh)))
        for position, thread in enumerate(facts.threads):
            options += self.resumptions(facts, position, thread.episode, told, bool(options))
        if not facts.threads and (end or not options):
            options.append((max(end, 1), "", ((*self.ending[facts.kind], END), facts)))
        return Table(options)

    def resumptions(self, facts: Facts, position: int, episode: int, told: int, others: bool) -> list:
        """The ways to come back to an open thread: to end it, or only to speak of it."""
        found = []
        newest = position == len(facts.threads) - 1
        if not (others and newest):  # a thread is not ended at once if anything else can happen
            after = resumed(facts, position, close=True)._replace(told=told)
            found.append((20, "", ((*self.closing[episode], 0), after)))
        if self.talking[episode] and not facts.threads[position].discussed:
            after = resumed(facts, position, close=False)
            found.append((8, "", ((*self.talking[episode], 0), after)))
        return found

    def open(self, state: State) -> tuple[str, Table]:
        """The words that are certain in this state, and the table of what may follow them."""
        return self.nodes[state[0]].open(state[2])

    def move(self, state: State, value: Any) -> State:
        """The state after a value of that table has been chosen."""
        return self.nodes[state[0]].move(state[1], state[2], value)

    def step(self, state: State) -> list[tuple[int, str, State]]:
        """Everything that can happen in a state: (whole-number weight, piece of text, next state). Empty at the end."""
        if state[0] == END:
            return []
        prefix, table = self.open(state)
        options = zip(table.weights, table.pieces, table.values)
        return [(weight, prefix + piece, self.move(state, value)) for weight, piece, value in options]


def collect(folder: str, constant: str) -> tuple:
    """The `constant` of every file in a folder of this package, in the order of the files' names."""
    package = importlib.import_module(f"groundup.village.{folder}")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(getattr(importlib.import_module(f"{package.__name__}.{name}"), constant) for name in names)


@cache
def village() -> Grammar:
    """The grammar of the full village, made at its first use."""
    episodes = tuple(episode for group in collect("episodes", "EPISODES") for episode in group)
    return Grammar(FULL, collect("kinds", "KIND"), episodes, PHRASES)
