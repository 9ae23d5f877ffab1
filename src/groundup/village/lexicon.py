"""What a village's words are: its people, things and places, and lists of words to choose from."""

from dataclasses import dataclass, replace
from typing import NamedTuple


class Person(NamedTuple):
    """Somebody of the village. Name and trade belong together, always."""

    name: str
    pronoun: str  # "she" or "he"
    trade: str


class Thing(NamedTuple):
    """Something that can be lent, lost or broken."""

    name: str
    traits: str  # s: small enough to hide, f: breaks when it falls, h: heavy


class Place(NamedTuple):
    """Where people go."""

    name: str
    at: str  # the preposition for being there


class Job(NamedTuple):
    """A verb for work that is promised."""

    plain: str
    past: str  # also the participle


@dataclass(frozen=True)
class Lexicon:
    """All words that patterns can choose from. A smaller one makes a village that can be enumerated."""

    people: tuple[Person, ...]
    things: tuple[Thing, ...]
    looks: tuple[str, ...]
    places: tuple[Place, ...]
    spots: tuple[str, ...]
    days: tuple[str, ...]
    goods: tuple[tuple[str, str], ...]  # singular and plural
    jobs: tuple[Job, ...]
    objects: tuple[str, ...]  # what a job is done to
    topics: tuple[str, ...]  # what people quarrel about
    stuff: tuple[str, ...]  # what is fetched, given and eaten
    most: int  # the largest number of goods that somebody has
    words: dict[str, tuple[str, ...]]  # "{:name}" chooses one of these
    moods: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]  # "{~name}" chooses a warm or a cold one

    def smaller(self, size: int, *, people: int, most: int) -> "Lexicon":
        """A village with the first `size` words of each list: small enough to list all its documents."""
        things = [[thing for thing in self.things if trait in thing.traits][:size] for trait in "sfh"]
        return replace(
            self,
            people=self.people[:people],
            things=tuple(dict.fromkeys(thing for group in things for thing in group)),
            looks=self.looks[:size],
            places=self.places[: size + 1],
            spots=self.spots[: size + 1],
            days=self.days[:size],
            goods=self.goods[:size],
            jobs=self.jobs[:size],
            objects=self.objects[:size],
            topics=self.topics[:size],
            stuff=self.stuff[:size],
            most=most,
            words={name: words[:size] for name, words in self.words.items()},
            moods={name: (warm[:size], cold[:size]) for name, (warm, cold) in self.moods.items()},
        )
