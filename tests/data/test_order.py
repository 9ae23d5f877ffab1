import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.data.order import Order


@pytest.mark.parametrize("sizes", [range(1, 200), range(997, 1003), range(1998, 2001)], ids=str)
def test_each_epoch_has_every_sample_once_for_every_size(sizes):
    for size in sizes:
        assert sorted(Order(size, seed=1)) == list(range(size))


@pytest.mark.slow
def test_each_epoch_has_every_sample_once_for_every_size_up_to_2000():
    for size in range(1, 2001):
        assert sorted(Order(size, seed=size)) == list(range(size))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.integers(-(2**65), 2**65), st.integers(0, 2**40))
def test_each_epoch_has_every_sample_once_for_every_seed_and_epoch(size, seed, epoch):
    order = Order(size, seed)
    order.set_epoch(epoch)
    assert sorted(order) == list(range(size))


def test_a_large_size_meets_no_index_twice():
    order = Order(16_385, seed=3)  # just above a power of four: most walks take more than one step
    assert len({order.at(k) for k in range(len(order))}) == 16_385
    huge = Order(10**12 + 39, seed=3)
    places = [huge.at(k) for k in range(2_000)]
    assert len(set(places)) == 2_000
    assert max(places) < len(huge)
    assert max(places) > 0.99 * len(huge)


def test_the_order_differs_from_epoch_to_epoch_and_from_seed_to_seed():
    orders = {
        tuple(Order(50, seed).at(k) for k in range(e * 50, e * 50 + 50)) for seed in (1, 2) for e in (0, 1, 2)
    }
    assert len(orders) == 6


def test_the_order_is_the_same_on_every_machine_and_in_every_version():
    # Frozen: a change here would make every resumed run read other samples than it should.
    assert [Order(10, seed=1).at(k) for k in range(20)] == FROZEN


FROZEN = [8, 3, 9, 6, 0, 2, 7, 4, 5, 1, 8, 6, 7, 3, 5, 0, 1, 2, 4, 9]


def test_asking_for_one_place_needs_no_other():
    order = Order(1000, seed=7)
    forwards = [order.at(k) for k in range(2500)]
    assert [Order(1000, seed=7).at(k) for k in reversed(range(2500))] == forwards[::-1]


def test_iterating_gives_the_epoch_that_was_set():
    order = Order(5, seed=2)
    assert list(order) == [order.at(k) for k in range(5)]
    order.set_epoch(3)
    assert list(order) == [order.at(k) for k in range(15, 20)]
    assert len(order) == 5


@pytest.mark.parametrize("size", [2, 3, 5, 16, 17])
def test_every_sample_comes_equally_often_at_every_place(size):
    """Chi-square over 3,000 epochs of where sample 0 stands; the bound is passed by chance once in 10,000."""
    order, epochs = Order(size, seed=11), 3000
    counts = Counter(next(p for p in range(size) if order.at(e * size + p) == 0) for e in range(epochs))
    expected = epochs / size
    chi_square = sum((counts[place] - expected) ** 2 / expected for place in range(size))
    assert chi_square < {2: 15.2, 3: 18.5, 5: 23.6, 16: 44.3, 17: 46.0}[size]


def test_neighbours_in_the_text_do_not_stay_neighbours():
    order = list(Order(4096, seed=5))
    steps = [b - a for a, b in itertools.pairwise(order)]
    assert sum(step == 1 for step in steps) < 10  # one is expected by chance
    assert len(set(steps)) > 2000  # and there is no fixed stride
