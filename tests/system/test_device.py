"""Which device there is, and what a result may depend on."""

import psutil
import pytest
import torch

from groundup.errors import UserError
from groundup.system.device import describe, peak_memory_mb, pick_device


def test_without_a_wish_the_best_device_is_taken_and_the_cpu_is_always_there():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert pick_device() == torch.device(best)
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("asked", ["gpu", "tpu:0", "", "cpu:x", "cpu:", "cpu:7", "cuda:99"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(asked):
    with pytest.raises(UserError, match=f"The device '{asked}' is not there. Choose from: .*cpu"):
        pick_device(asked)


def test_a_description_says_versions_and_threads():
    found = describe(torch.device("cpu"))
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert found["device"] == "cpu"
    assert all(value not in (None, "") for value in found.values())


def test_the_peak_of_memory_is_between_what_is_held_now_and_what_the_machine_has():
    now = psutil.Process().memory_info().rss / 1e6
    peak = peak_memory_mb()
    assert peak is not None
    assert 0.99 * now < peak < psutil.virtual_memory().total / 1e6
