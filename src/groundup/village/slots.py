"""What a slot in a pattern says: "{a}" a name that is known, "{a?}" a name that is chosen now, "{walked|ran}" a choice of words.

    {a} {b} {c}           a person's name;   {a.he} {a.him} {a.his} {a.He} a pronoun where only one person can be meant,
                          else the name;     {a.own} his or her, always;   {a.trade} "miller"
    {a?} {b?} {c?}        somebody new;      {a?trade} the same, introduced by the trade;   {a!} one of the two, who is then `a`
    {x} {h} {an h}        the thing, its look, "an old";     {x?} {x?f} {h?} {an h?} chosen (f: one that breaks)
    {p} {at p} {At p}     "the mill", "at the mill";         {p?} {at p?} chosen: another place than the present one
    {s} {t} {d} {u} {w}   a hiding place, a second one, a day, a subject, something to fetch;   {s?} ... chosen
    {j} the {v}           a job to do, and to what;   {j.past} done
    {n} {n g} {g} {m.was} a number, "two apples", "apples", "was" or "were";  {n?} {g?} chosen;  {k?} chosen below n, and m = n - k
    {:list} {~list}       a word of the lexicon: from a list, or from a list that the mood tilts;  {an ~list} with its article
"""  # fmt: skip

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from groundup.village.lexicon import Lexicon
from groundup.village.table import Table, falling
from groundup.village.world import Facts, swapped, with_fact

NUMBERS = tuple("no one two three four five six seven eight nine ten eleven twelve".split())
PERSONS, THINGS, PLACES = "abcr", "x", "pqo"
SLOT = re.compile(r"(?:(\w+) )?(\w)(?:([?!])(\w*))?(?:\.(\w+))?")
PLACE_OF = {name: place for place, name in enumerate(Facts._fields)}
# What may not be chosen again: nobody meets himself, and what is moved is moved to somewhere else.
TAKEN: dict[str, Callable[[Facts], tuple[int, ...]]] = {
    "b": lambda facts: (facts.a,),
    "c": lambda facts: tuple(sorted((facts.a, facts.b))),
    "r": lambda facts: tuple(sorted((facts.a, facts.b, facts.c))),
    "p": lambda facts: (facts.p,),
    "q": lambda facts: (facts.p,),
    "t": lambda facts: (facts.s,),
}


@dataclass(frozen=True)
class Fact:
    """Words that the world fixes: `render` gives them; `registers` are the facts that they depend on."""

    registers: str
    render: Callable[[Facts], str]


@dataclass(frozen=True)
class Choice:
    """Words that are free: a table that may depend on the facts, and what the choice does to them."""

    table: Callable[[Facts], Table]
    take: Callable[[Facts, Any], Facts] | None = None


def article(word: str) -> str:
    """The word with "a" or "an" before it: by sound, for the words that the village has."""
    return ("an " if word[0] in "aeiou" or word.startswith(("hour", "honest")) else "a ") + word


def capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def a_capital(word: str) -> str:
    return capital(article(word))


