"""The split keeps shares, and equal texts together; examples keep the beginnings of their texts."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers.processors import TemplateProcessing

from groundup.data.label_examples import LabelledExamples, split_labelled, stack_labelled
from groundup.data.labels import Labelled, read_labelled
from groundup.errors import UserError
from groundup.text.frame import Frame
from groundup.text.tokenizer import Tokenizer


def labelled(**counts: int) -> Labelled:
    texts = [(f"text {i} of {name}", name) for name, count in counts.items() for i in range(count)]
    return Labelled([text for text, _ in texts], [name for _, name in texts])


def test_each_label_is_in_each_part_by_its_share():
    parts = split_labelled(labelled(ham=860, spam=140), validation=0.1, test=0.25)
    assert parts.test.counts == {"ham": 215, "spam": 35}
    assert parts.validation.counts == {"ham": 86, "spam": 14}
    assert parts.train.counts == {"ham": 559, "spam": 91}
    together = parts.train.texts + parts.validation.texts + parts.test.texts
    assert sorted(together) == sorted(labelled(ham=860, spam=140).texts)


def test_a_text_and_its_label_stay_together():
    parts = split_labelled(labelled(a=30, b=20), validation=0.2, test=0.2)
    for part in (parts.train, parts.validation, parts.test):
        assert all(text.endswith(label) for text, label in zip(part.texts, part.labels, strict=True))


def test_the_split_is_the_same_each_time_and_another_with_another_seed():
    data = labelled(a=50, b=50)
    again = Labelled(data.texts[::-1], data.labels[::-1])
    first, second = split_labelled(data, seed=3), split_labelled(again, seed=3)
    assert sorted(first.validation.texts) == sorted(second.validation.texts)
    assert first.validation.texts == sorted(first.validation.texts, key=data.texts.index)
    assert sorted(first.validation.texts) != sorted(split_labelled(data, seed=4).validation.texts)


def test_the_split_is_this_one_on_every_machine():
    parts = split_labelled(labelled(a=6, b=6), validation=0.34)
    assert parts.validation.texts == ["text 0 of a", "text 2 of a", "text 4 of b", "text 5 of b"]


@given(st.lists(st.tuples(st.integers(0, 19), st.sampled_from("ab")), max_size=40), st.integers(0, 9))
def test_equal_texts_are_on_one_side_even_under_different_labels(more, seed):
    data = labelled(a=20, b=20)
    texts = data.texts + [f"text {i} of {name}" for i, name in more]
    data = Labelled(texts, data.labels + ["ab"[i % 2] for i, _ in more])
    parts = split_labelled(data, validation=0.2, test=0.3, seed=seed)
    sides = [set(part.texts) for part in (parts.train, parts.validation, parts.test)]
    assert [len(side) for side in sides] == [20, 8, 12]
    assert len(sides[0] | sides[1] | sides[2]) == 40
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(data)


def test_balance_leaves_as_many_of_each_label_as_the_rarest_has():
    parts = split_labelled(labelled(ham=400, spam=60, other=90), validation=0.1, test=0.2, balance=True)
    assert parts.train.counts == {"ham": 42, "other": 42, "spam": 42}
    assert parts.validation.counts == {"ham": 6, "other": 6, "spam": 6}
    assert parts.test.counts == {"ham": 12, "other": 12, "spam": 12}


def test_parts_that_are_given_stay_as_they_are():
    train, test = labelled(neg=20, pos=20), Labelled(["new"], ["pos"])
    parts = split_labelled(train, validation=0.1, test=test)
    assert parts.test is test
    assert len(parts.train) == 36 and len(parts.validation) == 4


@pytest.mark.parametrize(
    "how, told",
    [
        (
            {"test": Labelled(["x"], ["other"])},
            r"The label 'other' is in the test part \(1 texts\), but nothing",
        ),
        ({"validation": Labelled(["x"], ["pso"])}, "The label 'pso' is in the validation part"),
        ({"test": 1.0}, "test = 1.0 are no shares that leave something"),
        ({"validation": 0.5, "test": 0.5}, "are no shares"),
        ({"validation": -0.1}, "validation = -0.1 and"),
        ({"validation": 0.01}, "The validation part gets no text: 40 are too few for a share of 0.01"),
    ],
)
def test_a_split_that_cannot_be_judged_is_refused(how, told):
    with pytest.raises(UserError, match=told):
        split_labelled(labelled(neg=20, pos=20), **how)


def test_one_label_alone_is_refused():
    with pytest.raises(UserError, match="All texts have the label ham, so there is nothing to tell apart"):
        split_labelled(labelled(ham=9))


def test_the_balanced_real_sms_spam_has_747_of_each(shared_data: Path):
    data = read_labelled(shared_data / "sms_spam" / "SMSSpamCollection.tsv")
    parts = split_labelled(data, validation=0.1, test=0.2, balance=True)
    sizes = [sum(p.counts[name] for p in (parts.train, parts.validation, parts.test)) for name in data.names]
    assert sizes == [747, 747]
    assert not set(parts.train.texts) & set(parts.test.texts)
    assert 140 <= parts.test.counts["spam"] <= 160  # copies of one text go along with it


def framed(before: str, after: str) -> Tokenizer:
    """Bytes, with tokens around each text."""
    library = Library.from_str(Tokenizer.from_bytes().library.to_str())
    names = {"<|user|>": 2, "<|end|>": 4}
    library.post_processor = TemplateProcessing(
        single=f"{before} $A {after}".strip(), special_tokens=[*names.items()]
    )
    return Tokenizer(library)


@pytest.mark.parametrize(
    "before, after, frame",
    [("", "", ([], [])), ("<|user|>", "", ([2], [])), ("<|user|>", "<|end|>", ([2], [4]))],
)
def test_the_frame_is_what_the_template_puts_around_a_text(before, after, frame):
    tokenizer = framed(before, after)
    assert Frame.of(tokenizer) == frame
    examples = LabelledExamples(["Once", "a"], [1, 0], tokenizer, 9)
    assert [ids.tolist() for ids in examples.ids] == [tokenizer.encode_framed(t)[0] for t in ("Once", "a")]


def test_a_longer_text_keeps_its_beginning_and_its_frame_and_the_loss_is_told():
    tokenizer = framed("<|user|>", "<|end|>")
    examples = LabelledExamples(["abcdef", "abcdefgh", "abc"], [0, 1, 0], tokenizer, 8)
    assert [len(ids) for ids in examples.ids] == [8, 8, 5]
    assert examples[1][0].tolist() == [2, *tokenizer.encode("abcdef"), 4]
    assert (examples.cut, examples.lost, examples.tokens) == (1, 2, 17)
    assert (
        examples.told
        == "1 of 3 texts are longer than 8 tokens: their ends, 11.8% of all tokens, are not read."
    )
    assert LabelledExamples(["abc"], [0], tokenizer, 8).told == ""


def test_an_empty_text_and_a_length_without_room_are_refused():
    with pytest.raises(UserError, match="Text number 2 is empty"):
        LabelledExamples(["a", ""], [0, 0], Tokenizer.from_bytes(), 8)
    with pytest.raises(UserError, match="max_length = 2 leaves no room for a text: the tokenizer puts 2 ids"):
        LabelledExamples(["a"], [0], framed("<|user|>", "<|end|>"), 2)


def test_a_batch_is_as_long_as_its_longest_text_and_says_what_is_real():
    examples = LabelledExamples(["abc", "a", "abcd"], [2, 0, 1], Tokenizer.from_bytes(), 9)
    batch = stack_labelled([examples[0], examples[1]])
    assert {name: (t.tolist(), t.dtype) for name, t in batch.items()} == {
        "ids": ([examples.ids[0].tolist(), [*examples.ids[1].tolist(), 0, 0]], torch.int64),
        "lengths": ([3, 1], torch.int64),
        "labels": ([2, 0], torch.int64),
    }
