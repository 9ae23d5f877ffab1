"""What a run has written so far, as typed values: also while it is still going, and after it was cut off.

A run writes its lines one after the other, so the last line of a file may be half there. It is left out
without a word, because the next report will have it. Any other line that cannot be understood is left out and
counted.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from groundup.errors import UserError
from groundup.report.records import Record, interval_of, number, required, whole
from groundup.report.scores import Mistake, Score, mistake_of, scores_of
from groundup.system.lock import is_held

T = TypeVar("T")


@dataclass(frozen=True)
class TrainPoint:
    """One step of training: the loss in nats per token, and the settings and measures of that step."""

    step: int
    loss: float
    learning_rate: float | None
    gradient_norm: float | None
    tokens: int | None


@dataclass(frozen=True)
class Validation:
    """How well the model did on text it never trained on; `interval`: 95 % interval of bits per byte."""

    step: int
    loss: float
    bits_per_byte: float
    interval: tuple[float, float] | None
    perplexity: float | None
    accuracy: float | None
    floor: float | None
    excess_percent: float | None
    documents: int | None
    tokens: int | None
    bytes: int | None
    excess_by_cause: dict[str, float] = field(default_factory=dict)  # bits per document, where it is known


@dataclass(frozen=True)
class HeldOut:
    """How well a model that is tuned did on the examples that are kept from learning."""

    step: int
    loss: float
    interval: tuple[float, float] | None
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None


@dataclass(frozen=True)
class Timing:
    """When a step was done, in seconds since the start, and how many tokens went through per second."""

    step: int
    seconds: float | None
    tokens_per_second: float | None
    mfu: float | None = None  # the share of the machine's matrix speed that was made use of


@dataclass(frozen=True)
class Sample:
    """What the model wrote after a prompt at one step; `share` is the part of the run done, 0 to 1."""

    step: int
    share: float
    prompt: str
    text: str
    settings: tuple[tuple[str, float], ...]
    mistake: Mistake | None
    checked: bool


@dataclass(frozen=True)
class Answer:
    """What a tuned model answered to a held-out question, and what was expected."""

    question: str
    said: str
    expected: str


@dataclass(frozen=True)
class Run:
    """A run's folder as values. Lists are in the order of the steps, and empty where nothing is there yet."""

    folder: Path
    name: str
    status: str
    facts: Record
    train: list[TrainPoint] = field(default_factory=list)
    validation: list[Validation] = field(default_factory=list)
    held_out: list[HeldOut] = field(default_factory=list)
    timing: list[Timing] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    recipe: str = ""
    skipped: tuple[str, ...] = ()

    @property
    def floor(self) -> float | None:
        """The best possible bits per byte on the validation texts, where the source of the text is known."""
        measured = [point.floor for point in self.validation if point.floor is not None]
        return measured[-1] if measured else number(self.facts, "floor_bits_per_byte")

    @property
    def steps(self) -> int | None:
        """How many steps the whole run is planned to take."""
        return whole(self.facts, "steps")

    @property
    def last_step(self) -> int:
        """The newest step of which anything is known."""
        return max(
            [point.step for points in (self.train, self.validation, self.held_out) for point in points],
            default=0,
        )


def read(folder: Path | str) -> Run:
    """Read a run's folder. UserError if it is no run, or if its run.json cannot be read."""
    folder = Path(folder)
    facts = _read_facts(folder)
    skipped: list[str] = []
    metrics = _lines(folder / "metrics.jsonl", _metric, skipped)
    samples = [s for s in _lines(folder / "samples.jsonl", _sample, skipped) if s is not None]
    return Run(
        folder=folder,
        name=str(facts.get("name") or folder.resolve().name),
        status=_status(folder, facts),
        facts=facts,
        train=_by_step([point for point in metrics if isinstance(point, TrainPoint)]),
        validation=_by_step([point for point in metrics if isinstance(point, Validation)]),
        held_out=_by_step([point for point in metrics if isinstance(point, HeldOut)]),
        timing=_by_step(_lines(folder / "timing.jsonl", _timing, skipped)),
        answers=_lines(folder / "responses.jsonl", _answer, skipped),
        samples=sorted(samples, key=lambda sample: sample.step),
        scores=_read_scores(folder / "evaluation.json", skipped),
        recipe=_text(folder / "recipe.toml"),
        skipped=tuple(skipped),
    )


