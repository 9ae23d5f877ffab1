"""Many answers on one page: each in its place, and told as early as it can be."""

import pytest

from groundup.errors import UserError
from groundup.generation.engine import Piece
from groundup.runs.generate import in_order, prompts_from, token_ids, write_answers


def test_answers_are_told_in_their_order_and_the_first_ones_as_they_come():
    came, told = [], []

    def coming():
        for prompt, text, finished in [
            (0, "a", None),
            (2, "x", "border"),
            (1, "m", None),
            (0, "b", None),
            (1, "n", "length"),
            (0, "c", "stop"),
            (3, "q", None),
            (3, "r", "border"),
        ]:
            came.append(text)
            yield Piece(prompt, text, finished=finished)

    for piece in in_order(coming(), 4):
        told.append((piece.text, len(came)))
    assert told == [("a", 1), ("b", 4), ("c", 6), ("m", 6), ("n", 6), ("x", 6), ("q", 7), ("r", 8)]


def test_a_page_has_each_prompt_with_its_answers_and_counts_all_tokens(make_loaded):
    loaded = make_loaded(shake=0.3, d_model=16)
    page, times = [], iter([10.0, 12.0])
    how = {"max_tokens": 5, "temperature": 0.0}
    line = write_answers(
        loaded, ["ab", ""], page.append, samples=2, clock=times.__next__, stop_tokens=[0], **how
    )
    texts = "".join(page).split("\n\n")
    assert texts[0].startswith("ab")
    assert texts[0] == texts[1]
    assert len(texts) == 4
    assert line == "20 tokens in 2.0 s: 10 tokens a second."


def test_prompts_are_typed_or_lines_of_a_file(tmp_path):
    assert prompts_from([], None) == [""]
    assert prompts_from(["a", "b"], None) == ["a", "b"]
    (tmp_path / "p.txt").write_text("one\n\nzwei é\n", encoding="utf-8")
    assert prompts_from([], tmp_path / "p.txt") == ["one", "", "zwei é"]
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=r"Could not read .*latin.txt .* UTF-8"):
        prompts_from([], tmp_path / "latin.txt")


def test_stop_tokens_are_found_by_their_names(make_loaded):
    tokenizer = make_loaded().tokenizer
    assert token_ids(tokenizer, ["<|end|>", "<|pad|>"]) == [
        tokenizer.special_tokens["<|end|>"],
        tokenizer.special_tokens["<|pad|>"],
    ]
    with pytest.raises(UserError, match="no token 'xyz'"):
        token_ids(tokenizer, ["xyz"])
