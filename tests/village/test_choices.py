import math
import os
import re
from collections import Counter, defaultdict

import pytest

from groundup.village import bits, check
from groundup.village.tasks.choices import OPTIONS, Question, exchanged, group, kindred, question

GROUPS = [group(41, number) for number in range(60)]
QUESTIONS = [one for questions in GROUPS for one in questions]


def test_the_right_ending_is_possible_and_each_other_one_is_not() -> None:
    for one in QUESTIONS[:80]:
        costs = [bits(one.prompt + ending) for ending in one.endings]
        assert [cost < math.inf for cost in costs] == [n == one.answer for n in range(OPTIONS)]
        assert check(one.prompt, complete=False) is None


def test_the_endings_differ_in_one_fact() -> None:
    for one in QUESTIONS[::OPTIONS]:
        start = os.path.commonprefix(one.endings).rfind(" ") + 1
        shared = os.path.commonprefix([ending[:start:-1] for ending in one.endings])
        end = len(re.search(r"\W.*", shared[::-1], re.DOTALL)[0])  # type: ignore[index]
        facts = [ending[start : len(ending) - end] for ending in one.endings]
        assert len(set(facts)) == OPTIONS
        assert all(1 <= len(re.findall(r"\w+", fact)) <= 4 for fact in facts), facts


def test_a_group_has_the_same_endings_in_the_same_order_and_each_is_right_once() -> None:
    for questions in GROUPS:
        assert len({one.endings for one in questions}) == 1
        assert sorted(one.answer for one in questions) == list(range(OPTIONS))
        assert len({one.prompt for one in questions}) == OPTIONS


def features(endings: tuple[str, ...], place: int) -> list[str]:
    """What a reader of the endings alone can count: its words, their pairs, its place, how long it is."""
    words = re.findall(r"\w+|[^\w\s]", endings[place])
    other = {word for n, ending in enumerate(endings) if n != place for word in ending.split()}
    own = [f"own {word}" for word in words if word not in other]
    return [*own, *words, *map(" ".join, zip(words, words[1:], strict=False)), f"at {place}", f"{len(words)}"]


def reader_of_endings(learned: list[Question], unseen: list[Question]) -> int:
    """How many answers are found by counting what right and wrong endings have, as naive Bayes does."""
    seen: dict[str, Counter[bool]] = defaultdict(Counter)
    for one in learned:
        for place in range(OPTIONS):
            for feature in features(one.endings, place):
                seen[feature][place == one.answer] += 1

    def worth(one: Question, place: int) -> float:
        counts = [seen[feature] for feature in features(one.endings, place)]
        return sum(math.log((count[True] + 1) / (count[False] + 3)) for count in counts)

    guesses = [max(range(OPTIONS), key=lambda place, one=one: worth(one, place)) for one in unseen]
    return sum(guess == one.answer for guess, one in zip(guesses, unseen, strict=True))


def test_a_reader_of_the_endings_alone_is_at_chance() -> None:
    learned, unseen = QUESTIONS[: len(QUESTIONS) // 2], QUESTIONS[len(QUESTIONS) // 2 :]
    right = reader_of_endings(learned, unseen)
    assert right * OPTIONS == len(unseen)  # exactly, since each group holds each answer once


def test_the_same_reader_finds_the_answers_if_the_endings_give_them_away() -> None:
    def marked(one: Question) -> Question:
        return one._replace(endings=tuple(e + "!" * (n == one.answer) for n, e in enumerate(one.endings)))

    learned, unseen = QUESTIONS[: len(QUESTIONS) // 2], QUESTIONS[len(QUESTIONS) // 2 :]
    assert reader_of_endings([*map(marked, learned)], [*map(marked, unseen)]) > 0.8 * len(unseen)


def test_a_question_can_be_reached_without_the_ones_before() -> None:
    assert question(41, 4 * 17 + 2) == GROUPS[17][2]
    assert question(41, 0) != question(42, 0)


def test_many_sorts_of_facts_are_asked_about() -> None:
    assert len({one.register for one in QUESTIONS}) >= 7


@pytest.mark.parametrize(
    "register, new, old, expected",
    [
        ("a", {"Ana": "Rosa", "Rosa": "Ana"}, "Ana, the miller, met Rosa.", "Rosa, the weaver, met Ana."),
        ("g", {"apples": "eggs", "eggs": "apples"}, "one apple, two eggs", "one egg, two apples"),
        (
            "p",
            {"the mill": "the inn", "the inn": "the mill"},
            "The mill; at the inn.",
            "The inn; at the mill.",
        ),
        ("w", {"tea": "salt"}, "teapot and tea", "teapot and salt"),
    ],
)
def test_words_are_exchanged_with_what_goes_with_them(
    register: str, new: dict[str, str], old: str, expected: str
) -> None:
    assert exchanged(old, new, register) == expected


def test_only_what_can_stand_in_the_same_sentences_is_exchanged() -> None:
    women = "Rosa Mira Lena Nora Elsa Vera Dora Ida Greta Clara Sofia"
    assert kindred("Ana", "a") == women.split()
    assert "the inn" in kindred("the mill", "p") and "the barn" not in kindred("the mill", "p")
    assert kindred("he", "a") == []
