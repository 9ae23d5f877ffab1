import numpy as np
import pytest
import torch
from tests.written import write_shard
from torch.utils.data import DataLoader

from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.data.windows import DocumentWindows, TokenWindows, pad
from groundup.errors import UserError
from groundup.text.tokenizer import Tokenizer

TOKENS = np.arange(1000, 1047, dtype=np.uint16)  # 47 tokens: 11 windows of 4 and two tokens that are left


def test_each_target_is_the_token_after_its_input():
    inputs, targets = TokenWindows(TOKENS, 4)[2]
    assert inputs.tolist() == [1008, 1009, 1010, 1011]
    assert targets.tolist() == [1009, 1010, 1011, 1012]
    assert inputs.dtype == targets.dtype == torch.int64


@pytest.mark.parametrize("n_tokens", [5, 8, 9, 44, 45, 46, 47])
def test_the_windows_are_all_that_fit_side_by_side(n_tokens):
    windows = TokenWindows(TOKENS[:n_tokens], 4)
    assert len(windows) == (n_tokens - 1) // 4
    targets = torch.cat([targets for _, targets in windows])
    assert targets.tolist() == TOKENS[1 : 4 * len(windows) + 1].tolist()


def test_windows_slide_by_their_stride():
    windows = TokenWindows(TOKENS, 4, stride=1)
    assert len(windows) == 43
    assert windows[1][0].tolist() == [1001, 1002, 1003, 1004]
    assert windows[42][1].tolist() == [1043, 1044, 1045, 1046]


@pytest.mark.parametrize("index", [-1, 11])
def test_a_window_beyond_the_last_is_an_index_error(index):
    with pytest.raises(IndexError):
        TokenWindows(TOKENS, 4)[index]


def test_too_few_tokens_for_one_window_are_one_line():
    with pytest.raises(UserError, match="4 tokens are too few.*needs 5"):
        TokenWindows(TOKENS[:4], 4)


def test_ids_above_32767_stay_positive():
    assert TokenWindows(np.full(5, 65_535, np.uint16), 4)[0][0].tolist() == [65_535] * 4
    assert TokenWindows(np.full(5, 2**32 - 1, np.uint32), 4)[0][0].tolist() == [2**32 - 1] * 4


def batches(micro_batch: int, samples_per_step: int = 5) -> Batches:
    windows = TokenWindows(TOKENS, 4)
    order = Order(len(windows), seed=1)
    return Batches(windows, order, samples_per_step=samples_per_step, micro_batch=micro_batch)


def test_a_step_comes_in_micro_batches_of_which_the_last_may_be_smaller():
    parts = batches(micro_batch=2).at(0)
    assert [tuple(part["ids"].shape) for part in parts] == [(2, 4), (2, 4), (1, 4)]
    assert all(part["targets"].shape == part["ids"].shape for part in parts)
    assert all(part["ids"].dtype == torch.int64 for part in parts)


@pytest.mark.parametrize("micro_batch", [1, 2, 3, 5, 8])
def test_which_samples_a_step_sees_does_not_depend_on_the_micro_batch(micro_batch):
    whole = batches(micro_batch=5)
    for step in range(7):  # 35 samples: into the fourth epoch
        parts = batches(micro_batch).at(step)
        for name in ("ids", "targets"):
            assert torch.equal(torch.cat([part[name] for part in parts]), whole.at(step)[0][name])


def test_a_later_step_can_be_asked_for_first():
    one, other = batches(2), batches(2)
    later = one.at(9)
    for step in range(9):
        other.at(step)
    assert all(torch.equal(a["ids"], b["ids"]) for a, b in zip(later, other.at(9), strict=True))


def test_a_plain_data_loader_gives_exactly_the_same_samples():
    ours = batches(micro_batch=1, samples_per_step=1)
    order = Order(11, seed=1)
    for epoch in range(3):
        order.set_epoch(epoch)
        loader = DataLoader(TokenWindows(TOKENS, 4), sampler=order, batch_size=1)
        for place, (ids, targets) in enumerate(loader):
            (part,) = ours.at(epoch * 11 + place)
            assert torch.equal(part["ids"], ids)
            assert torch.equal(part["targets"], targets)


def test_an_order_of_other_windows_is_our_own_mistake():
    with pytest.raises(AssertionError):
        Batches(TokenWindows(TOKENS, 4), Order(12, 1), samples_per_step=1, micro_batch=1)


@pytest.fixture
def shard(tmp_path):
    return write_shard(tmp_path / "s", ["abcdefg", "h", "ijkl", "mnopqrst"], Tokenizer.from_bytes())


def test_windows_of_documents_read_each_token_once_and_never_over_a_border(shard):
    windows = DocumentWindows(shard, 4)
    text = Tokenizer.from_bytes().decode
    read = [(text(inputs.tolist()), text(targets.tolist())) for inputs, targets in windows]
    border = "<|endoftext|>"
    assert read == [
        (border + "abc", "abcd"),
        ("defg", "efg" + border),
        (border + "h", "h" + border),
        (border + "ijk", "ijkl"),
        ("l", border),
        (border + "mno", "mnop"),
        ("pqrs", "qrst"),
        ("t", border),
    ]
    with pytest.raises(IndexError):
        windows[8]


def test_batches_of_documents_are_filled_up_and_the_filling_is_no_target(shard):
    windows = DocumentWindows(shard, 4)
    order = Order(len(windows), seed=3)
    batches = Batches(windows, order, samples_per_step=4, micro_batch=2)
    loader = DataLoader(windows, sampler=order, batch_size=2, collate_fn=pad)
    steps = [part for step in (0, 1) for part in batches.at(step)]
    for part, (ids, targets) in zip(steps, loader, strict=True):
        assert torch.equal(part["ids"], ids)
        assert torch.equal(part["targets"], targets)
    counted = sum(int((part["targets"] != -100).sum()) for part in steps)
    assert counted == len(shard.tokens)  # every token but the first border, and the last border once more
    assert any((part["targets"] == -100).any() for part in steps)
