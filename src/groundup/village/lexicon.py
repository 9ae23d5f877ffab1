"""What a village's words are: its people, things and places, and lists of words to choose from."""

from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple


class Person(NamedTuple):
    """Somebody of the village. Name and trade belong together, always."""

    name: str
    pronoun: str  # "she" or "he"
    trade: str
    doing: tuple[str, ...]  # what goes with the trade: "glazing"
    ware: tuple[str, ...]  # to what it is done, in the plural: "buns"


class Thing(NamedTuple):
    """Something that can be lent, lost or broken."""

    name: str
    traits: str  # s: small enough to hide, f: breaks when it falls, h: heavy
    use: tuple[str, ...]  # what somebody wants it for: "to read in bed", without the "to"


class Place(NamedTuple):
    """Where people go."""

    name: str
    at: str  # the preposition for being there
    spot: tuple[str, ...]  # where exactly: "by the mill wheel"
    stuff: tuple[str, ...]  # what people go there for


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
    nowhere: tuple[str, ...]  # where exactly somebody is, if no place was named
    spots: tuple[str, ...]  # hiding places, which are everywhere
    days: tuple[str, ...]
    goods: tuple[tuple[str, str], ...]  # singular and plural
    jobs: tuple[Job, ...]
    objects: tuple[str, ...]  # what a job is done to
    topics: tuple[str, ...]  # what people quarrel about
    stuff: tuple[str, ...]  # what is fetched
    beasts: tuple[str, ...]  # one of these may run through a whole document
    skies: tuple[str, ...]  # "raining"
    most: int  # the largest number of goods that somebody has
    words: dict[str, tuple[str, ...]]  # "{:name}" chooses one of these
    moods: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]  # "{~name}" chooses a warm or a cold one

    def smaller(self, size: int, *, people: int, most: int) -> "Lexicon":
        """A village with the first `size` words of each list: small enough to list all its documents."""
        things = [[thing for thing in self.things if trait in thing.traits][:size] for trait in "sfh"]
        return replace(
            self,
            people=tuple(
                one._replace(doing=one.doing[:size], ware=one.ware[:size]) for one in self.people[:people]
            ),
            things=tuple(one._replace(use=one.use[:size]) for one in dict.fromkeys(chain(*things))),
            looks=self.looks[:size],
            places=tuple(one._replace(spot=one.spot[:size]) for one in self.places[: size + 1]),
            nowhere=self.nowhere[:size],
            spots=self.spots[: size + 1],
            days=self.days[:size],
            goods=self.goods[:size],
            jobs=self.jobs[:size],
            objects=self.objects[:size],
            topics=self.topics[:size],
            stuff=self.stuff[:size],
            beasts=self.beasts[:size],
            skies=self.skies[:size],
            most=most,
            words={name: words[:size] for name, words in self.words.items()},
            moods={name: (warm[:size], cold[:size]) for name, (warm, cold) in self.moods.items()},
        )
