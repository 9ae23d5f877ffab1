import dataclasses
import math
import re

import pytest

from groundup.village import bits, check, sample
from groundup.village.check import agreement, vocabulary
from groundup.village.grammar import village


def first_match(pattern: str) -> re.Match[str]:
    """The first place in the corpus where a document says this."""
    return next(found for index in range(5000) if (found := re.search(pattern, sample(1, index))))


def changed(found: re.Match[str], group: int | str, new: str) -> str:
    """The document of a match with one group of it replaced."""
    return found.string[: found.start(group)] + new + found.string[found.end(group) :]


def test_every_document_is_possible() -> None:
    for index in range(60):
        text = sample(2, index)
        assert check(text) is None
        assert 0 < bits(text) < 600


def test_every_beginning_of_a_document_is_a_possible_beginning_but_no_document() -> None:
    for index in range(4):
        text = sample(3, index)
        for end in range(0, len(text), 41):
            assert check(text[:end], complete=False) is None
            mistake = check(text[:end])
            assert mistake is not None and mistake.cause == "end" and mistake.position == end


# Places where the world fixes a word: what fixes it, the word itself in a group, and two others to put there.
PLACES: dict[str, tuple[str, tuple[str, str]]] = {
    "how many are left": (r"ate (?:two|three|four|five) of \w+'s \w+, so (\w+) were left", ("nine", "nine")),
    "who has the thing": (r'lent \w+ (?:his|her) \w+ \w+ \w+ to .*"(\w+) has it', ("Emil", "Ana")),
    "what was lent": (r"[Ll]ent \w+ (?:his|her) \w+ \w+ \w+ to .* brought the (\w+) back", ("key", "lamp")),
    "the day of the return": (r"until \w+day\..* [Oo]n (\w+day) (?=the \w+ came back)", ("Sunday", "Monday")),
    "the errand of the first sentence": (r"to buy \w+\. .*And the (\w+)\?\" asked \w+\. ", ("salt", "honey")),
    "the animal that was there from the beginning": (
        r"on a string\. .* [Tt]he (\w+) ate ",
        ("goose", "goat"),
    ),
    "what the other is like": (r"There \w+ met \w+, an? \w+ .*You are (\w+),", ("honest", "stern")),
    "the weather": (r"It was \w+ing when .* It was still (\w+)", ("snowing", "raining")),
    "who wrote the letter": (r"From \w+ [ai].*\nDear (?s:.*)\nYour \w+ friend (\w+)", ("Emil", "Ana")),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_changed_fact_is_impossible_and_the_mistake_points_at_it(place: str) -> None:
    pattern, others = PLACES[place]
    found = first_match(pattern)
    other = next(word for word in others if word != found[1])
    text = changed(found, 1, other)
    assert bits(found.string) < math.inf
    assert bits(text) == math.inf
    mistake = check(text)
    assert mistake is not None
    assert mistake.cause == "fact", mistake
    assert found.start(1) <= mistake.position <= found.start(1) + len(other)
    assert mistake.word == other
    assert found[1] in mistake.expected


def test_the_reason_names_the_sentence_that_fixes_the_fact() -> None:
    found = first_match(
        r"(?P<cause>[^.]* lent \w+ (?:his|her) [\w' ]+, until \w+\.).* brought the (?P<fixed>\w+)"
    )
    mistake = check(changed(found, "fixed", "key" if found["fixed"] != "key" else "lamp"))
    assert mistake is not None
    assert found["cause"].strip() in mistake.why
    number = int(re.findall(r"Sentence (\d+)", mistake.why)[0])
    assert len(re.findall(r"[.!?][\"']?(?= )", found.string[: found.end("cause")])) == number - 1


def test_a_word_that_does_not_exist_is_a_spelling_mistake() -> None:
    text = sample(1, 0)
    start = text.index(" ", 30) + 1
    mistake = check(text[:start] + "qwx" + text[start:])
    assert mistake is not None
    assert mistake.cause == "spelling"
    assert mistake.position == start
    assert mistake.word.startswith("qwx")


def test_a_known_word_in_the_wrong_place_is_a_mistake_of_grammar() -> None:
    text = sample(1, 0)
    start = text.index(" ", 30) + 1
    mistake = check(text[:start] + "hurried " + text[start:])
    assert mistake is not None
    assert (mistake.cause, mistake.word) == ("grammar", "hurried")


def test_words_after_the_end_of_a_document_are_a_mistake() -> None:
    text = sample(4, 0)
    mistake = check(text + " And then?")
    assert mistake is not None
    assert (mistake.cause, mistake.position, mistake.word) == ("end", len(text), "And")


@pytest.mark.parametrize("index", range(5))
def test_each_expected_word_could_really_have_stood_there(index: int) -> None:
    text = sample(8, index)
    for middle in range(40, len(text) - 40, 90):
        start = text.index(" ", middle) + 1
        mistake = check(text[:start] + "qwx")
        assert mistake is not None and mistake.expected
        for word in mistake.expected:
            opened = any(check(text[:start] + quote + word, complete=False) is None for quote in ("", '"'))
            assert opened, (text[:start], word)


def test_without_suggestions_it_is_the_same_mistake() -> None:
    text = sample(3, 3).replace(" the ", " a the ")
    mistake, quick = check(text), check(text, suggest=False)
    assert mistake is not None
    assert mistake.expected
    assert quick == dataclasses.replace(mistake, expected=())


def test_an_empty_text_stops_before_the_end() -> None:
    mistake = check("")
    assert mistake is not None
    assert (mistake.position, mistake.word, mistake.cause) == (0, "", "end")
    assert check("", complete=False) is None


def test_the_vocabulary_has_every_word_of_the_documents() -> None:
    words = vocabulary(village())
    for index in range(300):
        said = re.findall(r"[A-Za-z]+(?:'[a-z]+)?", sample(6, index))
        assert {word.lower() for word in said} <= words


def test_agreement_counts_equal_letters() -> None:
    assert agreement("the lamp", 4, "lady") == 2
    assert agreement("the la", 4, "lady") == 2
    assert agreement("the lady", 4, "lady") == 4
