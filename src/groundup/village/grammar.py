"""The source itself: a grammar whose one function, `step`, says what may come next and how likely it is."""

import importlib
import pkgutil
import re
from functools import cache
from typing import Any

from groundup.village.lexicon import Lexicon
from groundup.village.nodes import Call, Choose, Done, Node, Say
from groundup.village.patterns import Beat, Episode, Kind, Line
from groundup.village.phrases import PHRASES
from groundup.village.slots import Fact, Slots
from groundup.village.table import Table
from groundup.village.words import FULL
from groundup.village.world import FORGOTTEN, Facts, State, Todo, resumed, swapped

END = -1
PLAN = 0  # the number of the node that plans what happens next


class Grammar:
    """All documents of a village. `step` is the whole definition; sampling and probability follow from it."""

    def __init__(
        self,
        lexicon: Lexicon,
        kinds: tuple[Kind, ...],
        episodes: tuple[Episode, ...],
        phrases: dict[str, Beat],
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
        return PLAN, (), Facts()

    def compiled(self, beats: tuple[Beat, ...]) -> Todo:
        """The numbers of the nodes that tell these beats."""
        return tuple(self.beats.get(id(beat)) or self.compile_beat(beat) for beat in beats)

    def compile_beat(self, beat: Beat) -> int:
        """Append the nodes of all lines of a beat, and the node that picks one."""
        # The fixed beginning of a line belongs to the choice of the line: so most lines that a text does not
        # follow are ruled out by one look at their first letters.
        starts = [beat.glue + line.text.partition("{")[0] for line in beat.lines]
        first = [self.compile_line(line) for line in beat.lines]
        number = self.beats[id(beat)] = len(self.nodes)
        self.nodes.append(Choose(list(zip(beat.lines, starts, first, strict=True))))
        return number

    def compile_line(self, line: Line) -> int:
        """Append the nodes of one line, after its fixed beginning: a node ends at each choice."""
        self.lines.append(line)
        phrases = re.findall(r"{>(\w+)}", line.text)
        called = {name: self.compiled((self.phrases[name],))[0] for name in phrases}
        first, parts, ended = len(self.nodes), list[str | Fact](), False
        pieces = re.split(r"[{}]", line.text)[1:]  # slots and fixed words take turns
        for position, piece in enumerate(pieces):
            if position % 2:
                parts += [piece] if piece else []
            elif piece[0] == ">":
                self.nodes.append(Call(parts, called[piece[1:]], len(self.nodes) + 1))
                parts = []
            elif isinstance(part := self.slots.part(piece, line.text), Fact):
                parts.append(part)
            else:
                ended = position == len(pieces) - 2 and not pieces[-1]
                self.nodes.append(Say(len(self.nodes), parts, part, line, ended))
                parts = []
        if not ended:
            self.nodes.append(Say(len(self.nodes), parts, None, line, True))
        return first

    def begin(self) -> Table:
        """The kinds of document, and the hidden mood, which nothing ever says."""
        return Table(
            (kind.weight, "", ((*self.opening[number], PLAN), Facts(mood=mood, kind=number)))
            for mood in (0, 1)
            for number, kind in enumerate(self.kinds)
        )

    def plan(self, facts: Facts) -> Table:
        """What may happen next: a table whose values are the nodes to visit and the facts to start from."""
        if facts.kind < 0:
            return self.begin()
        course = self.kinds[facts.kind].course
        new, close, end = course[min(facts.told, len(course) - 1)]
        told, options = facts.told + 1, []
        fresh = facts._replace(told=told, **FORGOTTEN)
        room = len(course) - 1 - facts.told - len(facts.threads)  # each open thread still needs an ending
        for number in self.of_kind[facts.kind] if new else ():
            episode = self.episodes[number]
            possible = room >= (2 if episode.closing else 1) and not facts.used >> number & 1
            if possible and (not episode.when or episode.when(facts)):
                options.append((episode.weight * new, "", ((*self.telling[number], PLAN), fresh)))
        for position, thread in enumerate(facts.threads):
            if self.talking[thread.episode] and not thread.discussed and new and room:
                after = resumed(facts, position, close=False)._replace(told=told)
                options.append((5 * new, "", ((*self.talking[thread.episode], PLAN), after)))
        for position, thread in enumerate(facts.threads):
            # A thread is not ended right after it was opened, if anything else can happen.
            if facts.told > thread.told or not options:
                after = resumed(facts, position, close=True)._replace(told=told)
                options.append((close, "", ((*self.closing[thread.episode], PLAN), after)))
        if not facts.threads and (end or not options):
            # The end is about the person with whom the document began.
            after = swapped(facts) if facts.a != facts.i else facts
            options.append((max(end, 1), "", ((*self.ending[facts.kind], END), after)))
        return Table(options)

    def step(self, state: State) -> list[tuple[int, str, State]]:
        """All that can happen in a state: (whole-number weight, text, next state). Empty at the end."""
        at, todo, facts = state
        if at == END:
            return []
        node = self.nodes[at]
        prefix, table = node.open(facts)
        options = zip(table.weights, table.pieces, table.values, strict=True)
        return [(weight, prefix + piece, node.move(todo, facts, value)) for weight, piece, value in options]


class Plan:
    """A silent node that decides what happens next: a new episode, the ending of an open one, or the end."""

    __slots__ = ("grammar",)

    def __init__(self, grammar: Grammar):
        self.grammar = grammar

    def open(self, facts: Facts) -> tuple[str, Table]:
        """No words; what may happen."""
        return "", self.grammar.plan(facts)

    def move(self, todo: Todo, facts: Facts, value: tuple[Todo, Facts]) -> State:
        """Start what was picked."""
        (at, *rest), facts = value
        return at, tuple(rest), facts


def collect(folder: str, constant: str) -> tuple[Any, ...]:
    """The `constant` of every file in a folder of this package, in the order of the files' names."""
    package = importlib.import_module(f"groundup.village.{folder}")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(getattr(importlib.import_module(f"{package.__name__}.{name}"), constant) for name in names)


@cache
def village() -> Grammar:
    """The grammar of the full village, made at its first use."""
    episodes = tuple(episode for group in collect("episodes", "EPISODES") for episode in group)
    return Grammar(FULL, collect("kinds", "KIND"), episodes, PHRASES)
