"""The learning rate over time, by hand."""

import math

import pytest

from groundup.training.schedule import learning_rate


def rates(settings) -> list[float]:
    return [learning_rate(step, settings) for step in range(settings.steps)]


def test_warm_up_rises_in_equal_steps_to_the_peak(make_settings):
    for schedule in ("cosine", "linear", "wsd", "constant"):
        settings = make_settings(steps=10, warmup_steps=4, learning_rate=0.8, schedule=schedule)
        assert rates(settings)[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8], abs=1e-12)


def test_linear_falls_in_equal_steps_to_the_final_rate(make_settings):
    settings = make_settings(
        steps=7, warmup_steps=2, learning_rate=1.0, final_learning_rate=0.2, schedule="linear"
    )
    assert rates(settings) == pytest.approx([0.5, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2], abs=1e-12)


def test_cosine_falls_along_half_a_wave_to_the_final_rate(make_settings):
    settings = make_settings(steps=5, learning_rate=1.0, final_learning_rate=0.2, schedule="cosine")
    quarter = 0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2
    assert rates(settings) == pytest.approx([1.0, quarter, 0.6, 1.2 - quarter, 0.2], abs=1e-12)


def test_constant_stays_at_the_peak(make_settings):
    settings = make_settings(steps=5, learning_rate=0.3, final_learning_rate=0.1, schedule="constant")
    assert rates(settings) == [0.3] * 5


def test_warm_up_stable_decay_stays_at_the_peak_and_falls_at_the_end(make_settings):
    how = {"warmup_steps": 2, "learning_rate": 1.0, "final_learning_rate": 0.2, "schedule": "wsd"}
    settings = make_settings(steps=10, decay=0.5, **how)
    assert rates(settings) == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2], abs=1e-12)
    assert rates(make_settings(steps=10, decay=0.0, **how))[2:9] == [1.0] * 7
    linear = make_settings(steps=10, **{**how, "schedule": "linear"})
    assert rates(make_settings(steps=10, decay=1.0, **how)) == rates(linear)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("steps, warmup", [(2, 0), (3, 1), (100, 10), (1000, 0)])
def test_the_last_step_has_the_final_rate_and_no_step_is_outside(make_settings, schedule, steps, warmup):
    settings = make_settings(
        steps=steps, warmup_steps=warmup, learning_rate=1e-3, final_learning_rate=1e-4, schedule=schedule
    )
    found = rates(settings)
    assert found[-1] == pytest.approx(1e-4, rel=1e-9)
    assert max(found) == 1e-3
    falling = found[warmup:]
    assert all(later < earlier for earlier, later in zip(falling, falling[1:], strict=False))


def test_a_run_of_one_step_uses_the_peak_and_not_nothing(make_settings):
    assert rates(make_settings(steps=1, learning_rate=0.5, final_learning_rate=0.0)) == [0.5]
