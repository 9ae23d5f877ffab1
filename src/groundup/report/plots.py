"""From a chart to a picture: inline SVG that follows the page's colours, or a PNG.

matplotlib draws. Nothing is drawn on import, no global figure is made (matplotlib.pyplot is not used), and
the same data give the same bytes.
"""

import io
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from groundup.report.markup import escape
from groundup.report.numerals import compact

MOST_POINTS = 1000  # More than a line of this width can show; it keeps the page of a long run small.


DASHES = (0, (5, 3))  # of the floor's line


@dataclass(frozen=True)
class Look:
    """The colours of a chart by their role."""

    ink: str
    grid: str
    main: str
    second: str
    pale: str
    floor: str
    third: str


# The page's colours change with the reader's dark mode, and matplotlib knows no CSS variables. So an SVG is
# drawn in colours that no one would choose, and each is then replaced by the variable that it stands for.
_MARKED = Look(*(f"#0102{number:02x}" for number in range(3, 10)))
_VARIABLES = {colour: f"var(--{role})" for role, colour in vars(_MARKED).items()}
PAPER = Look(
    ink="#5f5a52",
    grid="#e6e1d8",
    main="#0b6a72",
    second="#5b4a9c",
    pale="#b9b0dc",
    floor="#b04a12",
    third="#b3306b",
)


@dataclass(frozen=True)
class Chart:
    """One chart: what it is called, what it says in one sentence, and how it is drawn.

    `legend` pairs a role of `Look` with what is drawn in it. `note` says how points were brought together.
    """

    name: str
    title: str
    unit: str
    sentence: str
    draw: Callable[[Axes, Look], None]
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""


def svg(chart: Chart, width: int, height: int, prefix: str) -> str:
    """The chart as an <svg> element for a page; `width` and `height` in CSS pixels at full size.

    `prefix` makes the ids inside unique on the page.
    """
    figure = Figure(figsize=(width / 72, height / 72))
    FigureCanvasSVG(figure)
    _fill(figure, chart, _MARKED, pad=0.02)
    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "groundup", "path.simplify": True}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _inline(out.getvalue(), f"{chart.title}. {chart.sentence}", prefix)


def png(chart: Chart, width: int, height: int) -> bytes:
    """The chart as a PNG on white, with title and legend; twice as many pixels as `width` x `height`."""
    figure = Figure(figsize=(width / 72, height / 72))
    FigureCanvasAgg(figure)
    axes = _fill(figure, chart, PAPER, pad=0.2)
    axes.set_title(f"{chart.title} ({chart.unit})", loc="left", color="#22201d", fontsize=13)
    for role, label in chart.legend:
        dashes = DASHES if role == "floor" else "-"
        axes.plot([], [], color=getattr(PAPER, role), linewidth=2, linestyle=dashes, label=label)
    if chart.legend:
        axes.legend(framealpha=1, edgecolor="none", fontsize=10, labelcolor=PAPER.ink)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=144, metadata={"Software": None})
    return out.getvalue()


def _fill(figure: Figure, chart: Chart, look: Look, pad: float) -> Axes:
    """Axes with few, quiet lines, and the chart's curves; `pad` is the room at the edges in inches."""
    figure.set_layout_engine("constrained", w_pad=pad, h_pad=pad)
    axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(look.grid)
    axes.tick_params(which="both", length=0, labelsize=11, labelcolor=look.ink, pad=6)
    axes.grid(axis="y", color=look.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("step", color=look.ink, fontsize=11)
    chart.draw(axes, look)
    axes.margins(x=0.01)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
        axis.set_minor_formatter(NullFormatter())
        axis.set_minor_locator(NullLocator())
        if axis.get_scale() == "log":
            low, high = axis.get_view_interval()
            span = high / low
            axis.set_major_locator(
                LogLocator(subs=(1,) if span > 300 else (1, 3) if span > 30 else (1, 2, 5))
            )
        else:
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=axis is axes.xaxis))
    return axes


def logarithmic_y(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic y axis, wide enough for at least one tick however close together the values are."""
    low, high = min(values), max(values)
    middle, room = math.sqrt(low) * math.sqrt(high), max(1.15 * math.sqrt(high) / math.sqrt(low), 1.8)
    axes.set_yscale("log")
    axes.set_ylim(middle / room, middle * room)


def thin(
    steps: Sequence[float], *columns: Sequence[float], logarithmic: bool = False
) -> tuple[list[list], int]:
    """Points that a line can show: where more lie in one place of the axis, their mean.

    Gives the steps and the columns, each at most MOST_POINTS long, and how many points the fullest place
    held.
    `logarithmic` says that the places are equally wide on a logarithmic step axis.
    """
    rows = list(zip(steps, *columns, strict=True))
    if len(rows) <= MOST_POINTS:
        return [list(column) for column in zip(*rows, strict=True)], 1
    scale = math.log if logarithmic else float
    start, end = scale(steps[0]), scale(steps[-1])
    places: dict[int, list] = {}
    for row in rows:
        place = int((scale(row[0]) - start) / (end - start) * (MOST_POINTS - 1))
        places.setdefault(place, []).append(row)
    means = [[fmean(column) for column in zip(*group, strict=True)] for group in places.values()]
    return [list(column) for column in zip(*means, strict=True)], max(map(len, places.values()))


def smooth(steps: Sequence[float], values: Sequence[float], reach: float = 1.1) -> list[float]:
    """Each value replaced by the mean over steps from step / reach to step * reach (sorted, above 0)."""
    sums = list(accumulate(values, initial=0.0))
    ends = [(bisect_left(steps, step / reach), bisect_right(steps, step * reach)) for step in steps]
    return [(sums[high] - sums[low]) / (high - low) for low, high in ends]


def _inline(drawn: str, label: str, prefix: str) -> str:
    """matplotlib's SVG file as an element of a page: no prologue, own ids, CSS variables, the page's font."""
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(
        r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", drawn, flags=re.S
    )
    view = re.search(r'viewBox="([^"]*)"', drawn)
    assert view is not None
    drawn = drawn[drawn.index(">") + 1 :]
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', drawn))
    drawn = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", drawn)
    drawn = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", drawn).replace("xlink:href", "href")
    drawn = re.sub(r"; font-family: [^;\"]*", "", drawn)
    drawn = re.sub(
        r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", drawn
    )  # how matplotlib before 3.10 writes it
    drawn = re.sub(r' transform="rotate\(-0 [^"]*"|<g/>', "", drawn)
    for colour, variable in _VARIABLES.items():
        drawn = drawn.replace(colour, variable)
    drawn = re.sub(r"(\d\.\d\d)\d+(?=[^<>]*>)", r"\1", drawn)  # A hundredth of a pixel is fine enough.
    drawn = re.sub(r"\s*\n\s*", "\n", re.sub(r"\s*\n(?=[\dLMCzZ\"])", " ", drawn))
    return f'<svg viewBox="{view[1]}" role="img" aria-label="{escape(label)}">{drawn}'
