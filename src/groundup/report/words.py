"""Numbers and curves told in plain sentences, computed from the data of the run."""

import math
import re
import statistics
from itertools import pairwise

from groundup.report.numerals import bits, count, duration, percent, plain, plural, rough
from groundup.report.read import Run, Timing, TrainPoint, Validation
from groundup.report.records import number

# The causes of what a model pays too much, as the village tells them apart.
CAUSES = {
    "fact": "facts that the text has settled",
    "free": "free choices",
    "grammar": "grammar",
    "spelling": "spelling",
}


def source(run: Run) -> str:
    """What the run learned from: the file's name, or the name of a dataset followed by 'corpus'."""
    data = run.facts.get("data")
    given = str(data.get("source") or "") if isinstance(data, dict) else ""
    name = re.split(r"[/\\]", given.rstrip("/\\"))[-1]
    if not name:
        return "its text"
    return name if name != given or "." in name else f"the {name} corpus"


def unit(run: Run) -> str:
    """What counts in the loss: tokens, or what a fine-tuning says."""
    return str(run.facts.get("unit") or "tokens")


def headline(run: Run) -> str:
    """The result of the run in one sentence."""
    return f"{_subject(run)} {_deed(run)}{_result(run)}"


def _subject(run: Run) -> str:
    parameters = number(run.facts, "parameters")
    return f"A GPT of {count(parameters)} parameters" if parameters and parameters > 0 else "A GPT"


def _deed(run: Run) -> str:
    seconds = number(run.facts, "seconds")
    time = duration(seconds) if seconds and seconds >= 1 else ""
    if run.status == "finished":
        return f"learned {source(run)}" + (f" in {time}" if time else "")
    place = f"step {run.last_step:,}" + (f" of {run.steps:,}" if run.steps else "")
    if run.status == "interrupted":
        return f"was stopped at {place}, while it learned {source(run)}"
    return f"is learning {source(run)}: {place}" + (f", after {time}" if time else "")


def _result(run: Run) -> str:
    points = finite(run.validation)
    if not points:
        return "."
    last = points[-1]
    joint = ": " if run.status == "finished" else ". On new text it needs "
    if run.floor is None:
        return f"{joint}{bits(last.bits_per_byte)} bits per byte" + (
            " on new text." if joint == ": " else "."
        )
    return f"{joint}{bits(last.bits_per_byte)} bits per byte, {_above(last, run.floor)}."


def excess_percent(point: Validation, floor: float) -> float:
    """By how many percent a validation lies above the best possible."""
    if point.excess_percent is not None:
        return point.excess_percent
    return 100 * (point.bits_per_byte / floor - 1) if floor > 0 else math.inf


def _above(point: Validation, floor: float) -> str:
    excess = excess_percent(point, floor)
    if excess < 0:
        return f"{percent(-excess)} below the floor of {bits(floor)}, which only luck or seen texts can do"
    return f"{percent(excess)} above the best possible {bits(floor)}"


def standfirst(run: Run) -> str:
    """What the unit of the headline means, in one or two sentences for someone who never met it."""
    points = finite(run.validation)
    if not points:
        return (
            "No validation has been measured yet; the headline will say how well the model does on new text."
        )
    says = (
        "Bits per byte say how many bits the model needs, on average, for each byte of text that it has "
        "never seen: 8 would be blind guessing, and lower is better."
    )
    if run.floor is not None:
        says += (
            " This text comes from a source whose probabilities are known, so the best possible is known too."
        )
    if points[-1].accuracy is not None:
        says += f" It guesses the next token right {percent(100 * points[-1].accuracy)} of the time."
    return says


def validation_sentence(run: Run) -> str:
    """How the validation loss went, and how much the end of the run still brought."""
    points = finite(run.validation)
    if len(points) < 2:
        only = points[0]
        return f"The validation loss at step {only.step:,} is {bits(only.bits_per_byte)} bits per byte."
    first, last, best = points[0], points[-1], min(points, key=lambda point: point.bits_per_byte)
    verb = "fell" if last.bits_per_byte < first.bits_per_byte else "went"
    ends = f"from {bits(first.bits_per_byte)} to {bits(last.bits_per_byte)}"
    says = f"The validation loss {verb} {ends} bits per byte"
    if last.bits_per_byte > 1.01 * best.bits_per_byte:
        return (
            f"{says}; it was lowest, {bits(best.bits_per_byte)}, at step {best.step:,}, and rose after that: "
            "the model began to learn its training text by heart."
        )
    gain = _value_at(points, first.step + 0.9 * (last.step - first.step)) - last.bits_per_byte
    if len(points) > 3:
        says += f"; the last tenth of the run {'gained' if gain >= 0 else 'lost'} {bits(abs(gain))}"
    if run.floor is not None:
        says += f", and {bits(last.bits_per_byte - run.floor)} is left above the floor"
    return says + "."


