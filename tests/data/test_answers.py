"""Conversations as samples: which tokens are learned, what is cut and counted, and how they are packed."""

from datetime import datetime

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.text.chats import CHATS, FORMS, learned_text, ours, said

from groundup.data.answers import PADDING, AnswerExamples, PackedAnswers, pack, stack_answers
from groundup.data.windows import NO_TARGET
from groundup.errors import UserError
from groundup.text.chat import encode_chat
from groundup.text.tokenizer import Tokenizer

BYTES = Tokenizer.from_bytes()  # a mark before each content and one behind it; each letter is a token
BORDER, USER, ASSISTANT, END = 0, 2, 3, 4
A, B, C, D = BYTES.encode("abcd")
NO = NO_TARGET


def lists(sample) -> list[list[int]]:
    return [tensor.tolist() for tensor in sample]


def test_the_targets_are_the_tokens_of_the_answer_and_its_end_each_at_the_token_before():
    assert lists(AnswerExamples([said("ab", "cd")], BYTES, 99)[0]) == [
        [BORDER, USER, A, B, END, ASSISTANT, C, D],
        [NO, NO, NO, NO, NO, C, D, END],
    ]


def test_of_several_turns_every_answer_is_learned_and_what_follows_the_last_one_is_not_read():
    conversation = said("a", "b", "c", "d", "a", system="b")
    assert lists(AnswerExamples([conversation], BYTES, 99)[0]) == [
        [BORDER, USER, B, *BYTES.encode("\n\n"), A, END, ASSISTANT, B, END, USER, C, END, ASSISTANT, D],
        [NO, NO, NO, NO, NO, NO, NO, B, END, NO, NO, NO, NO, D, END],
    ]


@pytest.mark.parametrize("name", FORMS)
def test_with_every_kind_of_template_what_is_learned_is_what_the_assistant_says(name):
    tokenizer = ours(name)
    for conversation in (each for chat, each in CHATS.items() if chat != "empty"):
        if name == "gemma" and conversation[0]["role"] == "system":
            continue  # its template refuses one
        ids, targets = AnswerExamples([conversation], tokenizer, 999)[0]
        assert tokenizer.decode(targets[targets != NO].tolist()) == learned_text(tokenizer, conversation)
        known = targets[:-1] != NO
        assert torch.equal(targets[:-1][known], ids[1:][known])
        assert targets[-1] != NO, "the last token that is read has nothing to say"


@pytest.mark.parametrize("max_length", range(2, 22))
def test_a_longer_conversation_is_cut_at_its_end_and_each_lost_token_of_an_answer_is_counted(max_length):
    conversations = [said("a", "bcd"), said("ab", "", "cd", "abc"), said("a" * 18, "b")]
    whole = [encode_chat(BYTES, each) for each in conversations]
    found = AnswerExamples(conversations, BYTES, max_length) if max_length > 4 else None
    if found is None:  # the first answer begins at token 5
        with pytest.raises(UserError, match=f"Of 3 conversations none has an answer within {max_length} to"):
            AnswerExamples(conversations, BYTES, max_length)
        return
    lost = [sum(learned[max_length + 1 :]) for _, learned in whole]
    left = [sum(learned[: max_length + 1]) for _, learned in whole]
    assert (found.answer_tokens, found.lost_tokens) == (4 + 5 + 2, sum(lost))
    assert found.left_out == [number for number in range(3) if left[number] == 0]
    assert found.cut == [number for number in range(3) if lost[number] and left[number]]
    kept = [number for number in range(3) if left[number]]
    assert [int((targets != NO).sum()) for _, targets in (found[i] for i in range(len(found)))] == [
        left[number] for number in kept
    ]
    for number, (ids, _) in zip(kept, (found[i] for i in range(len(found))), strict=True):
        assert len(ids) <= max_length
        assert ids.tolist() == whole[number][0][: len(ids)]
    assert found.lengths == [len(found[i][0]) for i in range(len(found))]


def test_what_became_of_the_conversations_is_told_in_one_sentence():
    some = [
        said("a", "b"),
        said("a"),
        said("a", " \n"),
        said("a" * 40, "b"),
        said("a", "b" * 18),
        said("a", "b"),
    ]
    found = AnswerExamples(some, BYTES, 14)
    assert (found.empty, found.left_out, found.cut) == ([1, 2], [3], [4])
    assert len(found) == 3
    # 2 + 2 + 19 + 2 tokens are answers; of the nineteen, ten fit behind the five before them.
    assert found.told == (
        "Conversations: 3, with 14 tokens of answers; 1 cut at 14 tokens and 1 left out, whose whole answer "
        "lies behind that: 44.0 % of all tokens of answers are lost; 2 left out that have no answer."
    )
    assert AnswerExamples(some[:1], BYTES, 14).told == "Conversations: 1, with 2 tokens of answers."


