import math
import re
from fractions import Fraction

import pytest

from groundup.village import sample
from groundup.village.filter import read
from groundup.village.grammar import village
from groundup.village.tasks.labels import LABELS, best_accuracy, examples, label, posterior

COUNT = 500
LISTS = tuple(village().lexicon.moods.values())  # pairs of warm and cold words
MOODS = list(examples("mood", 21, 0, COUNT))


@pytest.fixture(scope="module")
def chances() -> list[dict[str, float]]:
    return [posterior(one.text, "mood") for one in MOODS]


def test_the_best_guess_is_right_as_often_as_it_says_itself(chances: list[dict[str, float]]) -> None:
    guesses = [max(chance, key=lambda name, chance=chance: chance[name]) for chance in chances]
    right = sum(guess == one.label for guess, one in zip(guesses, MOODS, strict=True))
    expected = [max(chance.values()) for chance in chances]
    deviation = math.sqrt(sum(p * (1 - p) for p in expected))
    assert abs(right - sum(expected)) < 3 * deviation
    assert 0.75 < sum(expected) / COUNT < 0.87
    few = [one.text for one in MOODS[:50]]
    assert best_accuracy(few, "mood") == pytest.approx(sum(expected[:50]) / 50)
    assert [label(text, "mood") for text in few] == guesses[:50]


def test_the_chances_of_the_mood_are_calibrated_in_each_range(chances: list[dict[str, float]]) -> None:
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = [
            (chance["warm"], one.label)
            for chance, one in zip(chances, MOODS, strict=True)
            if low <= chance["warm"] < low + 0.25 + (low == 0.75)
        ]
        warm = sum(name == "warm" for _, name in inside)
        deviation = math.sqrt(sum(chance * (1 - chance) for chance, _ in inside))
        assert len(inside) > 20
        assert abs(warm - sum(chance for chance, _ in inside)) < 4 * deviation


def test_a_reader_of_the_moods_words_alone_is_better_than_chance_but_not_better_than_bayes(
    chances: list[dict[str, float]],
) -> None:
    warm, cold = (
        {word for halves in LISTS for word in halves[half]}
        - {word for halves in LISTS for word in halves[1 - half]}
        for half in (0, 1)
    )
    right = 0.0
    for one in MOODS:
        words = re.findall(r"\w+", one.text)
        more = sum(word in warm for word in words) - sum(word in cold for word in words)
        right += 0.5 if more == 0 else float((more > 0) == (one.label == "warm"))
    best = sum(max(chance.values()) for chance in chances)
    assert 0.65 * COUNT < right < best + 3 * math.sqrt(COUNT * 0.25)


def test_the_posterior_is_bayes_rule_in_exact_fractions() -> None:
    for index in range(5):
        text = sample(22, index)
        masses = [Fraction(0), Fraction(0)]
        for facts, mass in read(text, Fraction(1)).ends.items():
            masses[facts.mood] += mass
        assert posterior(text, "mood")["cold"] == pytest.approx(float(masses[1] / sum(masses)), rel=1e-9)


@pytest.mark.parametrize("task", ["kind", "wanted"])
def test_kind_and_unwanted_can_be_read_off_every_text(task: str) -> None:
    found = list(examples(task, 23, 0, 150))
    assert {one.label for one in found} == set(LABELS[task].names)
    assert all(label(one.text, task) == one.label for one in found)
    assert best_accuracy([one.text for one in found], task) == pytest.approx(1)


def test_the_labels_are_what_a_reader_sees() -> None:
    for one in examples("kind", 24, 0, 200):
        letter = re.match(r"From|To \w+, the|\w+, (?:at|in) the .*\nDear ", one.text)
        assert (letter is not None) == (one.label == "letter"), one.text
    for one in examples("wanted", 24, 0, 200):
        assert ("magic" in one.text) == (one.label == "unwanted"), one.text


def test_what_has_no_label_gets_none() -> None:
    assert label("no document", "kind") is None
    assert posterior("no document", "mood") == {}
    tale = next(one.text for one in examples("kind", 1, 0, 50) if one.label == "tale")
    assert label(tale, "wanted") is None
