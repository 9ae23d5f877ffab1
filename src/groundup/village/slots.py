"""What a slot in a line says: "{a}" a name that is known, "{a?}" a name chosen now, "{walked|ran}" a word.

{a} {b} {c} {r} {i}     a person's name; {a.he} {a.him} {a.his} {a.He}: a pronoun where only one person can be
                        meant, else the name; {a.own}: his or her, always; {a.trade}: "miller"
{a?} {b?} {c?} {r?}     somebody new; {a?trade} the same, by trade; {a!} either a or b, who is `a` from now on
{x} {h} {y} {e}         a thing and its look; {x?} {h?} {an h?} chosen; {x?f} one with the trait f
{p} {at p} {At p}       "the mill", "at the mill"; {p?} {at p?} chosen: another place than the present one
{s} {t} {d} {f} {u} {w} hiding places, days, a subject, an errand; {s?} ... chosen
{B} {W} {K} {F}         an animal, the weather, what somebody is like, how somebody feels; {B?} ... chosen
{a:doing} {a:ware}      what a person of that trade does, and to what; {x:use} what a thing is wanted for;
                        {p:spot} where exactly somebody is at a place
{j} the {v}             a job to do, and to what; {j.past} done
{n} {n g} {g}           a number, "two apples", "apples"; {m.was} {m.is} "was" or "were"; {n?} {g?} chosen;
                        {k?} a number below n, which leaves m = n - k
{:list} {~list}         a word of the lexicon: from a list, or from one that the mood tilts; {an ~list}
{>phrase}               a phrase, which is made of slots again (`grammar.py` sees to it)
"""

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from groundup.village.lexicon import Lexicon, Place
from groundup.village.table import Table, falling
from groundup.village.world import Facts, swapped, with_fact

NUMBERS = tuple("no one two three four five six seven eight nine ten eleven twelve".split())
PERSONS, THINGS, PLACES = "abcri", "xy", "pqo"
TILTED = {"K": "kind", "F": "feel"}  # facts whose choice the mood tilts
MOST_KEPT = 8000  # tables, of about 3 kB each
SLOT = re.compile(r"(?:(\w+) )?(\w)(?:([?!])(\w*))?(?:\.(\w+))?")
OWN = re.compile(r"(\w):(\w+)")
FIELD = {name: place for place, name in enumerate(Facts._fields)}

# What may not be chosen again: nobody meets himself, and what is moved is moved to somewhere else.
TAKEN: dict[str, Callable[[Facts], tuple[int, ...]]] = {
    "a": lambda facts: tuple(sorted((facts.b, facts.c))),
    "b": lambda facts: tuple(sorted((facts.a, facts.c))),
    "c": lambda facts: tuple(sorted((facts.a, facts.b))),
    "r": lambda facts: tuple(sorted((facts.a, facts.b, facts.c, facts.r))),
    "x": lambda facts: facts.seen,
    "q": lambda facts: (facts.p,),
    "t": lambda facts: (facts.s,),
}


@dataclass(frozen=True)
class Fact:
    """Words that the world fixes: `render` gives them, `register` is the fact that they depend on most."""

    register: str
    render: Callable[[Any], str]  # of Facts, which are read by the number of a field


@dataclass(frozen=True)
class Choice:
    """Words that are free: a table that may depend on the facts, and what the choice does to them."""

    table: Callable[[Facts], Table]
    take: Callable[[Facts, Any], Facts] | None = None


def article(word: str) -> str:
    """The word with "a" or "an" before it: by sound, for the words that the village has."""
    vowel = word[0] in "aeiou" and not word.startswith(("used", "one-"))
    return ("an " if vowel or word.startswith(("hour", "honest")) else "a ") + word


def capital(word: str) -> str:
    """The word with a capital letter: it begins a sentence."""
    return word[:1].upper() + word[1:]


# How a word is said: {an h}, {An :animal}, {At p}. "at" is no shape of the word, but another list of words.
SHAPES: dict[str, Callable[[str], str]] = {
    "": str,
    "at": str,
    "an": article,
    "A": capital,
    "N": capital,
    "At": capital,
    "An": lambda word: capital(article(word)),
}


