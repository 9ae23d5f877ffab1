import re

import pytest

from groundup.village import sample
from groundup.village.tasks.summaries import LETTER, NOTICE, TALE, example, joined, summarise

EXAMPLES = [example(71, index) for index in range(300)]

# What a reader finds in a text, and what the two summaries must then say.
READERS = {
    r"(\w+) lent (\w+) (?:his|her) \w+ \w+ (\w+) to": (
        r"{0} lent {1} an? {2}\b",
        r"{1} borrowed an? {2} from {0}\b",
    ),
    r"(\w+) lost an? \w+ \w+ (\w+) ((?:in|at) the \w+)": (
        r"{0} lost an? {1} {2}\b",
        r"an? {1} of {0}'s was lost {2}\b",
    ),
    r"You know nothing about ([\w' ]+),\" (\w+) told (\w+)": (
        r"{1} and {2} quarrelled about {0}",
        r"quarrel of {1} and {2} about {0}",
    ),
    r"^LOST ((?:in|at) the \w+) on \w+: (an? (\w+ \w+ \w+)),.* belongs to (\w+)": (
        r"^{3} has lost {1} {0}\.$",
        r"^The {2} of {3}'s was lost {0}\.$",
    ),
    r"^From (\w+) .*\nDear (\w+),": (r"^{0} writes to {1}\b", r"^A letter to {1} from {0}\b"),
    r"promised \w+ to (\w+) (\w+)'s (\w+) before": (
        r"was to {0} {1}'s {2}\b",
        r"{1} wanted \w+ to {0} the {2}\b",
    ),
    r"^RICH BEFORE (\w+)! (\w+), .* ((?:in|at) the \w+)\. ": (
        r"{1} promises wonders {2} on {0}",
        r"not believe what {1}",
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_summary_says_what_a_reader_finds_in_the_text(reader: str) -> None:
    agreed = 0
    for one in EXAMPLES:
        if found := re.search(reader, one.text):
            for pattern, reference in zip(READERS[reader], one.references, strict=True):
                said = pattern.format(*map(re.escape, found.groups()))
                assert re.search(said, reference, re.IGNORECASE), (found[0], reference)
            agreed += 1
    assert agreed >= 2


def test_a_summary_is_one_sentence_and_shorter_than_its_text() -> None:
    for one in EXAMPLES:
        for reference in one.references:
            assert re.fullmatch(r"[A-Z][^.!?\n{}]*\.", reference)
            assert len(reference) < 0.8 * len(one.text)
        assert one.references[0] != one.references[1]


def test_the_names_of_a_summary_stand_in_its_text() -> None:
    for one in EXAMPLES:
        for reference in one.references:
            names = set(re.findall(r"(?<!^)\b[A-Z]\w+", reference))
            assert all(re.search(rf"\b{name}\b", one.text) for name in names), (reference, one.text)


def test_the_summary_follows_from_the_text_alone_so_that_the_best_score_is_perfect() -> None:
    for one in EXAMPLES[:80]:
        assert summarise(one.text) == one


def test_a_text_that_is_no_document_has_no_summary() -> None:
    assert summarise("Once upon a time.") is None
    assert summarise(sample(1, 0)[:-5]) is None


def test_every_clause_is_used_sometimes() -> None:
    words = {
        re.sub(r"{[^}]*}", "|", text)
        for table in (TALE, LETTER, NOTICE)
        for both in table.values()
        for text in both
    }
    longest = {max(text.split("|"), key=len).strip(" .") for text in words}
    said = " ".join(reference for one in EXAMPLES for reference in one.references)
    assert [part for part in longest if part.lower() not in said.lower()] == []


def test_lists_are_joined_as_in_a_sentence() -> None:
    assert joined(["x"]) == "x"
    assert joined(["x", "y"]) == "x and y"
    assert joined(["x", "y", "z"]) == "x, y and z"
    assert joined([]) == ""
