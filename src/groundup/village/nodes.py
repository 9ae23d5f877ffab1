"""The nodes of the grammar: each says what comes next in a world, and where the walk goes after a choice.

`open(facts)` gives the words that are certain and a table of what may follow them; `move(todo, facts, value)`
gives the state after one of the table's values was chosen.
"""

from typing import Any, Protocol

from groundup.village.patterns import Line
from groundup.village.slots import Choice, Fact
from groundup.village.table import Table
from groundup.village.world import Facts, State, Todo, opened

SILENT = Table([(1, "", None)])


class Node(Protocol):
    """What all nodes can do."""

    def open(self, facts: Facts) -> tuple[str, Table]: ...

    def move(self, todo: Todo, facts: Facts, value: Any, /) -> State: ...


def said(parts: list[str | Fact], facts: Facts) -> str:
    """The words of parts that are certain in a world."""
    return "".join([part if isinstance(part, str) else part.render(facts) for part in parts])


class Say:
    """Says fixed words (`parts`) and then one choice of words; then the next node, or the line is done."""

    __slots__ = ("choice", "last", "line", "number", "parts")

    def __init__(self, number: int, parts: list[str | Fact], choice: Choice | None, line: Line, last: bool):
        self.number, self.parts, self.choice, self.line, self.last = number, parts, choice, line, last

    def open(self, facts: Facts) -> tuple[str, Table]:
        """The fixed words and the choice."""
        return said(self.parts, facts), self.choice.table(facts) if self.choice else SILENT

    def move(self, todo: Todo, facts: Facts, value: Any) -> State:
        """On to the next node of the line, or back to whoever wanted the line."""
        if self.choice and self.choice.take:
            facts = self.choice.take(facts, value)
        if not self.last:
            return self.number + 1, todo, facts
        return todo[0], todo[1:], self.line.then(facts) if self.line.then else facts


class Call:
    """Says fixed words and then lets a phrase follow, before the line goes on."""

    __slots__ = ("parts", "phrase", "then")

    def __init__(self, parts: list[str | Fact], phrase: int, then: int):
        self.parts, self.phrase, self.then = parts, phrase, then

    def open(self, facts: Facts) -> tuple[str, Table]:
        """The fixed words."""
        return said(self.parts, facts), SILENT

    def move(self, todo: Todo, facts: Facts, value: Any) -> State:
        """On to the phrase, which comes back to `then`."""
        return self.phrase, (self.then, *todo), facts


class Choose:
    """Picks one of a beat's lines, and says the words with which it begins."""

    __slots__ = ("conditions", "options", "tables")

    def __init__(self, options: list[tuple[Line, str, int]]):
        self.options = [(line, (line.weight, start, node)) for line, start, node in options]
        self.conditions = list(dict.fromkeys(line.when for line, _, _ in options if line.when))
        self.tables: dict[tuple[bool, ...], Table] = {}

    def open(self, facts: Facts) -> tuple[str, Table]:
        """The lines that this world allows."""
        holds = tuple([when(facts) for when in self.conditions])
        if holds not in self.tables:
            options = [option for line, option in self.options if not line.when or line.when(facts)]
            self.tables[holds] = Table(options)
        return "", self.tables[holds]

    def move(self, todo: Todo, facts: Facts, value: int) -> State:
        """On to the rest of the line."""
        return value, todo, facts


class Done:
    """Ends an episode's telling: it is not told again here, and its thread is open if it has one."""

    __slots__ = ("episode", "opens")

    def __init__(self, episode: int, opens: bool):
        self.episode, self.opens = episode, opens

    def open(self, facts: Facts) -> tuple[str, Table]:
        """No words and no choice."""
        return "", SILENT

    def move(self, todo: Todo, facts: Facts, value: Any) -> State:
        """Back to the plan."""
        facts = facts._replace(used=facts.used | 1 << self.episode)
        return todo[0], todo[1:], opened(facts, self.episode) if self.opens else facts
