"""From a prompt to a text: the same tokens as transformers, and where an answer ends."""

from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import strategies as st

from groundup.errors import UserError
from groundup.generation import engine
from groundup.generation.engine import Piece, generate, prompt_ids, write_documents
from groundup.generation.sample import Sampling, draw

GREEDY = Sampling(temperature=0.0)


def text_of(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def test_documents_that_are_written_at_once_are_those_that_a_whole_forward_says(random_model):
    """One row draws after the other from one generator; a row that has ended gives its place to the last."""
    sampling, generator = Sampling(temperature=1.2, top_k=0), torch.Generator().manual_seed(6)
    ours = write_documents(random_model, 60, 20, sampling, torch.Generator().manual_seed(6))
    texts, order = [[0] for _ in range(60)], list(range(60))
    for _ in range(20):
        with torch.no_grad():
            logits = random_model.model(torch.tensor([texts[number] for number in order]))[:, -1, :261]
        new = draw((logits / 1.2).softmax(-1), [generator] * len(order)).tolist()
        for number, token in zip(list(order), new, strict=True):
            texts[number].append(token)
            if token == 0:
                order[order.index(number)] = order[-1]
                order.pop()
    assert [ids for ids, _ in ours] == [_until_border(text[1:]) for text in texts]
    assert [ended for _, ended in ours] == [0 in text[1:] for text in texts]
    assert len({len(ids) for ids, ended in ours if ended}) > 3  # they end one after the other


def _until_border(ids: list[int]) -> list[int]:
    return ids[: ids.index(0)] if 0 in ids else ids


def test_a_written_document_ends_at_the_border_or_where_there_is_no_room(speaker, random_model):
    script = [*speaker("").tokenizer.encode("abc"), 0, 50, 50]
    how = (2, 10, GREEDY, torch.Generator())
    assert write_documents(speaker(script), *how) == [(script[:3], True)] * 2
    assert (
        write_documents(speaker("abcdefghijklmnop"), *how)
        == [(speaker("").tokenizer.encode("abcdefghij"), False)] * 2
    )
    assert len(write_documents(speaker("abcdefghij", 6), *how)[0][0]) == 5
    random_model.model.train()
    write_documents(random_model, 1, 2, GREEDY, torch.Generator())
    assert random_model.model.training
    random_model.model.eval()


def test_a_prompt_begins_a_document_and_its_special_names_are_plain_text(random_model):
    tokenizer = random_model.tokenizer
    assert prompt_ids(random_model, "") == [tokenizer.border_id]
    ids = prompt_ids(random_model, "<|endoftext|>")
    assert ids[0] == tokenizer.border_id
    assert tokenizer.border_id not in ids[1:]


def test_the_next_border_ends_the_answer_and_is_not_shown(speaker):
    border = 0
    loaded = speaker([*speaker("").tokenizer.encode("abc"), border, 50, 50])
    assert loaded.tokenizer.border_id == border
    pieces = list(generate(loaded, "", temperature=0))
    assert text_of(pieces) == "abc"
    assert [piece.finished for piece in pieces] == [None, None, None, "border"]
    assert [id for piece in pieces for id in piece.ids] == loaded.tokenizer.encode("abc")


def test_an_answer_ends_after_max_tokens_or_with_the_context(speaker):
    loaded = speaker("abcdefghijklmnop", context_length=10)
    *_, last = generate(loaded, "", temperature=0, max_tokens=4)
    assert last.finished == "length"
    assert text_of(generate(loaded, "", temperature=0, max_tokens=4)) == "abcd"
    pieces = list(generate(loaded, "xy", temperature=0, max_tokens=100))
    assert pieces[-1].finished == "context"
    assert text_of(pieces) == "cdefghi"  # border, two of the prompt and seven new ones are ten


@pytest.mark.parametrize(
    "stop, expected",
    [
        (("cd",), "ab"),
        ("cd", "ab"),  # one alone needs no list
        (("cx", "ef"), "abcd"),
        (("cd", "bcd"), "a"),  # complete at once: the one that begins first cuts
        (("a",), ""),
        (("gx", "zz"), "abcdefg"),
        (("é",), "abcdefg"),
    ],
)
def test_a_stop_string_ends_the_answer_and_is_never_shown(speaker, stop, expected):
    pieces = list(generate(speaker("abcdefg"), "", temperature=0, max_tokens=7, stop=stop))
    assert text_of(pieces) == expected
    assert pieces[-1].finished == ("stop" if len(expected) < 7 else "length")


@hypothesis.settings(
    deadline=None, max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    st.text("abé", min_size=1, max_size=12), st.lists(st.text("abé", min_size=1, max_size=4), max_size=3)
)
def test_whatever_the_text_and_the_stop_strings_the_first_complete_one_cuts(speaker, text, stop):
    expected, finished = text, "length"
    for n in range(len(text) + 1):
        if any(word in text[:n] for word in stop):
            expected, finished = text[: min(text.find(word) for word in stop if word in text[:n])], "stop"
            break
    pieces = list(generate(speaker(text), "", temperature=0, max_tokens=len(text.encode()), stop=stop))
    assert text_of(pieces) == expected
    assert pieces[-1].finished == finished
    assert not any(piece.finished for piece in pieces[:-1])


def test_characters_are_shown_whole(speaker):
    pieces = list(generate(speaker("é🙂x"), "", temperature=0, max_tokens=7))
    assert [piece.text for piece in pieces if piece.text] == ["é", "🙂", "x"]
    cut = text_of(generate(speaker("é🙂x"), "", temperature=0, max_tokens=4))
    assert cut == "é�"  # the answer ended inside a character


def test_the_same_seed_says_the_same_and_another_one_something_else(random_model):
    first, again, other = (
        text_of(generate(random_model, "On", temperature=1.0, top_k=0, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def answers(pieces: Iterable[Piece], count: int) -> list[list[Piece]]:
    """The pieces of each prompt."""
    found: list[list[Piece]] = [[] for _ in range(count)]
    for piece in pieces:
        found[piece.prompt].append(piece)
    return found


@pytest.mark.parametrize("at_once", [32, 3, 1])
def test_prompts_do_not_influence_each_other(random_model, monkeypatch, at_once):
    monkeypatch.setattr(engine, "AT_ONCE", at_once)
    prompts = ["Once", "", "a much longer prompt", "Once", "On"]
    how = {"temperature": 1.0, "top_k": 0, "max_tokens": 12, "stop": ("a", "é"), "repetition_penalty": 1.1}
    for seeds in (3, [1, 2, 3, 4, 5]):
        together = answers(generate(random_model, prompts, seed=seeds, **how), 5)
        each = [seeds] * 5 if isinstance(seeds, int) else seeds
        for number, pieces in enumerate(together):
            assert pieces == [
                replace(piece, prompt=number)
                for piece in generate(random_model, prompts[number], seed=each[number], **how)
            ]
            assert [bool(piece.finished) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert (together[0] == [replace(piece, prompt=0) for piece in together[3]]) == (seeds == 3)


def test_all_prompts_are_answered_at_the_same_time_and_each_ends_for_its_own_reason(speaker):
    loaded = speaker([*speaker("").tokenizer.encode("abcdefgh"), 0, 50, 51, 52, 53], context_length=12)
    pieces = list(generate(loaded, ["", "xyxyxyxyx", "xyx"], temperature=0, stop="gx", max_tokens=20))
    assert [piece.prompt for piece in pieces[:4]] == [0, 1, 2, 0]
    told = [(text_of(found), found[-1].finished) for found in answers(pieces, 3)]
    after_border = speaker("").tokenizer.decode([50, 51])
    assert told == [("abcdefgh", "border"), (after_border, "context"), ("defgh", "border")]


def test_a_stop_token_ends_the_answer_and_is_not_shown(speaker):
    ids = speaker("").tokenizer.encode("abcd")
    pieces = list(generate(speaker("abcd"), "", temperature=0, stop_tokens=[ids[2], 77]))
    assert text_of(pieces) == "ab"
    assert pieces[-1].finished == "stop"
    assert [id for piece in pieces for id in piece.ids] == ids[:2]


def test_a_prompt_of_ids_is_read_as_it_is_and_a_text_with_its_border(random_model):
    ids = [3, 70, 1, 80]
    how: dict[str, Any] = {"temperature": 0, "max_tokens": 6}
    texts = ["Once", ids, [0, *random_model.tokenizer.encode("On")], "On"]
    found = [text_of(pieces) for pieces in answers(generate(random_model, texts, **how), 4)]
    assert found[1] == text_of(generate(random_model, [ids], **how))
    assert found[2] == found[3]
    for _ in range(6):
        with torch.no_grad():
            ids = [*ids, int(random_model.model(torch.tensor([ids]))[0, -1, :261].argmax())]
    assert found[1] == random_model.tokenizer.decode(ids[4:])
    assert prompt_ids(random_model, range(5, 36)) == list(range(5, 36))  # one place is left of 32


@pytest.mark.parametrize(
    "ids, told",
    [
        ([], "A prompt of ids must have at least one, each from 0 to 260, but one has none. Use"),
        ([5, 261], "but one has 261. Use the model's own tokenizer"),
        ([-1, 5], "but one has -1"),
        (
            range(32),
            "The prompt has 32 tokens, .* holds 32, with at least one new .* Shorten .* to 31 tokens",
        ),
    ],
)
def test_ids_that_cannot_be_read_are_refused_before_anything_is_said(random_model, ids, told):
    with pytest.raises(UserError, match=told) as caught:
        generate(random_model, ["fine", ids])
    assert "\n" not in str(caught.value)


def test_where_it_may_slide_the_end_of_the_context_ends_nothing(speaker):
    loaded = speaker("abcdefgh", context_length=8)
    *_, last = generate(loaded, "", temperature=0, max_tokens=20)
    assert last.finished == "context"
    pieces = list(generate(loaded, "", temperature=0, max_tokens=16, slide=True))
    # The tail of four stands at the first four places, so the next to be said is "d".
    assert text_of(pieces) == "abcdefgh" + "defgh" + "def"
    assert pieces[-1].finished == "length"


def test_a_prompt_that_fits_no_new_token_is_refused_before_anything_is_said(random_model):
    assert text_of(generate(random_model, "x" * 30, temperature=0, max_tokens=5))  # the longest that fits
    with pytest.raises(
        UserError, match=r"The prompt has 31 tokens, .* context holds 32, .* Shorten the prompt to 30"
    ) as caught:
        generate(random_model, ["fine", "x" * 31])  # at once, before anything is asked for
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"max_tokens": 0}, "max_tokens=0 is too small"),
        ({"stop": ("a", "")}, "A stop string is empty"),
        ({"temperature": -1.0}, "temperature=-1.0 does not fit"),
        ({"min_p": 2.0}, "min_p=2.0 is no share"),
        ({"seed": [1, 2]}, "There are 2 seeds for 1 prompts. Give one, or one for each."),
        ({"seed": 2**63}, "seed=9223372036854775808 is out of range"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(random_model, wrong, told):
    with pytest.raises(UserError, match=told):
        generate(random_model, "x", **wrong)


def test_a_model_in_training_speaks_without_dropout_and_is_in_training_afterwards(random_model):
    model = random_model.model
    pieces = generate(random_model, "Once", temperature=0)
    assert isinstance(pieces, Generator)
    model.train()
    try:
        next(pieces)
        assert not model.training
        pieces.close()  # the reader went away in the middle
        assert model.training
    finally:
        model.eval()
