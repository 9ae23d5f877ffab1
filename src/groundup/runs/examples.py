"""Where examples to tune on lie: a dataset's files or one's own, and which of them are kept from learning."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from groundup.data.dataset import Kind
from groundup.datasets import find_dataset, is_dataset
from groundup.errors import UserError
from groundup.runs.prepare import with_progress
from groundup.runs.tuning_recipe import TuneDataSettings
from groundup.system.files import sha256
from groundup.system.progress import View

Item = TypeVar("Item")


@dataclass(frozen=True)
class ExampleFiles:
    """The files to learn from, and those kept from learning where the source has such a part of its own."""

    name: str
    learned: list[Path]
    kept: list[Path]

    def facts(self) -> dict[str, Any]:
        """For run.json: the source, and the fingerprint that notices a change."""
        digests = " ".join(sha256(file) for file in [*self.learned, *self.kept])
        return {"source": self.name, "fingerprint": hashlib.sha256(digests.encode()).hexdigest()}


def example_files(data: TuneDataSettings, kind: Kind, view: View) -> ExampleFiles:
    """The files of a source of examples of this kind, fetched where they are not here yet.

    UserError for a dataset of another kind, and for a file that is not there.
    """
    learned, kept = _files(data.source, "train", kind, view), []
    if data.validation_source:
        kept = _files(data.validation_source, "train", kind, view)
    elif is_dataset(data.source):
        splits = find_dataset(data.source).splits
        part = next((name for name in ("validation", "test") if name in splits), None)
        kept = _files(data.source, part, kind, view) if part else []
    return ExampleFiles(data.source, learned, kept)


def _files(source: str, split: str, kind: Kind, view: View) -> list[Path]:
    if not is_dataset(source):
        path = Path(source).expanduser()
        if not path.exists():
            raise UserError(f"There is no file {path}, and no dataset {source!r}. Check data.source.")
        return [path]
    dataset = find_dataset(source)
    if dataset.kind != kind:
        raise UserError(f"The dataset {source} holds {dataset.kind}, but this method learns from {kind}.")
    return dataset.files(split, 0, lambda piece: with_progress(piece, view))


def cut(items: Sequence[Item], share: float, seed: int, key: Any) -> tuple[list[Item], list[Item]]:
    """(to learn from, kept): at least one of each; what has the same key is on one side.

    key: a text of each item. The same items give the same parts, whatever their order. UserError if there
    are fewer than two.
    """
    places = {key(item): hashlib.sha256(f"{seed} {key(item)}".encode()).digest() for item in items}
    if len(places) < 2:
        raise UserError(
            f"{len(places)} different examples are too few to keep some from learning. Give more."
        )
    ordered = sorted(places, key=lambda name: places[name])
    kept = set(ordered[: min(len(ordered) - 1, max(1, round(share * len(ordered))))])
    return [i for i in items if key(i) not in kept], [i for i in items if key(i) in kept]
