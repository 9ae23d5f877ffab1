"""How the content is written down: lines, beats that choose a line, episodes of beats, kinds of document."""

from collections.abc import Callable
from dataclasses import dataclass

from groundup.village.world import Facts


@dataclass(frozen=True)
class Line:
    """One way to say something. `when`: the worlds in which it may be chosen; `then` changes the facts."""

    text: str
    weight: int = 1
    when: Callable[[Facts], bool] | None = None
    then: Callable[[Facts], Facts] | None = None


@dataclass(frozen=True)
class Beat:
    """One step of a story, and the lines that can tell it. `glue` stands before the line."""

    lines: tuple[Line, ...]
    glue: str = " "


def beat(*lines: str | Line, glue: str = " ") -> Beat:
    """A beat of lines; a plain string is a line of weight 1."""
    return Beat(tuple(Line(line) if isinstance(line, str) else line for line in lines), glue)


@dataclass(frozen=True)
class Episode:
    """Something that happens: told at once, or (with `closing`) begun now and ended later.

    `talk` are beats that may come once in between, when somebody speaks of what is open.
    """

    name: str
    kinds: tuple[str, ...]  # the kinds of document in which it happens
    beats: tuple[Beat, ...]
    closing: tuple[Beat, ...] = ()
    talk: tuple[Beat, ...] = ()
    weight: int = 4
    when: Callable[[Facts], bool] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of document: how it opens, how it goes on, how it ends."""

    name: str
    weight: int
    opening: tuple[Beat, ...]
    ending: tuple[Beat, ...]
    course: tuple[
        tuple[int, int, int], ...
    ]  # after 0, 1, 2 ... episodes: weights of a new one, an ending, the end