class Slots:
    """Gives each slot its meaning in one lexicon, and keeps the tables that it made."""

    def __init__(self, lexicon: Lexicon):
        self.lexicon = lexicon
        self.kept: dict[Hashable, Table] = {}
        self.names: dict[str, tuple[str, ...]] = {"h": lexicon.looks, "d": lexicon.days, "u": lexicon.topics}
        self.names |= {"s": lexicon.spots, "t": lexicon.spots, "v": lexicon.objects}
        self.names |= {"w": lexicon.stuff, "e": lexicon.stuff}
        self.names |= {person: tuple(one.name for one in lexicon.people) for person in PERSONS}
        self.names |= {place: tuple(one.name for one in lexicon.places) for place in PLACES}
        self.names |= {number: NUMBERS for number in "nkm"}
        self.names |= {
            "x": tuple(one.name for one in lexicon.things),
            "g": tuple(many for _, many in lexicon.goods),
            "j": tuple(job.plain for job in lexicon.jobs),
        }
        self.at = tuple(f"{one.at} {one.name}" for one in lexicon.places)

    def part(self, slot: str, pattern: str) -> Fact | Choice:
        """The meaning of one slot. `pattern` is the whole line: a pronoun depends on who else is in it."""
        if "|" in slot:
            options = [word.partition("*") for word in slot.split("|")][: self.lexicon.alternatives]
            table = Table([(int(weight or 1), word, None) for word, _, weight in options])
            return Choice(lambda facts: table)
        form, _, name = slot.rpartition(" ")
        shape = {"an": article, "An": a_capital, "A": capital}.get(form, str)
        if name[0] == ":":
            table = Table([(w, shape(word), None) for w, word in falling(self.lexicon.words[name[1:]])])
            return Choice(lambda facts: table)
        if name[0] == "~":
            return self.tilted(name[1:], shape)
        match = SLOT.fullmatch(slot)
        assert match, f"the slot {slot!r} of {pattern!r} has no meaning"
        form, register, mark, trait, ending = (group or "" for group in match.groups())
        if mark == "!":
            return self.one_of_two(register)
        if mark == "?":
            return self.chosen(register, form, trait)
        return self.known(register, form, ending, pattern)

    def fixed_words(self) -> Iterator[str]:
        """Every text that a fact can be said with."""
        for names in self.names.values():
            yield from names
        yield from self.at
        for person in self.lexicon.people:
            yield f"{person.trade} {person.name}'s"
        yield from (one for one, _ in self.lexicon.goods)
        yield from (job.past for job in self.lexicon.jobs)
        yield "he him his she her was were a an"

    def keep(self, key: Hashable, options: Callable[[], list[tuple[int, str, Any]]]) -> Table:
        """The table of that key, made only once."""
        if key not in self.kept:
            self.kept[key] = Table(options())
        return self.kept[key]

    def tilted(self, name: str, shape: Callable[[str], str]) -> Choice:
        """Words that fit the mood are three times as likely as the others."""
        by_mood = []
        for mood in (0, 1):
            groups = enumerate(self.lexicon.moods[name])
            options = [
                (w * (3 if group == mood else 1), shape(word), None)
                for group, ws in groups
                for w, word in falling(ws)
            ]
            by_mood.append(Table(options))
        return Choice(lambda facts: by_mood[facts.mood])

    def one_of_two(self, register: str) -> Choice:
        """Either of the two persons, by name; whoever is chosen has the role `register` from here on."""
        names = self.names["a"]
        first, second = PLACE_OF[register], PLACE_OF["b" if register == "a" else "a"]

        def table(facts: Facts) -> Table:
            one, two = facts[first], facts[second]
            return self.keep(("!", one, two), lambda: [(1, names[one], False), (1, names[two], True)])

        return Choice(table, lambda facts, swap: swapped(facts) if swap else facts)

    def chosen(self, register: str, form: str, trait: str) -> Choice:
        """A new fact, said now: what it may be depends on what there is already."""
        place = PLACE_OF[register]
        words = self.spoken(register, form, trait)

        def without(taken: Callable[[Facts], tuple[int, ...]]) -> Callable[[Facts], Table]:
            def options(barred: tuple[int, ...]) -> list[tuple[int, str, Any]]:
                return [
                    (w, words[i], i) for w, i in falling(range(len(words))) if i not in barred and words[i]
                ]

            def table(facts: Facts) -> Table:
                barred = taken(facts)
                if len(barred) > 2:  # there would be too many such tables to keep
                    return Table(options(barred))
                return self.keep((register, form, trait, barred), lambda: options(barred))

            return table

        if register in THINGS:

            def show(facts: Facts, thing: int) -> Facts:
                return with_fact(facts, place, thing)._replace(seen=tuple(sorted((*facts.seen, thing))))

            return Choice(without(lambda facts: facts.seen), show)
        if register in "nk":
            return self.counted(register, form)
        taken = TAKEN.get(register, lambda facts: ())
        return Choice(without(taken), lambda facts, value: with_fact(facts, place, value))

    def counted(self, register: str, form: str) -> Choice:
        """A number of goods: n from two on, k from one to n - 1, which leaves m."""
        if register == "n":
            shape = capital if form == "N" else str
            table = Table([(1, shape(NUMBERS[n]), n) for n in range(2, self.lexicon.most + 1)])
            return Choice(lambda facts: table, lambda facts, n: with_fact(facts, PLACE_OF["n"], n))

        def below(facts: Facts) -> Table:
            n = facts.n
            return self.keep(("k", n), lambda: [(1, NUMBERS[k], k) for k in range(1, n)])

        return Choice(below, lambda facts, k: facts._replace(k=k, m=facts.n - k))

    def spoken(self, register: str, form: str, trait: str) -> tuple[str, ...]:
        """How each value of a register is said when it is chosen; an empty word is one that may not be chosen."""
        if register in PERSONS and trait == "trade":
            return tuple(person.trade for person in self.lexicon.people)
        if register in THINGS:
            return tuple(one.name if set(trait) <= set(one.traits) else "" for one in self.lexicon.things)
        names = self.at if form in ("at", "At") else self.names[register]
        return tuple({"an": article, "At": capital, "A": capital}.get(form, str)(name) for name in names)

    def known(self, register: str, form: str, ending: str, pattern: str) -> Fact:
        """Words for a fact that has been said before."""
        place, names = PLACE_OF[register], self.names[register]
        if register in PERSONS and ending:
            return self.pronoun(register, ending, pattern)
        if ending == "past":
            names = tuple(job.past for job in self.lexicon.jobs)
        elif ending == "was":
            names = tuple("was" if number == 1 else "were" for number in range(len(NUMBERS)))
        elif form in ("at", "At"):
            names = self.at
        elif form in ("n", "k", "m"):
            count, goods = PLACE_OF[form], self.lexicon.goods
            said = [
                [f"{word} {goods[i][number != 1]}" for i in range(len(goods))]
                for number, word in enumerate(NUMBERS)
            ]
            return Fact(form + register, lambda facts: said[facts[count]][facts[place]])
        shape = {"an": article, "At": capital, "A": capital}.get(form)
        names = tuple(shape(name) for name in names) if shape else names
        return Fact(register, lambda facts: names[facts[place]])

    def pronoun(self, register: str, ending: str, pattern: str) -> Fact:
        """A pronoun where nobody else in the line has the same one, else the name; a trade or "own" always."""
        place, people = PLACE_OF[register], self.lexicon.people
        others = [
            PLACE_OF[other] for other in PERSONS if other != register and re.search(rf"{{{other}\W", pattern)
        ]
        if ending == "trade":
            return Fact(register, lambda facts: people[facts[place]].trade)
        forms = {"he": ("he", "she"), "him": ("him", "her"), "his": ("his", "her"), "own": ("his", "her")}
        he, she = forms[ending.lower()]
        pronouns = [she if person.pronoun == "she" else he for person in people]
        if ending[0].isupper():
            pronouns = [capital(word) for word in pronouns]
        if ending == "own":
            return Fact(register, lambda facts: pronouns[facts[place]])
        names = [person.name + ("'s" if ending.lower() == "his" else "") for person in people]

        def render(facts: Facts) -> str:
            who = facts[place]
            clash = any(facts[o] >= 0 and people[facts[o]].pronoun == people[who].pronoun for o in others)
            return names[who] if clash else pronouns[who]

        return Fact(register, render)
