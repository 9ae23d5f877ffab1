import math
import re
from collections import Counter
from statistics import fmean

import pytest

from groundup.village import bits, sample
from groundup.village.grammar import END, village
from groundup.village.nodes import Call, Say
from groundup.village.randomness import Draws
from groundup.village.slots import Fact, article

TEXTS = [sample(11, index) for index in range(300)]
LONG = 300  # bytes between the two ends of a long dependency
SMALL_WORDS = {"he", "she", "him", "her", "his", "He", "She", "was", "were", "is", "are"}


@pytest.fixture(scope="module")
def floors() -> list[float]:
    return [bits(text) for text in TEXTS]


def test_a_document_holds_at_least_120_bits(floors: list[float]) -> None:
    assert 120 <= fmean(floors) <= 250


def test_a_byte_holds_between_0_35_and_0_6_bits(floors: list[float]) -> None:
    assert 0.35 <= sum(floors) / sum(map(len, TEXTS)) <= 0.6


def test_documents_are_250_to_700_bytes_long() -> None:
    assert fmean(250 <= len(text.encode()) <= 700 for text in TEXTS) > 0.9
    assert 400 < fmean(map(len, TEXTS)) < 600


def test_no_two_documents_in_a_million_are_equal(floors: list[float]) -> None:
    same = fmean(2.0**-floor for floor in floors)  # the chance that two documents are equal
    assert same * math.comb(10**6, 2) < 1e-6
    many = [sample(12, index) for index in range(2000)]
    assert len(set(many)) == len(many)


def longest_dependency(seed: int, index: int) -> int:
    """Bytes between a word that a fact fixes and the last place before it that said that fact, at most."""
    grammar, draws, text, longest = village(), Draws(seed, index), "", 0
    at, todo, facts = grammar.start
    while at != END:
        node = grammar.nodes[at]
        for part in node.parts if isinstance(node, Say | Call) else ():
            said = part if isinstance(part, str) else part.render(facts)
            if isinstance(part, Fact) and said not in SMALL_WORDS and said in text:
                longest = max(longest, len(text) - text.rindex(said) - len(said))
            text += said
        _, table = node.open(facts)
        choice = table.pick(draws)
        text += table.pieces[choice]
        at, todo, facts = node.move(todo, facts, table.values[choice])
    assert text == sample(seed, index)
    return longest


def test_half_of_the_documents_have_a_dependency_over_300_bytes() -> None:
    assert fmean(longest_dependency(11, index) >= LONG for index in range(200)) >= 0.5


def test_a_document_tells_two_to_six_episodes_and_closes_what_it_opened() -> None:
    grammar, told = village(), Counter()
    for index in range(300):
        draws = Draws(13, index)
        at, todo, facts = grammar.start
        while at != END:
            _, table = grammar.nodes[at].open(facts)
            at, todo, facts = grammar.nodes[at].move(todo, facts, table.values[table.pick(draws)])
        assert facts.threads == ()
        told[facts.told] += 1
    assert set(told) == {2, 3, 4, 5, 6}


def test_every_line_is_said_sometimes() -> None:
    grammar, said = village(), set()
    for index in range(1200):
        draws = Draws(14, index)
        at, todo, facts = grammar.start
        while at != END:
            said.add(at)
            _, table = grammar.nodes[at].open(facts)
            at, todo, facts = grammar.nodes[at].move(todo, facts, table.values[table.pick(draws)])
    never = [
        node.line.text
        for number, node in enumerate(grammar.nodes)
        if isinstance(node, Say) and number not in said
    ]
    assert never == []


def test_the_english_is_clean() -> None:
    for text in (sample(15, index) for index in range(600)):
        assert not re.search(r"  |\s$|^\s|[{}|?~]\w|-1", text), text
        assert not re.search(r"\b[Aa] (?!used|one-)[aeiou]|\b[Aa]n [^aeiouh]", text), text
        sentences = re.split(r"(?<=[.!?]) |(?<=\.\") ", text)
        assert all(re.match(r"[\"']?[A-Z]", sentence) for sentence in sentences), text
        assert not re.search(r"\b(\w+) (lent|gave|met|told|asked|sold) \1\b", text), text


def test_nobody_meets_or_writes_to_himself() -> None:
    for text in (sample(16, index) for index in range(800)):
        names = [re.match(r"From (\w+) .*\nDear (\w+),", text), re.match(r"To (\w+), .* from (\w+),", text)]
        names.append(re.search(r"(\w+) and (\w+) stood", text))
        assert all(found is None or found[1] != found[2] for found in names), text


def test_people_go_only_where_there_is_what_they_want() -> None:
    stuff = {place.name: place.stuff for place in village().lexicon.places}
    seen = 0
    for text in (sample(17, index) for index in range(300)):
        if found := re.search(r"to (the \w+) to (?:buy|fetch|find|borrow|steal) (\w+)\.", text):
            assert found[2] in stuff[found[1]], found
            seen += 1
    assert seen > 10


def test_people_do_what_belongs_to_their_trade() -> None:
    people = {person.name: person for person in village().lexicon.people}
    seen = 0
    for text in (sample(17, index) for index in range(300)):
        for name, doing in re.findall(r"(\w+) was there too, ([^.]*)\.", text):
            assert doing.startswith(people[name].doing)
            assert any(ware in doing for ware in people[name].ware)
            seen += 1
    assert seen > 5


def test_a_document_has_one_animal_that_comes_back() -> None:
    seen = 0
    for text in (sample(17, index) for index in range(300)):
        if found := re.search(r"(?:led|talking to) an? [\w-]+ (\w+)(?: on a string|,)", text):
            back = re.findall(r"\b[Tt]he (\w+) (?:ate|was asleep|dragged|had eaten)", text)
            assert set(back) <= {found[1]}, text
            seen += bool(back)
    assert seen > 10


def test_articles_follow_the_sound() -> None:
    assert [article(word) for word in ("old", "honest", "horse", "used", "one-eyed", "red")] == [
        "an old",
        "an honest",
        "a horse",
        "a used",
        "a one-eyed",
        "a red",
    ]


def test_the_mood_makes_its_words_three_times_as_likely() -> None:
    grammar = village()
    for name, halves in grammar.lexicon.moods.items():
        table = grammar.slots.tilted(name, str).table
        for mood in (0, 1):
            options = table(grammar.start[2]._replace(mood=mood))
            first, second = len(halves[0]), len(halves[1])
            assert sum(options.weights[:first]) * first != 0
            warm, cold = options.weights[0], options.weights[first]
            assert warm * (1, 3)[mood] == cold * (3, 1)[mood], (name, first, second)