def excess_sentence(run: Run) -> str:
    """How much of what could be learned has been learned."""
    assert run.floor is not None
    points = finite(run.validation)
    first, last = (excess_percent(point, run.floor) for point in (points[0], points[-1]))
    if not 0 < last < first:
        return f"At the end the loss is {percent(last)} above the best possible."
    learned = 100 * (1 - last / first)
    return (
        f"The distance to the best possible shrank from {percent(first)} to {percent(last)}: "
        f"{min(learned, 99.9):.1f} % of what there was to learn is learned."
    )


def causes_sentence(run: Run) -> str:
    """How much of each cause's first cost was left at the end, the soonest learned first."""
    points = [point for point in finite(run.validation) if point.excess_by_cause]
    first, last = points[0].excess_by_cause, points[-1].excess_by_cause
    left = {
        cause: max(last.get(cause, 0.0), 0.0) / first[cause]
        for cause in CAUSES
        if first.get(cause, 0.0) >= 1  # a share of next to nothing says nothing
    }
    told = [f"{CAUSES[cause]} {percent(100 * left[cause])}" for cause in sorted(left, key=lambda c: left[c])]
    if not told:
        return "Nothing cost more than one bit at the start."
    return f"What is left of the bits that each cost at step {points[0].step:,}: {listed(told)}."


def listed(things: list[str]) -> str:
    """Things with commas and an "and"."""
    return ", ".join(things[:-1]) + f" and {things[-1]}" if len(things) > 1 else things[0]


def loss_sentence(run: Run) -> str:
    """How training and validation loss ended (the mean of the last twentieth), and how far apart."""
    points = finite(run.train)
    broken = len(run.train) - len(points)
    if not points:
        return "No finite training loss has been measured."
    tail = points[-max(1, len(points) // 20) :]
    end = statistics.fmean(point.loss for point in tail)
    each = unit(run).removesuffix("s")
    says = f"The training loss went from {points[0].loss:.2f} to {end:.2f} nats per {each}"
    if broken:
        return f"{says}; at {plural(broken, 'step')} it was not a finite number, so the run went wrong there."
    validated = finite(run.validation)
    if validated:
        gap = validated[-1].loss - end
        far = f"{abs(gap):.2f} {'higher' if gap > 0 else 'lower'}" if abs(gap) >= 0.005 else "the same"
        says += f", and on new text it is {far}"
    return says + "."


def rate_sentence(points: list[TrainPoint]) -> str:
    """How the learning rate went."""
    rates = [(point.learning_rate, point.step) for point in points if point.learning_rate is not None]
    top, peak = max(rates, key=lambda pair: (pair[0], -pair[1]))
    last = rates[-1][0]
    says = f"The learning rate rose to {plain(top)} by step {peak:,}" if peak > rates[0][1] else ""
    if last < 0.999 * top:
        return f"{says or f'The learning rate began at {plain(top)}'} and has come down to {plain(last)}."
    return f"{says}." if says else f"The learning rate stayed at {plain(top)}."


def gradient_sentence(points: list[TrainPoint]) -> str:
    """How large the gradients were, and where they were largest."""
    norms = [(point.gradient_norm, point.step) for point in points if point.gradient_norm is not None]
    top, where = max(norms)
    middle = statistics.median(norm for norm, _ in norms)
    middle, top = plain(rough(middle)), plain(rough(top))
    return f"Half of the steps had a gradient norm below {middle}; the largest was {top}, at step {where:,}."


def speed_sentence(points: list[Timing], unit: str = "tokens") -> str:
    """How fast the run was, and whether it kept its pace."""
    speeds = [point.tokens_per_second for point in points if point.tokens_per_second is not None]
    middle, low = statistics.median(speeds), min(speeds)
    middle, low = count(rough(middle)), count(rough(low))
    said = f"Training read {middle} {unit} per second (median); the slowest stretch did {low}."
    shares = [point.mfu for point in points if point.mfu is not None]
    if shares:
        said += f" It made use of {statistics.median(shares):.0%} of the machine's matrix speed (MFU)."
    return said.replace("%", " %")


def finite(points: list) -> list:
    """The points whose loss is a finite number: a run that diverged has others."""
    return [
        point
        for point in points
        if math.isfinite(point.loss) and math.isfinite(getattr(point, "bits_per_byte", 0.0))
    ]


def _value_at(points: list[Validation], step: float) -> float:
    """Bits per byte at a step, on the straight line between the measurements beside it."""
    for left, right in pairwise(points):
        if left.step <= step <= right.step:
            part = (step - left.step) / (right.step - left.step)
            return left.bits_per_byte + part * (right.bits_per_byte - left.bits_per_byte)
    return points[-1].bits_per_byte
