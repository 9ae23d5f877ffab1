"""A run's folder: what lies where, lines of figures that can be cut back, and one run at a time."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundup.errors import UserError, did_you_mean
from groundup.system.files import flush, remove_leftovers, storage_errors, write_json, write_text
from groundup.system.lock import alone, is_held

LOGS = ("metrics", "timing", "samples")
PAGES = ("report.html", "loss.png")
"""What `groundup report` writes, at any time and without asking for the folder."""


class RunFolder:
    """The files of one run under runs/NAME."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.recipe, self.facts = self.path / "recipe.toml", self.path / "run.json"
        self.checkpoints, self.model = self.path / "checkpoints", self.path / "model"
        self.evaluation = self.path / "evaluation.json"

    @classmethod
    def existing(cls, path: Path | str) -> "RunFolder":
        """The folder of a run that is there. UserError, with the nearest name, if there is none."""
        folder = cls(path)
        if not os.path.isfile(folder.facts):  # which also answers for a name that is too long to be one
            near = Path(path).parent
            others = [p.name for p in near.iterdir() if (p / "run.json").is_file()] if near.is_dir() else []
            what = f"{path} is no run's folder (it has no run.json)."
            if not os.path.exists(folder.path):
                what = f"There is no {path}."
            near_name = did_you_mean(folder.path.name, others)
            raise UserError(f"{what}{near_name} Give a folder such as runs/demo.")
        return folder

    def log(self, name: str, line: dict[str, Any]) -> None:
        """Append one line of figures to NAME.jsonl. UserError if somebody took the folder away meanwhile."""
        path = self.path / f"{name}.jsonl"
        if not self.path.is_dir():
            raise UserError(
                f"{self.path} is gone: it was moved or deleted while a run wrote to it. Start again."
            )
        with storage_errors(path), open(path, "a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of NAME.jsonl so far; an unfinished last line, left by a crash, is passed over."""
        path = self.path / f"{name}.jsonl"
        if not path.is_file():
            return []
        # As bytes: a crash may have cut a character in two, and a text may hold other line ends (U+2028).
        *whole, _ = path.read_bytes().split(b"\n")
        try:
            return [json.loads(line) for line in whole]
        except ValueError as error:
            raise UserError(
                f"{path} is damaged ({error}). Bring a good copy back, or start over with --restart."
            ) from None

    def flush_logs(self) -> None:
        """Have the figures on the disk before a checkpoint that counts on them, even if the power fails."""
        for path in (self.path / f"{name}.jsonl" for name in LOGS):
            if path.is_file():
                with storage_errors(path):
                    flush(path)

    def validation_losses(self) -> dict[int, float]:
        """The validation loss so far, by step."""
        return {line["step"]: line["loss"] for line in self.lines("metrics") if line["kind"] == "validation"}

    def cut_back(self, step: int) -> None:
        """Forget the figures of all steps after `step`: training goes on from there."""
        for name in LOGS:
            kept = [line for line in self.lines(name) if line["step"] <= step]
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept)
            write_text(self.path / f"{name}.jsonl", text)

    def update_facts(self, **facts: Any) -> dict[str, Any]:
        """Put facts into run.json, and return all of them."""
        together = {**self.read_facts(), **facts}
        write_json(self.facts, together)
        return together

    def read_facts(self) -> dict[str, Any]:
        """What run.json holds; nothing where there is none yet. UserError if it is damaged."""
        try:
            return json.loads(self.facts.read_text(encoding="utf-8")) if self.facts.is_file() else {}
        except ValueError as error:
            raise UserError(
                f"{self.facts} is damaged ({error}). Start the run over with --restart."
            ) from None

    @property
    def status(self) -> str:
        """finished, running, interrupted; empty before anything began.

        A process that is killed cannot say so any more: run.json is only believed while the folder is held.
        """
        status = self.read_facts().get("status", "")
        return "interrupted" if status == "running" and is_held(self.path) is False else status

    @property
    def data_known_as(self) -> str | None:
        """The name under which the run's data were prepared, or None where it has none yet."""
        folder = Path(self.read_facts().get("data", {}).get("folder", ""))
        return folder.parent.name if folder.name == "tokens" else None

    def read_evaluation(self) -> list[dict[str, Any]]:
        """The rows of evaluation.json so far."""
        return json.loads(self.evaluation.read_text(encoding="utf-8")) if self.evaluation.is_file() else []

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder while a run writes to it, free of what killed ones left half written.

        UserError if another process holds it.
        """
        message = f"Another run is writing to {self.path}. Wait for it, stop it, or choose another name."
        with alone(self.path, message):
            remove_leftovers(self.path, shared=PAGES)
            yield
