"""The texts of an evaluation: ids with borders, bytes and floors that belong together."""

import numpy as np
import pytest
from tests.written import write_shard

from groundup.errors import UserError
from groundup.evaluation.texts import Texts
from groundup.text.tokenizer import Tokenizer

STORIES = ["ab", "déf", "ghijkl"]  # 2, 4 and 6 bytes
TOKENIZER = Tokenizer.from_bytes()


@pytest.fixture
def shard(tmp_path):
    return write_shard(tmp_path / "shard", STORIES, TOKENIZER, floor=lambda text: 10.0 * len(text))


def whole(text: str) -> list[int]:
    return [TOKENIZER.border_id, *TOKENIZER.encode(text), TOKENIZER.border_id]


def test_strings_begin_and_end_with_the_border():
    texts = Texts.from_strings(TOKENIZER, iter(STORIES), floor=lambda text: 10.0 * len(text))
    assert [ids.tolist() for ids in texts.ids] == [whole(text) for text in STORIES]
    assert texts.n_bytes.tolist() == [2, 4, 6]
    assert texts.floor_bits is not None
    assert texts.floor_bits.tolist() == [20.0, 30.0, 60.0]
    assert Texts.from_strings(TOKENIZER, STORIES).floor_bits is None


def test_a_shard_gives_the_same_texts(shard):
    ours, theirs = Texts.from_shard(shard, TOKENIZER), Texts.from_strings(TOKENIZER, STORIES)
    assert [ids.tolist() for ids in ours.ids] == [ids.tolist() for ids in theirs.ids]
    assert ours.n_bytes.tolist() == theirs.n_bytes.tolist()
    assert ours.floor_bits is not None
    assert ours.floor_bits.tolist() == [20.0, 30.0, 60.0]


@pytest.mark.parametrize("max_tokens, count", [(0, 3), (3, 1), (7, 1), (8, 2), (14, 2), (15, 3), (99, 3)])
def test_as_many_whole_documents_are_taken_as_fit(shard, max_tokens, count):
    texts = Texts.from_shard(shard, TOKENIZER, max_tokens)  # 3, 5 and 7 tokens with their borders
    assert [ids.tolist() for ids in texts.ids] == [whole(text) for text in STORIES[:count]]
    assert texts.n_bytes.tolist() == [2, 4, 6][:count]
    assert texts.floor_bits is not None
    assert len(texts.floor_bits) == count


def test_a_first_document_that_is_too_long_is_cut_and_then_has_no_floor(tmp_path):
    shard = write_shard(tmp_path / "shard", ["déf and more", "x"], TOKENIZER, floor=lambda text: 1.0)
    for size, n_bytes in [(2, 1), (3, 2), (6, 5)]:
        texts = Texts.from_shard(shard, TOKENIZER, size)
        assert [ids.tolist() for ids in texts.ids] == [whole("déf and more")[:size]]
        assert texts.n_bytes.tolist() == [n_bytes]
        assert texts.floor_bits is None
        assert texts.ids[0].dtype == np.int64


def test_nothing_to_score_is_told_in_one_line(shard):
    for wrong in ([], [""]):
        with pytest.raises(UserError, match="There is no text to evaluate"):
            Texts.from_strings(TOKENIZER, wrong)
    for wrong in (1, -5):
        with pytest.raises(UserError, match=f"{wrong} tokens are too few to score"):
            Texts.from_shard(shard, TOKENIZER, wrong)


def test_tokens_of_another_tokenizer_are_refused(shard):
    other = Tokenizer.from_merges([("t", "h")])
    with pytest.raises(UserError, match="another tokenizer .261 tokens. than the model's .262 tokens."):
        Texts.from_shard(shard, other)
