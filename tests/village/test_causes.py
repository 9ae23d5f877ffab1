import math
import re
from fractions import Fraction

import pytest

from groundup.village import bits, check, sample
from groundup.village.check import vocabulary
from groundup.village.filter import read
from groundup.village.grammar import village
from groundup.village.tasks import told as told_module
from groundup.village.tasks.causes import CAUSES, causes, excess, letters, span
from groundup.village.tasks.told import Told, derived, follow, tell
from groundup.village.world import Facts

TEXTS = [sample(31, index) for index in range(40)]


def test_the_bits_of_the_pieces_add_up_to_the_bits_of_the_text() -> None:
    for text in TEXTS:
        pieces = causes(text)
        assert math.fsum(piece.bits for piece in pieces) == pytest.approx(bits(text), rel=1e-12)
        assert "".join(text[piece.start : piece.end] for piece in pieces) == text
        assert all(a.end == b.start for a, b in zip(pieces, pieces[1:], strict=False))
        assert {piece.cause for piece in pieces} <= set(CAUSES)


@pytest.mark.parametrize("index", range(3))
def test_the_chance_of_each_beginning_is_the_exact_one_of_the_filter(index: int) -> None:
    # The filter's own sum, in fractions, over all walks that have written the beginning and go on.
    text = TEXTS[index]
    levels = follow(text, village()).levels
    for end in range(0, len(text), 29):
        exact = read(text[:end], Fraction(1)).unfinished
        assert levels[end] == pytest.approx(
            math.log2(exact.numerator) - math.log2(exact.denominator), abs=1e-9
        )


def test_masses_that_are_scaled_up_so_that_none_can_vanish_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = [follow(text, village()).levels for text in TEXTS[:5]]
    monkeypatch.setattr(told_module, "SMALL", 2.0**-20)
    for text, levels in zip(TEXTS, plain, strict=False):
        assert follow(text, village()).levels == pytest.approx(levels, abs=1e-9)


def test_following_a_text_gives_the_chance_of_the_whole_document() -> None:
    for text in TEXTS:
        assert follow(text, village()).ended == pytest.approx(-bits(text), abs=1e-9)
        assert follow(text[:-1], village()).ended == follow(text + "!", village()).ended == -math.inf


def test_spelling_and_grammar_cost_the_source_nothing() -> None:
    for text in TEXTS:
        assert all(one.bits < 1e-9 for one in letters(text) if one.cause in ("spelling", "grammar"))


def test_where_the_choice_is_free_another_letter_is_possible_and_elsewhere_none_is() -> None:
    letters_and_marks = set("".join(TEXTS))
    for one in letters(TEXTS[0])[:110:9]:
        others = letters_and_marks - {TEXTS[0][one.start]}
        possible = any(read(TEXTS[0][: one.start] + other).unfinished for other in others)
        assert possible == (one.bits > 1e-9), one


def test_a_letter_of_spelling_is_the_only_one_that_any_word_goes_on_with() -> None:
    words = vocabulary(village())
    for text in TEXTS[:10]:
        for one in letters(text)[:-1]:
            begun = re.findall(r"[A-Za-z']*$", text[: one.start])[0].lower()
            following = {word[len(begun) : len(begun) + 1] for word in words if word.startswith(begun)}
            only = following == {text[one.start].lower()}
            assert (one.cause == "spelling") == (begun != "" and only), (begun, one)


def test_another_name_in_the_place_of_a_fact_is_impossible() -> None:
    names, tried, blamed = village().slots.names, 0, 0
    for text in TEXTS[:12]:
        told = derived(text)
        assert told is not None
        for part in told.parts:
            word = text[part.start : part.end]
            if part.cause == "fact" and part.register in "xdst" and word in names[part.register]:
                other = next(one for one in reversed(names[part.register]) if one not in text)
                mistake = check(text[: part.start] + other + text[part.end :])
                tried += 1
                assert mistake is not None
                blamed += mistake.cause == "fact"  # elsewise the name begins another sentence
                assert {one.cause for one in letters(text)[part.start : part.end]} <= {"fact", "spelling"}
    assert tried > 12
    assert blamed >= 0.9 * tried


