"""The charts of a run, each with its one sentence; a chart without data is left out."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from groundup.report import tuned, words
from groundup.report.numerals import bits
from groundup.report.plots import DASHES, Chart, Look, logarithmic_y, smooth, thin
from groundup.report.read import Run

LEAST_BITS = 0.01  # of a cause, to have a place on the logarithmic axis


def charts(run: Run) -> list[Chart]:
    """All charts for which the run has data; the first one is the picture of `loss.png`."""
    makers = (_validation, _loss, _excess, _rate, _gradient, _speed)
    return tuned.charts(run) + [chart for maker in makers if (chart := maker(run)) is not None]


def _validation(run: Run) -> Chart | None:
    """Bits per byte on new text, with the 95 % interval and the floor."""
    points = words.finite(run.validation)
    if len(points) < 2:
        return None
    # A measurement without an interval has one of no width, so that the band is not broken there.
    ends = [point.interval or (point.bits_per_byte, point.bits_per_byte) for point in points]
    (steps, values, low, high), most = thin(
        [point.step for point in points],
        [point.bits_per_byte for point in points],
        [end[0] for end in ends],
        [end[1] for end in ends],
    )

    def draw(axes: Axes, look: Look) -> None:
        axes.fill_between(steps, low, high, color=look.main, alpha=0.18, linewidth=0)
        axes.plot(steps, values, color=look.main, linewidth=2, marker=_dots(steps), markersize=3.5)
        _draw_floor(axes, look, run.floor)
        end = (steps[-1], values[-1])
        axes.annotate(
            bits(values[-1]), end, (0, 8), textcoords="offset points", ha="right", color=look.main, size=12
        )
        if min(values) < 0.4 * max(
            values
        ):  # The curve comes far enough down to show how far it is from zero.
            axes.set_ylim(0, 1.05 * max(values))

    legend = (("main", "validation, with its 95 % interval" if points[-1].interval else "validation"),)
    return Chart(
        "validation",
        "Loss on new text",
        "bits per byte, lower is better",
        words.validation_sentence(run),
        draw,
        legend + _floor_legend(run.floor and bits(run.floor)),
        _note(most),
    )


def _excess(run: Run) -> Chart | None:
    """The distance to the floor in percent, logarithmic, so that progress stays visible to the end."""
    floor = run.floor
    if not floor or floor <= 0:
        return None
    points = [p for p in words.finite(run.validation) if p.step > 0 and words.excess_percent(p, floor) > 0]
    if len(points) < 3:
        return None
    excess = [words.excess_percent(point, floor) for point in points]
    (steps, values), most = thin([point.step for point in points], excess, logarithmic=True)

    def draw(axes: Axes, look: Look) -> None:
        axes.set_xscale("log")
        axes.plot(steps, values, color=look.main, linewidth=2, marker=_dots(steps), markersize=3.5)
        logarithmic_y(axes, values)

    unit = "percent above the best possible, logarithmic axes"
    return Chart("excess", "What is left to learn", unit, words.excess_sentence(run), draw, note=_note(most))


def causes(run: Run) -> Chart | None:
    """Bits per document above the best possible, told apart by cause: what is learned when."""
    points = [point for point in words.finite(run.validation) if point.excess_by_cause]
    lines = []
    for (cause, label), role in zip(words.CAUSES.items(), ("third", "main", "second", "ink"), strict=True):
        # On a logarithmic axis there is no place for what costs nothing, or seems to by chance.
        paid = [(p.step, p.excess_by_cause.get(cause, 0.0)) for p in points]
        paid = [(step, cost) for step, cost in paid if cost >= LEAST_BITS]
        if len(paid) >= 3 and max(cost for _, cost in paid) >= 1:
            lines.append((role, label, *thin(*zip(*paid, strict=True))))
    if not lines:
        return None

    def draw(axes: Axes, look: Look) -> None:
        for role, _, (steps, values), _ in lines:
            width, colour = 2.5 if role == "third" else 2, getattr(look, role)
            axes.plot(steps, values, color=colour, linewidth=width, marker=_dots(steps), markersize=3.5)
        logarithmic_y(axes, [value for _, _, (_, values), _ in lines for value in values])

    return Chart(
        "causes",
        "What is learned when",
        "bits per document above the best possible, logarithmic",
        words.causes_sentence(run),
        draw,
        tuple((role, label) for role, label, _, _ in lines),
        _note(max(most for *_, most in lines)),
    )


def _loss(run: Run) -> Chart | None:
    """Training and validation loss in nats per token, on a logarithmic step axis."""
    points = [point for point in words.finite(run.train) if point.step > 0]
    if len(points) < 2:
        return None
    validated = [point for point in words.finite(run.validation) if point.step > 0]
    # Nats per token and bits per byte of the same texts differ by a factor, which a validation gives.
    last = validated[-1] if validated else None
    floor = run.floor * last.loss / last.bits_per_byte if last and run.floor and last.bits_per_byte else None
    draw_steps, _, most = _smoothed([point.step for point in points], [point.loss for point in points])

    def draw(axes: Axes, look: Look) -> None:
        draw_steps(axes, look)
        if validated:
            (where, losses), _ = thin(
                [p.step for p in validated], [p.loss for p in validated], logarithmic=True
            )
            axes.plot(where, losses, color=look.main, linewidth=1.5, marker=_dots(where), markersize=3.5)
        _draw_floor(axes, look, floor)

    legend = (("pale", "training, each step"), ("second", "training, mean of neighbours"))
    return Chart(
        "loss",
        "Training loss",
        f"nats per {words.unit(run).removesuffix('s')}, logarithmic steps",
        words.loss_sentence(run),
        draw,
        legend + ((("main", "validation"),) if validated else ()) + _floor_legend(floor and f"{floor:.2f}"),
        _note(most),
    )


def _rate(run: Run) -> Chart | None:
    """The learning rate over the steps."""
    points = [(point.step, point.learning_rate) for point in run.train if point.learning_rate is not None]
    if len(points) < 2:
        return None
    (steps, values), most = thin(*zip(*points, strict=True))

    def draw(axes: Axes, look: Look) -> None:
        axes.plot(steps, values, color=look.second, linewidth=2)
        axes.set_ylim(0, 1.08 * max(values) or 1)

    says = words.rate_sentence(run.train)
    return Chart("rate", "Learning rate", "how far one step moves the weights", says, draw, note=_note(most))


def _gradient(run: Run) -> Chart | None:
    """The norm of the gradient before clipping, on two logarithmic axes."""
    points = [
        (p.step, p.gradient_norm) for p in run.train if p.gradient_norm and p.gradient_norm > 0 and p.step > 0
    ]
    if len(points) < 2:
        return None
    draw_steps, values, most = _smoothed(*zip(*points, strict=True))

    def draw(axes: Axes, look: Look) -> None:
        draw_steps(axes, look)
        logarithmic_y(axes, values)

    unit = "length of the gradient, logarithmic axes"
    return Chart(
        "gradient", "Gradient norm", unit, words.gradient_sentence(run.train), draw, note=_note(most)
    )


def _speed(run: Run) -> Chart | None:
    """Tokens per second over the steps."""
    points = [
        (point.step, point.tokens_per_second) for point in run.timing if point.tokens_per_second is not None
    ]
    if len(points) < 2:
        return None
    (steps, values), most = thin(*zip(*points, strict=True))

    def draw(axes: Axes, look: Look) -> None:
        axes.plot(steps, values, color=look.second, linewidth=1.5)
        axes.set_ylim(0, 1.12 * max(values) or 1)

    unit = words.unit(run)
    says = words.speed_sentence(run.timing, unit)
    return Chart("speed", "Speed", f"{unit} per second", says, draw, note=_note(most))


def _smoothed(
    all_steps: Sequence[float], all_values: Sequence[float]
) -> tuple[Callable[[Axes, Look], None], list[float], int]:
    """Draws values, and the mean of neighbours, over logarithmic steps; what is drawn; for `_note`."""
    (steps, values, smoothed), most = thin(
        all_steps, all_values, smooth(all_steps, all_values), logarithmic=True
    )

    def draw(axes: Axes, look: Look) -> None:
        axes.set_xscale("log")
        axes.plot(steps, values, color=look.pale, linewidth=1)
        axes.plot(steps, smoothed, color=look.second, linewidth=2)

    return draw, values, most


def _draw_floor(axes: Axes, look: Look, floor: float | None) -> None:
    """A dashed line at the best possible loss."""
    if floor is not None:
        axes.axhline(floor, color=look.floor, linewidth=1.5, linestyle=DASHES)


def _floor_legend(floor: str | float | None) -> tuple[tuple[str, str], ...]:
    return (("floor", f"the best possible, {floor}"),) if floor is not None else ()


def _dots(steps: Sequence[float]) -> str:
    """Dots where there are few measurements, so that each can be seen; a plain line where there are many."""
    return "o" if len(steps) < 40 else ""


def _note(most: int) -> str:
    """What a reader must know about points that were brought together."""
    return f"One point is the mean of up to {most:,} measurements." if most > 1 else ""