class Slots:
    """Gives each slot its meaning in one lexicon, and keeps the tables that it made."""

    def __init__(self, lexicon: Lexicon):
        self.lexicon = lexicon
        self.kept: dict[Hashable, Table] = {}
        things = tuple(thing.name for thing in lexicon.things)
        self.names: dict[str, tuple[str, ...]] = {
            **dict.fromkeys(PERSONS, tuple(person.name for person in lexicon.people)),
            **dict.fromkeys(PLACES, tuple(place.name for place in lexicon.places)),
            **dict.fromkeys(THINGS, things),
            **dict.fromkeys("he", lexicon.looks),
            **dict.fromkeys("st", lexicon.spots),
            **dict.fromkeys("df", lexicon.days),
            **dict.fromkeys("nkm", NUMBERS),
            "g": tuple(many for _, many in lexicon.goods),
            "j": tuple(job.plain for job in lexicon.jobs),
            "v": lexicon.objects,
            "u": lexicon.topics,
            "w": lexicon.stuff,
            "B": lexicon.beasts,
            "W": lexicon.skies,
            **{one: tuple(chain(*lexicon.moods[name])) for one, name in TILTED.items()},
        }
        self.at = tuple(f"{place.at} {place.name}" for place in lexicon.places)

    def part(self, slot: str, line: str) -> Fact | Choice:
        """The meaning of one slot. `line` is the whole line: a pronoun depends on who else is in it."""
        if "|" in slot:
            table = Table([(1, word, None) for word in slot.split("|")])
            return Choice(lambda facts: table)
        form, _, name = slot.rpartition(" ")
        if name[0] in ":~":
            shape = SHAPES[form]
            return self.tilted(name[1:], shape) if name[0] == "~" else self.listed(name[1:], shape)
        if own := OWN.fullmatch(slot):
            return self.belonging(*own.groups())
        match = SLOT.fullmatch(slot)
        assert match, f"the slot {slot!r} of {line!r} has no meaning"
        form, register, mark, trait, ending = (group or "" for group in match.groups())
        if mark == "!":
            return self.one_of_two(register)
        if mark == "?":
            return self.chosen(register, form, trait)
        return self.known(register, form, ending, line)

    def keep(self, key: Hashable, options: Callable[[], list[tuple[int, str, Any]]]) -> Table:
        """The table of that key, made only once, as long as there are not too many."""
        table = self.kept.get(key)
        if table is None:
            table = Table(options())
            if len(self.kept) < MOST_KEPT:
                self.kept[key] = table
        return table

    def listed(self, name: str, shape: Callable[[str], str]) -> Choice:
        """A word of a list; nothing depends on it."""
        table = Table([(weight, shape(word), None) for weight, word in falling(self.lexicon.words[name])])
        return Choice(lambda facts: table)

    def tilted(self, name: str, shape: Callable[[str], str], register: str = "") -> Choice:
        """A word of a list with a warm and a cold half: the half of the mood is three times as likely.

        With a register the word is a fact from here on.
        """
        warm, cold = (falling(words) for words in self.lexicon.moods[name])
        words = [*((weight, word, 0) for weight, word in warm), *((weight, word, 1) for weight, word in cold)]
        tables = [
            Table(
                (weight * (3 if half == mood else 1), shape(word), n if register else None)
                for n, (weight, word, half) in enumerate(words)
            )
            for mood in (0, 1)
        ]
        if not register:
            return Choice(lambda facts: tables[facts.mood])
        return Choice(lambda facts: tables[facts.mood], lambda facts, n: with_fact(facts, FIELD[register], n))

    def belonging(self, register: str, name: str) -> Choice:
        """A word that goes with a fact: what a baker does, what a lamp is for, where one sits."""
        lexicon, field = self.lexicon, FIELD[register]
        owners = {"x": lexicon.things, "y": lexicon.things, **dict.fromkeys(PLACES, lexicon.places)}
        lists = [getattr(owner, name) for owner in owners.get(register, lexicon.people)]
        lists += [lexicon.nowhere] if register in PLACES else []  # the place with the number -1
        tables = [Table((weight, word, None) for weight, word in falling(words)) for words in lists]

        def table(facts: Any) -> Table:
            return tables[facts[field]]

        return Choice(table)

    def one_of_two(self, register: str) -> Choice:
        """Either of the two persons, by name; whoever is chosen has the role `register` from here on."""
        names = self.names["a"]
        first, second = FIELD[register], FIELD["b" if register == "a" else "a"]

        def table(facts: Any) -> Table:
            one, two = facts[first], facts[second]
            return self.keep(("!", one, two), lambda: [(1, names[one], False), (1, names[two], True)])

        return Choice(table, lambda facts, swap: swapped(facts) if swap else facts)

    def chosen(self, register: str, form: str, trait: str) -> Choice:
        """A new fact, said now. What it may be depends on what there is already."""
        if register == "n":
            most, shape = self.lexicon.most, SHAPES[form]
            numbers = Table([(1, shape(NUMBERS[n]), n) for n in range(2, most + 1)])
            return Choice(lambda facts: numbers, lambda facts, n: with_fact(facts, FIELD["n"], n))
        if register == "k":
            return Choice(self.fewer, lambda facts, k: facts._replace(k=k, m=facts.n - k))
        if register in TILTED:
            return self.tilted(TILTED[register], SHAPES[form], register)
        field, words, taken = FIELD[register], self.spoken(register, form, trait), self.taken(register)

        def table(facts: Facts) -> Table:
            out = taken(facts)

            def options() -> list[tuple[int, str, Any]]:
                free = [i for i, word in enumerate(words) if word and i not in out]
                return [(weight, words[i], i) for weight, i in falling(free)]

            return self.keep((register, form, trait, out), options)

        def take(facts: Facts, value: int) -> Facts:
            if register in THINGS:
                facts = facts._replace(seen=tuple(sorted((*facts.seen, value))))
            return with_fact(facts, field, value)

        return Choice(table, take)

    def taken(self, register: str) -> Callable[[Facts], tuple[int, ...]]:
        """What may not be chosen for a register, by the facts there are."""
        if register != "w":
            return TAKEN.get(register, lambda facts: ())
        barred = [self.unsold(place) for place in self.lexicon.places] + [()]  # no place: everything
        return lambda facts: barred[facts.p]

    def unsold(self, place: Place) -> tuple[int, ...]:
        """The stuff that nobody goes to a place for; none at all in a village that is too small for that."""
        stuff = self.lexicon.stuff
        found = tuple(n for n, one in enumerate(stuff) if one not in place.stuff)
        return found if len(found) < len(stuff) else ()

    def fewer(self, facts: Facts) -> Table:
        """A number of goods that leaves at least one."""
        return self.keep(("k", facts.n), lambda: [(1, NUMBERS[k], k) for k in range(1, facts.n)])

    def spoken(self, register: str, form: str, trait: str) -> tuple[str, ...]:
        """How each value of a register is said when it is chosen; an empty word may not be chosen."""
        if register in PERSONS and trait == "trade":
            return tuple(person.trade for person in self.lexicon.people)
        if register in THINGS:
            return tuple(one.name if set(trait) <= set(one.traits) else "" for one in self.lexicon.things)
        names = self.at if form in ("at", "At") else self.names[register]
        return tuple(SHAPES[form](name) for name in names)

    def known(self, register: str, form: str, ending: str, line: str) -> Fact:
        """Words for a fact that has been said before."""
        field, names = FIELD[register], self.names[register]
        if register in PERSONS and ending:
            return self.pronoun(register, ending, line)
        if form in ("n", "k", "m"):
            count, goods = FIELD[form], self.lexicon.goods
            said = [[f"{word} {both[n != 1]}" for both in goods] for n, word in enumerate(NUMBERS)]
            return Fact(form, lambda facts: said[facts[count]][facts[field]])
        if ending == "past":
            names = tuple(job.past for job in self.lexicon.jobs)
        elif ending in ("was", "is"):
            plural = {"was": "were", "is": "are"}[ending]
            names = tuple(ending if number == 1 else plural for number in range(len(NUMBERS)))
        elif form in ("at", "At"):
            names = self.at
        names = tuple(SHAPES[form](name) for name in names)
        return Fact(register, lambda facts: names[facts[field]])

    def pronoun(self, register: str, ending: str, line: str) -> Fact:
        """A pronoun, or the name where somebody else in the line has the same pronoun; a trade; or "own"."""
        field, people = FIELD[register], self.lexicon.people
        if ending == "trade":
            return Fact(register, lambda facts: people[facts[field]].trade)
        others = [FIELD[one] for one in PERSONS if one != register and re.search(rf"{{{one}\W", line)]
        forms = {"he": ("he", "she"), "him": ("him", "her"), "his": ("his", "her"), "own": ("his", "her")}
        shape = capital if ending[0].isupper() else str
        he, she = map(shape, forms[ending.lower()])
        pronouns = [she if person.pronoun == "she" else he for person in people]
        if ending == "own":
            return Fact(register, lambda facts: pronouns[facts[field]])
        names = [person.name + ("'s" if ending.lower() == "his" else "") for person in people]

        def render(facts: Any) -> str:
            who = facts[field]
            same = [facts[other] for other in others if facts[other] >= 0]
            clash = any(people[other].pronoun == people[who].pronoun for other in same)
            return names[who] if clash else pronouns[who]

        return Fact(register, render)

    def fixed_words(self) -> Iterator[str]:
        """Every text that a fact can be said with."""
        for names in self.names.values():
            yield from names
        yield from self.at
        for person in self.lexicon.people:
            yield from (*person.doing, *person.ware)
        for thing in self.lexicon.things:
            yield from thing.use
        for place in self.lexicon.places:
            yield from place.spot
        yield from self.lexicon.nowhere
        yield from (f"{person.trade} {person.name}'s" for person in self.lexicon.people)
        yield from (one for one, _ in self.lexicon.goods)
        yield from (job.past for job in self.lexicon.jobs)
        yield "he him his she her was were is are a an"
