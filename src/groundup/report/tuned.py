"""What the report of a fine-tuned model shows: the loss on held-out examples, and what was taken for what."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from groundup.report import words
from groundup.report.markup import element, escape, section
from groundup.report.numerals import count, duration, percent, plain
from groundup.report.plots import Chart, Look, thin
from groundup.report.read import HeldOut, Run
from groundup.report.records import number
from groundup.report.samples import shortened
from groundup.report.scores import Score

DEEDS = {
    "next_token": "its style",
    "answers": "to answer",
    "classify": "to sort texts",
    "dpo": "which answers people prefer",
}
MOST_ANSWERS = 10
MOST_LABELS = 20  # of a table that can still be read


def is_tuned(run: Run) -> bool:
    """Whether the run began from a trained model, by a method of fine-tuning."""
    return bool(run.facts.get("method"))


def headline(run: Run) -> str:
    """What was learned, from what, and how well it does now, in one sentence."""
    deed = DEEDS.get(str(run.facts.get("method")), "something new")
    seconds = number(run.facts, "seconds")
    where = f"learned {deed} from {words.source(run)}"
    time = f" in {duration(seconds)}" if seconds and seconds >= 1 and run.status == "finished" else ""
    place = "" if run.status == "finished" else f" ({run.status}, step {run.last_step:,})"
    return f"A model {where}{time}{place}{_result(run)}"


def _result(run: Run) -> str:
    points = words.finite(run.held_out)
    if not points:
        return "."
    last = points[-1]
    method = run.facts.get("method")
    if last.accuracy is not None and method == "classify":
        return f": {percent(100 * last.accuracy)} of held-out texts are sorted right."
    if last.accuracy is not None and method == "dpo":
        return f": the preferred answer is likelier in {percent(100 * last.accuracy)} of held-out pairs."
    return f": from {points[0].loss:.2f} to {last.loss:.2f} nats per token on held-out examples."


def standfirst(run: Run) -> str:
    """How much of the model learned, in words for someone who never met it."""
    learned, parameters = number(run.facts, "parameters_that_learn"), number(run.facts, "parameters")
    if not learned or not parameters:
        return ""
    if learned == parameters:
        return f"All of its {count(parameters)} parameters learned."
    share = percent(100 * learned / parameters)
    return (
        f"Of its {count(parameters)} parameters {count(learned)} learned ({share}); all others stayed as "
        f"they were."
    )


def charts(run: Run) -> list[Chart]:
    """The loss on held-out examples, and their accuracy where the method has one."""
    points = words.finite(run.held_out)
    if len(points) < 2:
        return []
    first, last = points[0], points[-1]
    best = min(points, key=lambda point: point.loss)
    says = f"The loss on held-out examples went from {first.loss:.3f} to {last.loss:.3f}"
    if last.loss > 1.01 * best.loss:
        says += (
            f"; it was lowest, {best.loss:.3f}, at step {best.step:,}, and rose after that: the model began "
            f"to learn its examples by heart"
        )
    drawn = [
        _chart(
            "held_out",
            "Loss on held-out examples",
            "nats, lower is better",
            f"{says}.",
            points,
            [(point.step, point.loss, point.interval) for point in points],
        )
    ]
    right = [(p.step, p.accuracy, p.accuracy_interval) for p in points if p.accuracy is not None]
    if len(right) > 1:
        ends = f"from {percent(100 * right[0][1])} to {percent(100 * right[-1][1])}"
        title = "Right on held-out examples"
        drawn.append(
            _chart("right", title, "share, higher is better", f"The share went {ends}.", points, right)
        )
    return drawn


def _chart(
    name: str,
    title: str,
    unit: str,
    says: str,
    points: Sequence[HeldOut],
    values: Sequence[tuple[int, float, tuple[float, float] | None]],
) -> Chart:
    ends = [interval or (value, value) for _, value, interval in values]
    (steps, middle, low, high), _ = thin(
        [step for step, _, _ in values],
        [value for _, value, _ in values],
        [end[0] for end in ends],
        [end[1] for end in ends],
    )

    def draw(axes: Axes, look: Look) -> None:
        axes.fill_between(steps, low, high, color=look.main, alpha=0.18, linewidth=0)
        axes.plot(
            steps, middle, color=look.main, linewidth=2, marker="o" if len(steps) < 40 else "", markersize=3.5
        )

    sure = any(interval for _, _, interval in values)
    legend = (("main", "held-out examples, with the 95 % interval" if sure else "held-out examples"),)
    return Chart(name, title, unit, says, draw, legend)


def confusion_section(scores: Sequence[Score]) -> str:
    """Which label was taken for which: rows are what the texts are, columns what the model said."""
    found = next((score for score in scores if score.confusion and score.task == "labels"), None)
    if found is None or len(found.labels) > MOST_LABELS:
        return ""
    head = element("tr", element("th", "") + "".join(element("th", escape(name)) for name in found.labels))
    rows = "".join(
        element("tr", element("th", escape(name), scope="row") + "".join(map(_cell, row)))
        for name, row in zip(found.labels, found.confusion, strict=True)
    )
    lead = "Rows are what the held-out texts are, columns what the model said."
    table = element("table", element("thead", head) + element("tbody", rows), "plain")
    return section("What was taken for what", table, "confusion", lead)


def answers_section(run: Run) -> str:
    """The first answers to held-out questions, beside what was expected."""
    names = ("Question", "The model", "Expected")
    head = element("thead", element("tr", "".join(element("th", name, scope="col") for name in names)))
    rows = "".join(
        element(
            "tr",
            "".join(
                element("td", f"<div>{escape(shortened(text))}</div>", data_label=name)
                for name, text in zip(names, (each.question, each.said, each.expected), strict=True)
            ),
        )
        for each in run.answers[:MOST_ANSWERS]
    )
    lead = "Greedy, of questions that it did not learn from; all of them are in responses.jsonl."
    table = element("table", head + element("tbody", rows)) if rows else ""
    return section("What it answers", table, "answers", lead)


def _cell(number: int) -> str:
    return element("td", f"<div>{plain(number)}</div>")
