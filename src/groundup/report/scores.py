"""The numbers of an evaluation as typed values, from the records of evaluation.json."""

from collections.abc import Sequence
from dataclasses import dataclass

from groundup.report.records import Record, interval_of, number, whole


@dataclass(frozen=True)
class Mistake:
    """The first impossible place of a sample; `position` counts characters in prompt + text."""

    position: int
    word: str
    why: str


@dataclass(frozen=True)
class Written:
    """A text that a model wrote by itself, and where it first became impossible."""

    text: str
    mistake: Mistake | None


@dataclass(frozen=True)
class Score:
    """One number of the evaluation, with all that is needed to judge it."""

    task: str
    metric: str
    value: float | None
    interval: tuple[float, float] | None
    n: int | None
    protocol: str
    version: str
    chance: float | None
    before: float | None = None  # the same before training, where it was measured
    written: tuple[Written, ...] = ()  # texts that it was made from, if it keeps them
    labels: tuple[str, ...] = ()  # of a classifier
    confusion: tuple[tuple[int, ...], ...] = ()  # how many texts of each label (rows) got each (columns)
    mistakes: tuple[tuple[str, int], ...] = ()  # and how many of their first mistakes had each cause


def scores_of(records: Sequence[Record]) -> list[Score]:
    """Of the records those of the newest step, with what was measured before. They may raise anything."""
    last = max((record.get("step", 0) for record in records), default=0)
    before = {(r["task"], r["metric"]): number(r, "value") for r in records if r.get("step", 0) < last}
    return [_score(record, before) for record in records if record.get("step", 0) == last]


def mistake_of(record: Record) -> Mistake | None:
    """The first mistake of a sample's record."""
    found = record.get("mistake")
    return Mistake(int(found["position"]), str(found["word"]), str(found["why"])) if found else None


def _score(record: Record, before: dict[tuple[str, str], float | None]) -> Score:
    """A record of evaluation.json."""
    details = record.get("details")
    details = details if isinstance(details, dict) else {}
    mistakes = details.get("mistakes") or {}
    return Score(
        task=str(record["task"]),
        metric=str(record["metric"]),
        value=number(record, "value"),
        interval=interval_of(record),
        n=whole(record, "n"),
        protocol=str(record.get("protocol") or ""),
        version="" if record.get("version") is None else str(record["version"]),
        chance=number(record, "chance"),
        before=before.get((record["task"], record["metric"])),
        written=tuple(Written(str(one["text"]), mistake_of(one)) for one in details.get("samples") or ()),
        labels=tuple(map(str, details.get("labels") or ())),
        confusion=tuple(tuple(map(int, row)) for row in details.get("confusion") or ()),
        mistakes=tuple((str(cause), int(count)) for cause, count in mistakes.items()),
    )
