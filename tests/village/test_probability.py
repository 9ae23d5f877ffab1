import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from groundup.village.episodes.moments import busy
from groundup.village.filter import bits, probability, read, worlds
from groundup.village.grammar import Grammar, village
from groundup.village.patterns import Beat
from groundup.village.walk import sample
from groundup.village.world import State

EPISODES = [episode.name for episode in village().episodes]
# Which lines are told: so that each small village has a few hundred or thousand documents.
NUMBERS = {"lending": 2, "trading": 2, "hiding": 8, "losing": 6, "news": 5, "report": 3, "shares": 2}
CROWDED = ("road", "pockets", "senses", "weather", "seen", "help", "guests", "gossip")  # here five meet


def thin(beats: tuple[Beat, ...], number: int) -> tuple[Beat, ...]:
    """The same beats with one line for each condition, and with one alternative where a slot has several."""
    thinned = []
    for beat in beats:
        groups = [
            [line for line in beat.lines if line.when is when] for when in {one.when for one in beat.lines}
        ]
        chosen = [group[number % len(group)] for group in groups]
        lines = [line for line in beat.lines if line in chosen]
        short = [replace(line, text=re.sub(r"{([^|}]*)\|[^}]*}", r"\1", line.text)) for line in lines]
        thinned.append(replace(beat, lines=tuple(short)))
    return tuple(thinned)


def small_village(name: str, number: int, *, size: int = 1, people: int = 5) -> Grammar:
    """A village so small that its documents can be listed: one episode, few words, a line of each beat."""
    full = village()
    feasts, tricks = ("guests", "guest", "menu"), ("promises", "urging", "boast")
    heading = 5 if name in feasts else 6 if name in tricks else 1
    (told,) = [episode for episode in full.episodes if episode.name == name]
    told = replace(told, when=None if told.when is busy else told.when)  # nothing else happens before it
    told = replace(
        told, beats=thin(told.beats, number), closing=thin(told.closing, number), talk=thin(told.talk, number)
    )
    kinds = tuple(
        replace(
            kind,
            opening=thin(kind.opening[:1], heading) + thin(kind.opening[1:], 0),
            ending=thin(kind.ending, 0),
            course=((1, 0, 0), (0, 1, 1), (0, 1, 1)),
        )
        for kind in full.kinds
        if kind.name in told.kinds
    )
    phrases = {name: thin((beat,), number)[0] for name, beat in full.phrases.items()}
    lexicon = full.lexicon.smaller(size, people=people, most=3)
    if name in ("sharing", "trading", "hiding", "losing", "reward"):  # these would have too many documents
        lexicon = replace(
            lexicon, most=2, moods={key: (warm, warm) for key, (warm, _) in lexicon.moods.items()}
        )
    return Grammar(lexicon, kinds, (told,), phrases)


def walks(grammar: Grammar, state: State, chance: Fraction, text: str) -> Iterator[tuple[str, Fraction]]:
    """Every walk from a state to the end: its text and its exact chance. Nothing clever: the definition."""
    options = grammar.step(state)
    if not options:
        yield text, chance
    total = sum(weight for weight, _, _ in options)
    for weight, piece, after in options:
        yield from walks(grammar, after, chance * Fraction(weight, total), text + piece)


def all_documents(grammar: Grammar) -> dict[str, Fraction]:
    """Every document of a small village with its probability: the sum over all the walks that write it."""
    found: dict[str, Fraction] = defaultdict(Fraction)
    for text, chance in walks(grammar, grammar.start, Fraction(1), ""):
        found[text] += chance
    return dict(found)


