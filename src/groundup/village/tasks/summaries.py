"""A document in one sentence, with two references: it is right if it says what happened, in that order.

The references follow from the document alone, so the best score is a perfect one in any measure.
"""

from typing import NamedTuple

from groundup.village.grammar import village
from groundup.village.kinds.notice import SORTS
from groundup.village.slots import capital
from groundup.village.tasks.questions import filled
from groundup.village.tasks.told import Told, derived, tell

# What happened, told in two ways.
TALE = {
    "lending": ("{a} lent {b} {an x}", "{b} borrowed {an x} from {a}"),
    "hiding": ("{a} hid {an x} {s}", "{an x} was hidden {s} by {a}"),
    "losing": ("{a} lost {an x} {at q}", "{an x} of {a}'s was lost {at q}"),
    "breaking": ("{a}'s {x} broke", "{an x} of {a}'s was broken"),
    "promising": ("{a} was to {j} {c}'s {v}", "{c} wanted {a} to {j} the {v}"),
    "quarrel": ("{a} and {b} quarrelled about {u}", "there was a quarrel of {a} and {b} about {u}"),
    "trading": ("{a} got {n g} for {an x}", "{b} paid {n g} for {an x}"),
    "sharing": ("{a} had {n g}", "there were {n g} of {a}'s"),
}
LETTER = {
    "owing": ("{an x} of {b}'s", "the {x} that {b} lent"),
    "secret": ("{an x} hidden {at q}", "where {an x} is hidden"),
    "report": ("{c} and {an x}", "{an x} and {c}"),
    "shares": ("{n g}", "{n g} to share"),
    "inviting": ("{d}", "an invitation for {d}"),
    "working": ("{c}'s {v}", "what is to be done to {c}'s {v}"),
}
NOTICE = {
    "lost": ("{i} has lost {an e} {y} {at o}.", "The {e} {y} of {i}'s was lost {at o}."),
    "found": ("{i} has found {an e} {y} {at o}.", "The {e} {y} that {i} has was found {at o}."),
    "sale": ("{i} sells {an e} {y} {at o}.", "The {e} {y} that {i} has {at o} is for sale."),
    "feast": ("{i} invites everybody on {f}, {at o}.", "Everybody may come to {i} {at o} on {f}."),
    "trick": ("{i} promises wonders {at o} on {f}.", "Do not believe what {i} promises {at o} on {f}."),
}


class Summary(NamedTuple):
    """A text and its reference summaries, which say the same."""

    text: str
    references: tuple[str, str]


def example(seed: int, index: int) -> Summary:
    """Document number `index` of `seed` with its summaries."""
    return summary(tell(seed, index))


def summarise(text: str) -> Summary | None:
    """The summaries of any document; None if the text is no possible one."""
    told = derived(text)
    return summary(told) if told else None


def summary(told: Told) -> Summary:
    """The two summaries of a document."""
    return Summary(told.text, (one_sentence(told, 0), one_sentence(told, 1)))


def one_sentence(told: Told, way: int) -> str:
    """What a document says, in one sentence, in the first or the second way of saying it."""
    facts, kind = told.facts, village().kinds[told.facts.kind].name
    if kind == "notice":
        return filled(NOTICE[SORTS[facts.z]][way], facts)
    clauses = TALE if kind == "tale" else LETTER
    found = [filled(clauses[one.name][way], one.facts) for one in told.events if one.name in clauses]
    if kind == "letter":
        start = filled(("{i} writes to {b}", "A letter to {b} from {i}")[way], facts)
        return f"{start}{' about ' if found else ''}{joined(found)}."
    if not found:
        return filled(
            ("{i} and {b} met, and little happened.", "Little happened to {i} and {b}.")[way], facts
        )
    return capital(joined(found)) + "."


def joined(parts: list[str]) -> str:
    """Parts as a list in a sentence: "x, y and z"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
