import math
from collections import defaultdict
from fractions import Fraction
from statistics import fmean

import pytest

from groundup.village import bits, check, probability, sample
from groundup.village.filter import read
from groundup.village.grammar import village
from groundup.village.tasks.preferences import (
    BEGIN,
    FIRST,
    GO_ON,
    Judged,
    Pair,
    Preference,
    free_words,
    judged,
    pair,
    village_preferences,
)

PAIRS = [pair(61, index) for index in range(150)]


def test_both_ways_to_go_on_are_possible_and_different() -> None:
    for one in PAIRS:
        assert bits(one.prompt + one.first) < math.inf
        assert bits(one.prompt + one.second) < math.inf
        assert one.first != one.second
        assert check(one.prompt, complete=False) is None


def test_one_of_the_two_is_the_document_of_that_number() -> None:
    for index, one in enumerate(PAIRS):
        assert sample(61, index) in (one.prompt + one.first, one.prompt + one.second)


@pytest.mark.parametrize("index", range(6))
def test_the_odds_are_the_exact_ones_and_the_prompt_does_not_change_them(index: int) -> None:
    one = PAIRS[index]
    first, second = probability(one.prompt + one.first), probability(one.prompt + one.second)
    begun = read(one.prompt, Fraction(1)).unfinished
    assert one.log_odds == pytest.approx(math.log2(first / second), abs=1e-9)
    assert one.log_odds == pytest.approx(math.log2((first / begun) / (second / begun)), abs=1e-9)
    assert one.chance == pytest.approx(float(first / (first + second)), abs=1e-9)


def test_the_chosen_one_is_drawn_with_the_odds() -> None:
    chances = [one.chance for one in PAIRS]
    first = sum(one.chosen == 0 for one in PAIRS)
    assert abs(first - sum(chances)) < 4 * math.sqrt(sum(p * (1 - p) for p in chances))
    right = sum((one.log_odds > 0) == (one.chosen == 0) for one in PAIRS)
    best = [one.best_accuracy for one in PAIRS]
    assert abs(right - sum(best)) < 3 * math.sqrt(sum(p * (1 - p) for p in best))
    assert fmean(best) > 0.65


def test_the_longer_or_the_first_text_is_not_preferred_for_that() -> None:
    assert 0.35 < fmean(one.chosen for one in PAIRS) < 0.65


def test_one_change_gives_texts_with_one_other_word() -> None:
    for index in range(20):
        one = pair(62, index, changes=1)
        start = next(n for n in range(len(one.first)) if one.first[n] != one.second[n])
        rest = 1
        while one.first[-rest] == one.second[-rest]:
            rest += 1
        assert start + rest <= min(len(one.first), len(one.second)) + 1
        assert len(one.first[start : len(one.first) - rest + 1]) < 40


def test_more_changes_make_the_odds_less_even() -> None:
    few, many = ([abs(pair(63, i, changes=n).log_odds) for i in range(60)] for n in (1, 20))
    assert fmean(many) > 3 * fmean(few)


def test_the_free_words_stand_where_they_are_said_to() -> None:
    kinds: dict[int, int] = defaultdict(int)
    for index in range(20):
        text, places = free_words(64, index, village())
        assert text == sample(64, index)
        for position, table, choice in places:
            assert text.startswith(table.pieces[choice], position)
            kinds[id(table)] += 1
    assert len(kinds) > 20


def test_even_odds_are_a_chance_of_a_half() -> None:
    even = Pair("", "a", "b", 0.0, 0)
    assert (even.chance, even.best_accuracy) == (0.5, 0.5)
    assert even._replace(log_odds=-2.0).chance == pytest.approx(0.2)
    assert even._replace(log_odds=-2.0).best_accuracy == pytest.approx(0.8)


GIVEN = village_preferences(61, "train", 30)


def test_as_instructions_they_are_the_pairs_of_their_split_with_the_odds_of_the_chosen_one() -> None:
    for index, one in enumerate(GIVEN):
        source = pair(61, FIRST["train"] + index)
        endings = (source.first.strip(), source.second.strip())
        assert (one.chosen, one.rejected) == (endings[source.chosen], endings[1 - source.chosen])
        assert (one.instruction, one.input) == (GO_ON if source.prompt else BEGIN, source.prompt)
        given = probability(source.prompt + (source.first, source.second)[source.chosen])
        other = probability(source.prompt + (source.first, source.second)[1 - source.chosen])
        assert one.log_odds == pytest.approx(math.log2(given / other), abs=1e-9)
    assert {one.instruction for one in GIVEN} == {GO_ON, BEGIN}
    assert any(one.log_odds < 0 for one in GIVEN)


def test_splits_are_of_other_documents_and_more_pairs_begin_with_the_same_ones() -> None:
    texts = [{one.chosen for one in village_preferences(61, split, 20)} for split in FIRST]
    assert not texts[0] & texts[1]
    assert not texts[1] & texts[2]
    assert not texts[0] & texts[2]
    assert village_preferences(61, "train", 5) == GIVEN[:5]
    with pytest.raises(ValueError, match="no split 'tests'. Known: train, validation, test"):
        village_preferences(61, "tests", 1)


def test_judging_two_pairs_by_hand() -> None:
    """Odds of 3 : 1 for the chosen one, and of 1 : 3: there the drawn choice was the worse one."""
    pairs = [Preference("", "", "a", "b", log_odds) for log_odds in (math.log2(3), -math.log2(3))]
    assert judged(pairs, [2.0, -0.1]) == pytest.approx(Judged(1.0, 0.75, 0.75))
    assert judged(pairs, [2.0, 0.1]) == pytest.approx(Judged(0.5, 0.5, 0.75))
    assert judged(pairs, [-1.0, 0.1]) == pytest.approx(Judged(0.0, 0.25, 0.75))
    assert judged(pairs, [0.0, 0.0]) == pytest.approx(Judged(0.5, 0.5, 0.75))
    even = Preference("", "", "a", "b", 0.0)
    assert judged([*pairs, even], [1.0, -1.0, 1.0]) == pytest.approx(Judged(1.0, 2 / 3, 2 / 3))


def test_the_best_reader_reaches_the_best_agreement_and_its_opposite_the_worst() -> None:
    best = judged(GIVEN, [one.log_odds for one in GIVEN])
    worst = judged(GIVEN, [-one.log_odds for one in GIVEN])
    assert best.better == 1.0
    assert worst.better == 0.0
    assert best.agreement == best.best_agreement == pytest.approx(1 - worst.agreement)
    assert best.best_agreement > 0.6