@pytest.mark.parametrize("name", EPISODES)
def test_the_filter_gives_each_document_of_a_small_village_its_exact_probability(name: str) -> None:
    number = NUMBERS.get(name, 0)
    grammar = small_village(name, number, people=5 if name in CROWDED else 4)
    documents = all_documents(grammar)
    assert sum(documents.values()) == 1
    assert len(documents) >= 40
    for text in list(documents)[:: len(documents) // 20]:
        assert probability(text, grammar=grammar) == documents[text]
        assert all(facts.used for facts in worlds(text, grammar=grammar)), "the episode was not told"
        assert bits(text, grammar=grammar) == pytest.approx(-math.log2(documents[text]), rel=1e-12)


def test_the_mean_of_bits_over_samples_agrees_with_the_exact_entropy() -> None:
    grammar = small_village("quarrel", 4)
    chances = [float(chance) for chance in all_documents(grammar).values()]
    entropy = -math.fsum(p * math.log2(p) for p in chances)
    spread = math.sqrt(math.fsum(p * (math.log2(p) + entropy) ** 2 for p in chances))
    count = 700
    mean = math.fsum(bits(sample(3, i, grammar=grammar), grammar=grammar) for i in range(count)) / count
    assert spread > 0.1
    assert abs(mean - entropy) < 4 * spread / math.sqrt(count)


def test_the_chance_of_a_beginning_is_the_sum_over_the_documents_that_begin_so() -> None:
    grammar = small_village("working", 0)
    documents = all_documents(grammar)
    text = max(documents, key=len)
    for end in range(0, len(text), 7):
        longer = sum(chance for other, chance in documents.items() if other.startswith(text[:end]))
        assert read(text[:end], Fraction(1), grammar=grammar).unfinished == longer


def test_the_bits_of_a_beginning_are_those_of_all_documents_that_begin_so() -> None:
    grammar = small_village("working", 0)
    documents = all_documents(grammar)
    text = max(documents, key=len)
    assert bits("", complete=False, grammar=grammar) == pytest.approx(0, abs=1e-9)
    for end in (1, len(text) // 2, len(text)):
        chance = sum(chance for other, chance in documents.items() if other.startswith(text[:end]))
        assert bits(text[:end], complete=False, grammar=grammar) == pytest.approx(-math.log2(chance))
    assert bits(text + "?", complete=False, grammar=grammar) == math.inf


def test_what_may_come_after_a_beginning_one_letter_or_the_end_has_a_chance_of_one_in_all() -> None:
    signs = "".join(map(chr, range(32, 127))) + "\n"
    text = sample(8, 3)
    for end in (0, 30, len(text) // 2, len(text) - 1, len(text)):
        begun = text[:end]
        before = bits(begun, complete=False)
        after = [bits(begun + sign, complete=False) for sign in signs]
        chances = [2.0 ** (before - one) for one in [*after, bits(begun)]]
        assert math.fsum(chances) == pytest.approx(1, rel=1e-9)
        assert (end == len(text)) == (chances[-1] > 0.5)


def test_the_letters_of_a_document_and_its_end_cost_as_much_as_the_whole() -> None:
    text = sample(8, 4)
    levels = [bits(text[:end], complete=False) for end in range(0, len(text) + 1, 50)]
    assert levels[0] == pytest.approx(0, abs=1e-9)
    assert all(one <= other + 1e-9 for one, other in zip(levels, levels[1:], strict=False))
    to_the_last = bits(text, complete=False)
    assert bits(text) >= to_the_last >= levels[-1]


def test_the_worlds_after_a_text_have_the_chances_of_bayes_rule() -> None:
    grammar = small_village("passing", 1)
    by_mood: dict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for mood in (0, 1):
        (options,) = [[o for o in grammar.step(grammar.start) if o[2][2].mood == mood]]
        for _, piece, after in options:
            for text, chance in walks(grammar, after, Fraction(1, 2), piece):
                by_mood[text][mood] += chance
    for text, (warm, cold) in list(by_mood.items())[::37]:
        found = [0.0, 0.0]
        for facts, chance in worlds(text, grammar=grammar).items():
            found[facts.mood] += chance
        assert found == pytest.approx([float(warm / (warm + cold)), float(cold / (warm + cold))])
    assert any(warm != cold for warm, cold in by_mood.values())


def naive(grammar: Grammar, text: str) -> Fraction:
    """The probability of a document by plain recursion over `step`, with none of the filter's tables."""
    known: dict[tuple[State, int], Fraction] = {}

    def chance(state: State, position: int) -> Fraction:
        if (state, position) not in known:
            options = grammar.step(state)
            total = sum(weight for weight, _, _ in options)
            known[state, position] = sum(
                (
                    Fraction(weight, total) * chance(after, position + len(piece))
                    for weight, piece, after in options
                    if text.startswith(piece, position)
                ),
                Fraction(0 if options or position < len(text) else 1),
            )
        return known[state, position]

    return chance(grammar.start, 0)


@pytest.mark.parametrize("index", range(6))
def test_the_filter_agrees_with_plain_recursion_on_documents_of_the_full_village(index: int) -> None:
    text = sample(5, index)
    exact = naive(village(), text)
    assert probability(text) == exact
    assert bits(text) == pytest.approx(math.log2(exact.denominator) - math.log2(exact.numerator), rel=1e-12)


def test_masses_far_below_the_smallest_float_do_not_vanish() -> None:
    text = sample(5, 0)
    tiny = read(text, 2.0**-1000)
    assert tiny.shift > 0
    assert tiny.bits == pytest.approx(1000 + bits(text), rel=1e-12)


def test_a_text_that_can_be_written_in_two_ways_gets_the_chances_of_both() -> None:
    plain = small_village("passing", 1)
    (told,) = plain.episodes
    (beat,) = told.beats
    (line,) = beat.lines
    twice = replace(
        told, beats=(replace(beat, lines=(line, replace(line, weight=2), replace(line, text="Hm."))),)
    )
    grammar = Grammar(plain.lexicon, plain.kinds, (twice,), plain.phrases)
    documents = all_documents(grammar)
    assert sum(documents.values()) == 1
    for text, chance in list(documents.items())[::9]:
        assert probability(text, grammar=grammar) == chance


def test_only_a_few_worlds_are_alive_at_any_position() -> None:
    assert max(read(sample(6, index)).most_live for index in range(150)) <= 150


@pytest.mark.parametrize("text", ["", "Once upon a time", "The village", "\n", "On"])
def test_a_text_that_no_document_can_be_has_infinitely_many_bits(text: str) -> None:
    assert bits(text) == math.inf
    assert probability(text) == 0
