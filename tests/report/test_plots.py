"""Charts are thinned without losing their shape, follow the page's colours, and are the same each time."""

import re
import subprocess
import sys

import pytest

from groundup.report.charts import causes, charts
from groundup.report.plots import MOST_POINTS, png, smooth, svg, thin
from groundup.report.read import read


def test_few_points_stay_as_they_are():
    assert thin([1, 2, 5], [3.0, 1.0, 2.0]) == ([[1, 2, 5], [3.0, 1.0, 2.0]], 1)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_many_points_become_means_whose_weighted_mean_is_kept(logarithmic):
    steps = list(range(1, 50_001))
    (where, values), most = thin(steps, [2.0 * step for step in steps], logarithmic=logarithmic)
    assert len(where) <= MOST_POINTS
    assert most >= 50
    assert values == pytest.approx([2 * step for step in where])
    assert where == sorted(where)


def test_on_a_logarithmic_axis_the_first_steps_are_kept_one_by_one():
    (where, _), _ = thin(range(1, 50_001), range(1, 50_001), logarithmic=True)
    assert where[:20] == list(range(1, 21))


def test_the_smooth_line_is_the_mean_of_the_steps_nearby():
    steps, values = list(range(1, 41)), [float(step % 5) for step in range(1, 41)]
    by_hand = [
        sum(near) / len(near)
        for s in steps
        if (near := [v for t, v in zip(steps, values, strict=True) if s / 1.1 <= t <= s * 1.1])
    ]
    assert smooth(steps, values) == pytest.approx(by_hand)


def test_a_run_with_a_floor_has_six_charts_and_an_own_text_five(make_run):
    names = [chart.name for chart in charts(read(make_run()))]
    assert names == ["validation", "loss", "excess", "rate", "gradient", "speed"]
    own = [chart.name for chart in charts(read(make_run("own", floor=None)))]
    assert own == ["validation", "loss", "rate", "gradient", "speed"]


def test_the_floor_in_nats_is_the_floor_in_bits_times_the_ratio_of_the_units(make_run):
    legend = dict(charts(read(make_run()))[1].legend)
    # 0.5 bits per byte, 3.7 bytes per token, ln 2 nats per bit: 1.28 nats per token.
    assert legend["floor"] == "the best possible, 1.28"


def test_a_picture_takes_its_colours_and_its_font_from_the_page(make_run):
    drawn = svg(charts(read(make_run()))[0], 400, 240, "a")
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", drawn)) <= {"none"} | {
        f"var(--{role})" for role in ("ink", "grid", "main", "second", "pale", "floor")
    }
    assert "font-family" not in drawn
    assert "<style" not in drawn
    assert "http" not in drawn


def test_ticks_keep_all_their_digits(make_run):
    rate = next(chart for chart in charts(read(make_run())) if chart.name == "rate")
    assert ">0.0002<" in svg(rate, 400, 240, "a")


def test_the_same_run_gives_the_same_bytes_and_other_ids_on_request(make_run):
    chart = charts(read(make_run()))[0]
    assert svg(chart, 400, 240, "a") == svg(chart, 400, 240, "a")
    assert png(chart, 400, 240) == png(chart, 400, 240)
    ids = [set(re.findall(r' id="([^"]+)"', svg(chart, 400, 240, prefix))) for prefix in "ab"]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_importing_the_report_imports_no_matplotlib_and_drawing_no_pyplot(make_run):
    code = (
        "import sys, groundup.report as r; assert 'matplotlib' not in sys.modules; "
        "r.write(sys.argv[1]); assert not {'matplotlib.pyplot', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(make_run())], check=True)


def validation(step, **costs):
    line = {"kind": "validation", "step": step, "loss": 2.0, "bits_per_byte": 2.0}
    return line | {"excess_bits_per_document": costs}


def test_what_is_learned_when_has_a_line_for_each_cause_that_costs_a_bit(make_run):
    lines = [
        validation(
            step, fact=90.0 - step, free=200 / (step + 1), grammar=0.0 if step else 300.0, spelling=0.2
        )
        for step in range(5)
    ]
    chart = causes(read(make_run(metrics=lines)))
    assert chart is not None
    # Grammar has a single point above 0, which makes no line; spelling never costs as much as one bit.
    assert [label for _, label in chart.legend] == ["facts that the text has settled", "free choices"]
    drawn = svg(chart, 400, 240, "a")
    assert "var(--third)" in drawn
    assert "var(--main)" in drawn
    assert 'aria-label="What is learned when. What is left' in drawn
    assert causes(read(make_run("plain"))) is None