def what_happened(told: Told) -> list[tuple[str, int, Facts]]:
    """The episodes of a document and the worlds after them, without the mood, which no text shows."""
    return [(one.name, one.position, one.facts._replace(mood=0)) for one in told.events]


def test_the_likeliest_derivation_agrees_with_what_really_happened() -> None:
    same = 0
    for index, text in enumerate(TEXTS):
        told, found = tell(31, index), derived(text)
        assert told.text == text
        assert found is not None
        same += what_happened(found) == what_happened(told)
    assert same >= len(TEXTS) - 2  # a few texts can be written in two ways


def test_a_text_that_is_no_document_has_its_pieces_up_to_the_mistake() -> None:
    text = TEXTS[0]
    start = text.index(" ", 60) + 1
    pieces = causes(text[:start] + "qwx" + text[start:])
    assert pieces[-1].start == start
    assert (pieces[-1].bits, pieces[-1].cause) == (math.inf, "spelling")
    assert all(piece.bits < math.inf for piece in pieces[:-1])
    assert causes(text[:90])[-1] == (90, 90, math.inf, "end")
    assert causes(text + " So.")[-1][1:] == (len(text) + 4, math.inf, "end")
    assert causes("")[-1] == (0, 0, math.inf, "end")


def test_a_token_has_the_bits_of_its_letters_and_the_strongest_of_their_causes() -> None:
    text = TEXTS[1]
    pieces = letters(text)
    spans = [span(pieces, start, min(start + 4, len(text) + 1)) for start in range(0, len(text) + 1, 4)]
    assert math.fsum(cost for cost, _ in spans) == pytest.approx(bits(text), rel=1e-12)
    for number, (_, cause) in enumerate(spans):
        inside = {piece.cause for piece in pieces[4 * number : 4 * number + 4]}
        assert cause == next(name for name in CAUSES if name in inside)


def in_words(text: str) -> list[tuple[int, int]]:
    """The borders of words, each with its space before it, and the end: much as a tokenizer cuts."""
    found = [word.span() for word in re.finditer(r"\s?\w+|\s?[^\w\s]+", text)]
    return [*found, (len(text), len(text) + 1)]


def test_the_source_itself_has_no_excess_and_one_who_knows_no_facts_has_it_on_facts_alone() -> None:
    for text in TEXTS[:10]:
        pieces = letters(text)
        costs = [(*borders, *span(pieces, *borders)) for borders in in_words(text)]
        own = excess(text, [(start, end, cost) for start, end, cost, _ in costs])
        assert sum(share.floor for share in own.values()) == pytest.approx(bits(text), rel=1e-12)
        assert all(abs(share.excess) < 1e-9 for share in own.values())
        forgetful = [(start, end, cost + 4 * (cause == "fact")) for start, end, cost, cause in costs]
        found = excess(text, forgetful)
        assert found["fact"].excess == pytest.approx(4 * found["fact"].tokens)
        assert sum(share.tokens for share in found.values()) == len(costs)
        assert sum(abs(share.excess) for name, share in found.items() if name != "fact") < 1e-9


def test_a_text_that_is_no_document_has_no_excess() -> None:
    with pytest.raises(ValueError, match="no document"):
        excess("Once upon a time", [(0, 16, 12.0)])


def test_all_texts_are_ascii_so_that_bytes_are_characters() -> None:
    assert all(text.isascii() for text in TEXTS)


def test_facts_cost_the_source_hardly_any_bits() -> None:
    total = dict.fromkeys(CAUSES, 0.0)
    for text in TEXTS:
        for piece in causes(text):
            total[piece.cause] += piece.bits
    assert total["fact"] < 0.03 * total["free"]