def test_a_template_that_tells_the_date_gives_the_same_ids_on_another_day():
    template = "{{ strftime_now('%d %B') }}{% for m in messages %}{{ m.content + '<|end|>' }}{% endfor %}"
    dated = Tokenizer(BYTES.library, {**BYTES.config, "chat_template": template})
    then = datetime(2020, 1, 31)
    ids = AnswerExamples([said("a", "b")], dated, 99, now=then)[0][0].tolist()
    assert dated.decode(ids).startswith("31 January")


def test_progress_is_told_after_each_conversation():
    told: list[tuple[int, int]] = []
    AnswerExamples([said("a", "b")] * 3, BYTES, 99, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "conversations, fields, told",
    [
        ([said("a", "b")], {"max_length": 1}, "max_length=1 leaves no room for an answer"),
        ([said("a"), said("b")], {}, "Of 2 conversations none has an answer within 99 tokens"),
        ([], {}, "Of 0 conversations none has an answer"),
        (
            [said("a", "b"), said("a", "b")[::-1] + [{"role": "system", "content": "c"}]],
            {},
            "Conversation 2 of 2: The chat template refuses these messages: a message of the system can only",
        ),
        ([said("a", "b")], {"tokenizer": Tokenizer(BYTES.library, {})}, "^This model has no chat template"),
    ],
)
def test_what_cannot_be_learned_is_told_in_one_line(conversations, fields, told):
    with pytest.raises(UserError, match=told) as caught:
        AnswerExamples(conversations, **{"tokenizer": BYTES, "max_length": 99, **fields})
    assert "\n" not in str(caught.value)


def test_each_example_goes_into_the_group_that_it_fills_best():
    assert pack([2, 6, 5, 3, 4], 10, 0) == [[1, 4], [2, 3, 0]]
    assert pack([7, 6, 3], 10, 0) == [[0, 2], [1]]  # the fuller one, not the one with most room
    assert pack([10, 10], 10, 0) in ([[0], [1]], [[1], [0]])


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(30, 50), st.integers(0, 9))
def test_every_example_is_in_one_group_and_no_group_overflows(lengths, room, seed):
    groups = pack(lengths, room, seed)
    assert sorted(number for group in groups for number in group) == list(range(len(lengths)))
    assert all(sum(lengths[number] for number in group) <= room for group in groups)
    # Two groups that are at most half full would have become one.
    assert sum(2 * sum(lengths[number] for number in group) <= room for group in groups) <= 1
    assert groups == pack(lengths, room, seed)


def test_the_seed_decides_which_of_the_equally_long_ones_meet():
    assert pack([4] * 30, 8, 0) != pack([4] * 30, 8, 1)
    assert len(pack([4] * 30, 8, 0)) == len(pack([4] * 30, 8, 1)) == 15


def test_a_packed_sample_is_its_examples_side_by_side_each_from_position_0():
    examples = AnswerExamples([said("ab", "cd"), said("", "a", "c", "b"), said("a", "b")], BYTES, 22)
    packed = PackedAnswers(examples, seed=0)
    assert (examples.lengths, packed.groups) == ([8, 11, 6], [[1, 0], [2]])
    ids, targets, documents, positions = packed[0]
    first, second = examples[1], examples[0]
    assert ids.tolist() == [*first[0], *second[0]]
    assert targets.tolist() == [*first[1], *second[1]]
    assert documents.tolist() == [0] * 11 + [1] * 8
    assert positions.tolist() == [*range(11), *range(8)]
    assert len(PackedAnswers(examples, seed=0, room=25)) == 1


def test_all_samples_are_as_long_as_the_fullest_and_what_fills_them_is_no_target_and_a_document_of_its_own():
    examples = AnswerExamples([said("ab", "cd"), said("a", "b")], BYTES, 9)
    packed = PackedAnswers(examples, seed=0)
    assert packed.length == 8  # not the nine that there is room for
    batch = stack_answers([packed[number] for number in range(2)])
    assert {name: tensor.shape for name, tensor in batch.items()} == dict.fromkeys(batch, (2, 8))
    assert list(batch) == ["ids", "targets", "documents", "positions"]
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert batch["ids"][1].tolist() == [*examples[1][0], 0, 0]
    assert batch["targets"][1].tolist() == [*examples[1][1], NO, NO]
    assert batch["documents"][1].tolist() == [0] * 6 + [PADDING] * 2
    assert batch["positions"][1].tolist() == [0, 1, 2, 3, 4, 5, 0, 0]
