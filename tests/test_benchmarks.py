"""How a benchmark compares two ways to do one thing, by a clock that the two ways themselves set forward."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SHARED = runpy.run_path(str(Path(__file__).resolve().parent.parent / "benchmarks" / "_compare.py"))
compare, verdict = SHARED["compare"], SHARED["verdict"]


def test_the_ratio_is_the_median_of_the_rounds_that_count_and_each_side_is_first_in_turn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    time, order = [0.0], list[str]()

    def taking(name: str, seconds: Iterator[float]) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            time[0] += next(seconds)

        return run

    # The first round warms up. Then theirs take 2, 3 and 10 times as long: the median is 3, the mean is not.
    ours, theirs = taking("o", iter([9.0, 1.0, 1.0, 4.0])), taking("t", iter([1.0, 2.0, 3.0, 40.0]))
    ratio = compare("it", ours, theirs, rounds=3, amount=6, unit="MB", warm=1, clock=lambda: time[0])
    assert ratio == 3.0
    assert "".join(order) == "to" + "ot" + "to" + "ot"
    assert capsys.readouterr().out == "it: 3 rounds, ours 6.0 MB/s, theirs 2.0 MB/s, ratio 3.00\n"


@pytest.mark.parametrize("wanted, code", [(1.5, 0), (1.51, 1)])
def test_a_benchmark_fails_where_one_ratio_is_below_what_is_wanted(
    wanted: float, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict({"a": 9.0, "b": 1.5}, {"a": 1.0, "b": wanted}) == code
    assert f"b 1.50 (at least {wanted:.2f})" in capsys.readouterr().out.splitlines()[-1]
