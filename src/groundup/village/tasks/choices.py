"""Multiple choice: the beginning of a document and four endings, three of which contradict it in one word.

A reader of the endings alone is exactly at chance, for a reason and not by luck: questions come in groups of
four with the same four endings, and each ending is right once. The beginnings of a group tell the same
document with the roles of four words exchanged in a circle. The best score is 1: each wrong ending is
impossible.
"""

import math
import re
from itertools import product
from typing import NamedTuple

from groundup.village.filter import bits
from groundup.village.grammar import village
from groundup.village.randomness import Draws
from groundup.village.tasks.told import Part, Told, tell

OPTIONS = 4
REGISTERS = "abcixypqostdfwug"  # facts with a name. A count cannot be exchanged: another count depends on it
FAR = 1 << 40  # documents that replace one without a question are this far away
SENTENCE_END = re.compile(r"[.!?][\"']? |\n")


class Question(NamedTuple):
    """One question of multiple choice."""

    prompt: str  # the beginning of a document; it ends without a space
    endings: tuple[str, ...]  # how it may go on, to its end; each begins with a space or a new line
    answer: int  # the place of the right ending
    register: str  # the letter of the fact that is asked about (see `slots.py`)


def question(seed: int, index: int) -> Question:
    """Question number `index` of `seed`; the numbers 4 k to 4 k + 3 are one group with the same endings."""
    return group(seed, index // OPTIONS)[index % OPTIONS]


def group(seed: int, number: int) -> tuple[Question, ...]:
    """Four questions with the same four endings, each of which is right once."""
    for attempt in range(1000):
        index = number + attempt * FAR
        if found := from_document(tell(seed, index), Draws(~seed, index)):
            return found
    raise AssertionError("the village has no question for a thousand documents")


def from_document(told: Told, draws: Draws) -> tuple[Question, ...] | None:
    """Four questions about one fact of a document, or None if it has no fact that can be exchanged."""
    facts = [part for part in told.parts if part.cause == "fact" and part.register in REGISTERS]
    facts = [part for part in facts if part.start > len(told.text) // 2]
    while facts:
        letters = sorted({part.register for part in facts})
        letter = letters[draws.below(len(letters))]  # else most questions would be about the same person
        same = [part for part in facts if part.register == letter]
        part = same[draws.below(len(same))]
        facts.remove(part)
        if found := about(told, part, draws):
            return found
    return None


def about(told: Told, part: Part, draws: Draws) -> tuple[Question, ...] | None:
    """Four questions about one fact, if its document can be told of four values of that fact."""
    text, said = told.text, told.text[part.start : part.end]
    begun = [found.end() for found in SENTENCE_END.finditer(text, 0, part.start)]
    cut = begun[-1] - 1 if begun else 0  # the ending carries the space or the new line before it
    prompt, before, after = text[:cut], text[cut : part.start], text[part.end :]
    kin = kindred(said, part.register)
    if not cut or not kin or re.search(rf"\b{said}\b", before + after):
        return None
    unused = [word for word in kin if not re.search(rf"\b{word}\b", before + after)]
    # Words that the beginning has are the better wrong answers: it is not enough to have seen the word.
    unused.sort(key=lambda word: (not re.search(rf"\b{word}\b", prompt), draws.below(1 << 30)))
    circle = [said]
    for word in unused[:8]:
        if bits(prompt + before + word + after) == math.inf:
            circle.append(word)
        if len(circle) == OPTIONS:
            break
    if len(circle) < OPTIONS:
        return None
    endings = [before + word + after for word in circle]
    places = list(range(OPTIONS))
    for n in range(OPTIONS - 1, 0, -1):  # shuffled, so that the place says nothing either
        m = draws.below(n + 1)
        places[n], places[m] = places[m], places[n]
    questions = []
    for turn in range(OPTIONS):
        new = dict(zip(circle, circle[turn:] + circle[:turn], strict=True))
        beginning = exchanged(prompt, new, part.register)
        possible = [bits(beginning + ending) < math.inf for ending in endings]
        if possible != [n == turn for n in range(OPTIONS)]:
            return None
        # The order is the same in the whole group: what sees only the endings must give the same answer
        # four times, and is right once.
        shown = tuple(endings[n] for n in places)
        questions.append(Question(beginning, shown, places.index(turn), part.register))
    return tuple(questions)


def kindred(said: str, register: str) -> list[str]:
    """The other values of a fact with which the same sentences can be said: same pronoun, same traits."""
    lexicon = village().lexicon
    if register in "abci":
        pronoun = {person.name: person.pronoun for person in lexicon.people}
        return [name for name in pronoun if name != said and pronoun[name] == pronoun.get(said)]
    if register in "pqo":
        at = {place.name: place.at for place in lexicon.places}
        return [name for name in at if name != said and at[name] == at.get(said)]
    if register in "xy":
        traits = {thing.name: thing.traits for thing in lexicon.things}
        return [name for name in traits if name != said and traits[name] == traits.get(said)]
    names = village().slots.names[register]
    return [name for name in names if name != said] if said in names else []


def exchanged(text: str, new: dict[str, str], register: str) -> str:
    """The text with words exchanged, and with what goes with them: a person's work, a single apple."""
    lexicon = village().lexicon
    pairs = dict(new)
    if register in "abci":
        people = {person.name: person for person in lexicon.people}
        for old, name in new.items():
            one, other = people[old], people[name]
            pairs |= {one.trade: other.trade, **dict(zip(one.ware, other.ware, strict=True))}
            both = zip(product(one.doing, one.ware), product(other.doing, other.ware), strict=True)
            pairs |= {" ".join(work): " ".join(same) for work, same in both}
    if register == "g":
        one = {many: single for single, many in lexicon.goods}
        pairs |= {one[old]: one[name] for old, name in new.items()}
    if register in "pqo":  # "The mill", "the mill", "at the mill"
        pairs = {old.removeprefix("the "): name.removeprefix("the ") for old, name in new.items()}
    longest = sorted(pairs, key=len, reverse=True)
    return re.sub(rf"\b(?:{'|'.join(longest)})\b", lambda found: pairs[found.group()], text)
