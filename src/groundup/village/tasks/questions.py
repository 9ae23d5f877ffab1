"""Questions about a document whose answers follow from its world: "Who has the lamp?", "How many are left?"

Each is a pattern with slots, as the lines of the village are, and a pattern of its answer. A question may be
about a document that is cut off where the matter is still open: then the answer is how things stand there.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from groundup.village.grammar import village
from groundup.village.kinds.notice import SORTS
from groundup.village.slots import NUMBERS, article
from groundup.village.tasks.told import Event, Told
from groundup.village.world import Facts


@dataclass(frozen=True)
class Ask:
    """A question: when the world answers it, how it is put, and the answer. {a} {x} ... are facts."""

    question: str
    answer: str
    cut: bool = False  # it is asked about the text up to the end of the sentence that tells it
    when: Callable[[Facts], bool] | None = None


class Asked(NamedTuple):
    """A question about a text, with its answer."""

    question: str
    text: str
    answer: str
    pattern: str  # how the question is put, before the names are filled in


# What can be asked about an episode as soon as it has been told.
EPISODES: dict[str, tuple[Ask, ...]] = {
    "lending": (
        Ask("Who has the {x} now?", "{b}", cut=True),
        Ask("Whose {x} did {b} borrow?", "{a}"),
        Ask("Who borrowed the {x}?", "{b}"),
        Ask("Until which day was the {x} lent?", "{d}"),
    ),
    "hiding": (
        Ask("Where did {a} hide the {x}?", "{s}"),
        Ask("Where is the {x} now?", "{s}", cut=True, when=lambda facts: facts.t < 0),
        Ask("Where is the {x} now?", "{t}", cut=True, when=lambda facts: facts.t >= 0),
        Ask("Where does {a} believe the {x} to be?", "{s}", cut=True),
    ),
    "losing": (Ask("Where did {a} lose the {x}?", "{at q}"), Ask("Who lost the {x}?", "{a}")),
    "breaking": (Ask("Whose {x} broke?", "{a}"),),
    "promising": (
        Ask("Who was to {j} {c}'s {v}?", "{a}"),
        Ask("Before which day was {a} to {j} the {v}?", "{d}"),
        Ask("Whose {v} was {a} to {j}?", "{c}"),
    ),
    "quarrel": (Ask("What did {a} and {b} quarrel about?", "{u}"),),
    "trading": (
        Ask("How many {g} did {b} pay for the {x}?", "{n}"),
        Ask("Who has the {x} now?", "{b}", cut=True),
    ),
    "sharing": (Ask("How many {g} has {a} now?", "{n}", cut=True),),
    "owing": (Ask("Which day is named for the {x}?", "{d}"),),
    "secret": (Ask("Where is the {x} hidden?", "{s} {at q}"),),
    "inviting": (
        Ask("For which day is the invitation?", "{d}"),
        Ask("Where does {i} want to meet {b}?", "{at q}"),
    ),
    "working": (
        Ask("What has {i} to {j} before {d}?", "{c}'s {v}"),
        Ask("Before which day has {i} to {j} the {v}?", "{d}"),
    ),
}
# What can be asked about a line: the key is a part of its pattern.
LINES: dict[str, tuple[Ask, ...]] = {
    "so {m} {m.was} left": (Ask("How many {g} has {a} left?", "{m}"),),
    "of the {g} for {>price} and kept {m}": (Ask("How many {g} has {a} left?", "{m}"),),
    "{c?} ate the other {m}": (Ask("How many {g} has {a} left?", "none"), Ask("Who ate {m g}?", "{c}")),
    "{c?} bought {k?} of the {g}": (
        Ask("How many {g} has {a} left?", "none"),
        Ask("Who bought {k g}?", "{c}"),
    ),
    "Now {m} {m.is} left": (Ask("How many {g} are left?", "{m}"),),
    "I keep {k?} of the {g}": (Ask("How many {g} does {i} keep?", "{k}"),),
    "of the {g}; I keep {m}": (Ask("How many {g} does {i} keep?", "{m}"),),
    "to {:get} {w?}": (Ask("What did {i} need?", "{w}"),),
    "and {:get} {w?}": (Ask("What did {i} need?", "{w}"),),
    "had no {w?}": (Ask("What did {i} need?", "{w}"),),
    "for {w?}": (Ask("What did {i} need?", "{w}"), Ask("Where did {i} go?", "to {o}")),
}
# What can be asked about a whole document of a kind.
KINDS: dict[str, tuple[Ask, ...]] = {
    "tale": (),
    "letter": (Ask("Who wrote this letter?", "{i}"), Ask("To whom is this letter?", "{b}")),
    "notice": (
        Ask("Who put up this notice?", "{i}"),
        Ask("Where do people find {i}?", "{at o}"),
        Ask("Which day is in the first sentence?", "{f}"),
        Ask("What is lost?", "{an e} {y}", when=lambda facts: SORTS[facts.z] == "lost"),
        Ask("What is for sale?", "{an e} {y}", when=lambda facts: SORTS[facts.z] == "sale"),
    ),
}
# What can be asked for in a tale, by episode.
REQUESTS: dict[str, tuple[str, ...]] = {
    "lending": ("{a} lends {b} {an x}",),
    "hiding": ("{a} hides {an x}", "{a} hides {an x} {s}"),
    "losing": ("{a} loses {an x}", "{a} loses {an x} {at q}"),
    "breaking": ("{a}'s {x} breaks",),
    "promising": ("{a} is to {j} {c}'s {v}",),
    "quarrel": ("{a} and {b} quarrel about {u}", "{b} and {a} quarrel about {u}"),
    "trading": ("{b} pays {a} {n g} for {an x}",),
}


def filled(pattern: str, facts: Facts) -> str:
    """A pattern with the words of a world in place of its slots: {a}, {an x}, {at q}, {n g} "two apples"."""
    slots = village().slots

    def word(found: re.Match[str]) -> str:
        form, _, register = found[1].rpartition(" ")
        value, said = getattr(facts, register), slots.names[register][getattr(facts, register)]
        if form == "at":
            return slots.at[value]
        if form in ("n", "k", "m"):
            count = getattr(facts, form)
            return f"{NUMBERS[count]} {village().lexicon.goods[value][count != 1]}"
        return article(said) if form == "an" else said

    return re.sub(r"{([^}]*)}", word, pattern)


def asked(told: Told) -> Iterator[Asked]:
    """All questions that a document answers, each once."""
    kind = village().kinds[told.facts.kind].name
    whole = Event(kind, len(told.text), told.facts)
    about = [(ask, event) for event in told.events for ask in EPISODES.get(event.name, ())]
    about += [
        (ask, line) for line in told.lines for part in LINES if part in line.name for ask in LINES[part]
    ]
    about += [(ask, whole) for ask in KINDS[kind]]
    found: dict[str, list[Asked]] = {}
    for ask, event in about:
        if ask.when is None or ask.when(event.facts):
            question, answer = filled(ask.question, event.facts), filled(ask.answer, event.facts)
            text = told.text[: event.position] if ask.cut else told.text
            found.setdefault(question, []).append(Asked(question, text, answer, ask.question))
    counts = [
        event.facts.g for event in told.events if event.name in ("sharing", "trading", "shares", "reward")
    ]
    for one in found.values():
        # A question that two events answer is no question; nor is one about apples that came from two sides.
        if len(one) == 1 and ("g}" not in one[0].pattern or len(set(counts)) == len(counts)):
            yield one[0]


def requests(told: Told) -> set[str]:
    """All the requests for a tale that a document fulfils: "Tell a tale in which Rosa loses a coat."."""
    if village().kinds[told.facts.kind].name != "tale":
        return set()
    found = [filled(one, event.facts) for event in told.events for one in REQUESTS.get(event.name, ())]
    return {f"Tell a tale in which {one}." for one in found}