def _read_facts(folder: Path) -> Record:
    """run.json, without which a folder is no run."""
    path = folder / "run.json"
    if not path.is_file():
        raise UserError(
            f"{folder} is no run's folder: it has no run.json. Give a folder that `groundup pretrain` or "
            "`groundup demo` has made, for example runs/NAME."
        )
    try:
        facts = json.loads(_text(path))
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise UserError(f"{path} cannot be read: a JSON object was expected. Copy the run's folder again.")
    return facts


def _status(folder: Path, facts: Record) -> str:
    """What the run last said of itself; "running" is only believed while a process holds the folder."""
    status = str(facts.get("status") or "running")
    return "interrupted" if status == "running" and is_held(folder) is False else status


def _text(path: Path) -> str:
    """The text of a file, or nothing where there is none; other bytes than UTF-8 become replacement signs."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _lines(path: Path, parse: Callable[[Record], T], skipped: list[str]) -> list[T]:
    """Parse each line of a .jsonl file; what cannot be understood is counted into `skipped`."""
    lines = _text(path).split("\n")
    values, bad = [], 0
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            values.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            # Only a line without its line end can be one that is still being written.
            bad += index < len(lines) - 1
    if bad:
        skipped.append(f"{bad} unreadable {'line' if bad == 1 else 'lines'} of {path.name}")
    return values


def _by_step(points: list[Any]) -> list[Any]:
    """In the order of the steps; of two points of one step the newer one counts, as after a resume."""
    return [point for _, point in sorted({point.step: point for point in points}.items())]


def _metric(record: Record) -> TrainPoint | Validation | HeldOut | None:
    """A line of metrics.jsonl. Kinds that this version does not know are no mistake."""
    if record["kind"] == "train":
        return TrainPoint(
            step=int(required(record, "step")),
            loss=required(record, "loss"),
            learning_rate=number(record, "learning_rate"),
            gradient_norm=number(record, "gradient_norm"),
            tokens=whole(record, "tokens"),
        )
    if record["kind"] == "validation" and "bits_per_byte" not in record:
        return HeldOut(
            step=int(required(record, "step")),
            loss=required(record, "loss"),
            interval=interval_of(record, "loss_interval"),
            accuracy=number(record, "accuracy"),
            accuracy_interval=interval_of(record, "accuracy_interval"),
        )
    if record["kind"] == "validation":
        return Validation(
            step=int(required(record, "step")),
            loss=required(record, "loss"),
            bits_per_byte=required(record, "bits_per_byte"),
            interval=interval_of(record),
            perplexity=number(record, "perplexity"),
            accuracy=number(record, "accuracy"),
            floor=number(record, "floor_bits_per_byte"),
            excess_percent=number(record, "excess_percent"),
            documents=whole(record, "documents"),
            tokens=whole(record, "tokens"),
            bytes=whole(record, "bytes"),
            excess_by_cause=_numbers(record.get("excess_bits_per_document")),
        )
    return None


def _numbers(record: object) -> dict[str, float]:
    """The finite numbers of a record of numbers; nothing where there is none."""
    if not isinstance(record, dict):
        return {}
    return {str(key): value for key in record if (value := number(record, key)) is not None}


def _timing(record: Record) -> Timing:
    """A line of timing.jsonl."""
    step = int(required(record, "step"))
    seconds, speed = number(record, "seconds"), number(record, "tokens_per_second")
    return Timing(step, seconds, speed, number(record, "mfu"))


def _sample(record: Record) -> Sample:
    """A line of samples.jsonl."""
    named = ("temperature", "top_k", "top_p", "seed")
    return Sample(
        step=int(required(record, "step")),
        share=min(max(required(record, "share"), 0.0), 1.0),
        prompt=str(record["prompt"]),
        text=str(record["text"]),
        settings=tuple((name, value) for name in named if (value := number(record, name)) is not None),
        mistake=mistake_of(record),
        checked=record.get("checked") is True,
    )


def _answer(record: Record) -> Answer:
    """A line of responses.jsonl."""
    asked = [str(message["content"]) for message in record["messages"] if message["role"] == "user"]
    return Answer(asked[-1], str(record["answer"]), str(record.get("reference") or ""))


def _read_scores(path: Path, skipped: list[str]) -> list[Score]:
    """evaluation.json; if it is unreadable, its name goes to `skipped`."""
    try:
        return scores_of(json.loads(_text(path) or "[]"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        skipped.append(path.name)
        return []
