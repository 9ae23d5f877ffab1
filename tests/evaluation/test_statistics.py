"""Intervals against hand calculations and against what they promise."""

import math

import numpy as np
import pytest

from groundup.evaluation.statistics import bootstrap_ratio, wilson


@pytest.mark.parametrize(
    "successes, n, low, high",
    [
        (8, 10, 0.490162, 0.943318),  # statsmodels' proportion_confint(8, 10, method="wilson")
        (10, 100, 0.055229, 0.174366),
        (0, 20, 0.0, 0.161125),  # z^2 / (n + z^2)
        (20, 20, 0.838875, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_has_the_published_values(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=2e-6)


def test_no_success_and_only_successes_lie_inside_their_own_intervals():
    for n in range(1, 400):
        assert wilson(0, n)[0] == 0.0
        assert wilson(n, n)[1] == 1.0


@pytest.mark.parametrize("successes, n", [(1, 3), (37, 120), (999, 1000)])
def test_wilsons_ends_are_the_shares_that_are_just_not_contradicted(successes, n):
    for end in wilson(successes, n):
        assert abs(successes / n - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / n), rel=1e-9)


def test_one_item_says_nothing_about_how_items_differ():
    assert bootstrap_ratio([3.0], [2.0]) is None
    assert bootstrap_ratio([], []) is None


def test_a_ratio_that_all_items_share_has_no_width():
    assert bootstrap_ratio([2.0, 4.0, 8.0] * 4, [1.0, 2.0, 4.0] * 4) == (2.0, 2.0)


def test_a_handful_of_items_gives_no_interval():
    """Resampling two or three items would give one that is far too narrow."""
    assert bootstrap_ratio([2.0, 4.0] * 4, [1.0, 1.0] * 4) is None
    assert bootstrap_ratio([2.0, 4.0] * 5, [1.0, 1.0] * 5) is not None


def test_the_same_seed_gives_the_same_interval():
    above, below = np.random.default_rng(0).uniform(1, 2, size=(2, 30))
    assert bootstrap_ratio(above, below, seed=1) == bootstrap_ratio(above, below, seed=1)
    assert bootstrap_ratio(above, below, seed=1) != bootstrap_ratio(above, below, seed=2)


def test_an_interval_is_as_wide_as_theory_says():
    """The mean of n numbers has the standard error sigma / sqrt(n); 95 % lie within 1.96 of them."""
    values = np.random.default_rng(0).normal(5, 1, size=400)
    interval = bootstrap_ratio(values, np.ones(400))
    assert interval is not None
    low, high = interval
    half = 1.96 * values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """Long items have another ratio than short ones, so that the weights matter."""
    rng, covered = np.random.default_rng(0), 0
    for trial in range(200):
        below = rng.choice([1.0, 9.0], size=60)
        above = below * np.where(below > 1, 2.0, 4.0) + rng.normal(0, 1, size=60)
        interval = bootstrap_ratio(above, below, seed=trial, draws=200)
        assert interval is not None
        covered += interval[0] <= (4 + 18) / 10 <= interval[1]
    assert 0.88 <= covered / 200 <= 0.99
