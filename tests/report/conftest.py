"""Small run folders of the form that a run writes, for the tests of the report."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from groundup.system.lock import alone

RECIPE = 'name = "small"\nseed = 1\n\n[train]\nsteps = 100\nlearning_rate = 6e-4\n'


def _facts(name: str, steps: int, floor: float | None, status: str) -> dict[str, Any]:
    data = {"source": "village", "documents": 900, "bytes": 370_000, "tokens": 100_000, "vocab_size": 512}
    return {
        "name": name,
        "groundup": "0.1.0",
        "status": status,
        "device": "cpu",
        "dtype": "float32",
        "parameters": 1_600_000,
        "family": "gpt2",
        "steps": steps,
        "tokens_per_step": 1024,
        "floor_bits_per_byte": floor,
        "data": data,
        "started": "2026-05-01T10:20:30",
        "seconds": 180.4,
        "peak_memory_mb": 812.5,
    }


def _bits_per_byte(step: int) -> float:
    """A curve that falls from 3.0 to 0.52 in about 100 steps."""
    return 0.52 + 2.48 * math.exp(-step / 12)


def _metrics(steps: int, every: int, floor: float | None) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for step in range(steps + 1):
        value = _bits_per_byte(round(100 * step / steps))
        loss = value * 3.7 * math.log(2)
        if step:
            rate = 6e-4 * min(1, step / 10) * (1 - 0.5 * step / steps)
            lines.append({"kind": "train", "step": step, "loss": loss, "tokens": 1024 * step})
            lines[-1] |= {"learning_rate": rate, "gradient_norm": 0.4 + 3 / step}
        if step % every == 0:
            lines.append({"kind": "validation", "step": step, "loss": loss, "bits_per_byte": value})
            lines[-1] |= {
                "interval": [0.98 * value, 1.02 * value],
                "accuracy": 0.72,
                "perplexity": math.exp(loss),
            }
            excess = None if floor is None else 100 * (value / floor - 1)
            lines[-1] |= {"floor_bits_per_byte": floor, "excess_percent": excess, "documents": 40}
    return lines


def _sample(step: int, steps: int, prompt: str, text: str) -> dict[str, Any]:
    settings = {"temperature": 0.8, "top_k": 50, "top_p": 1.0, "seed": 7}
    start = {"step": step, "share": step / steps, "prompt": prompt, "text": text}
    return start | settings | {"mistake": None, "checked": True}


class RunMaker:
    """Writes the files of a run into a folder; each file can be left out or replaced.

    A run that is "running" is held as if its process were alive.
    """

    def __init__(self, root: Path, held: ExitStack):
        self.root, self.held = root, held

    def __call__(
        self, name: str = "small", *, steps: int = 100, every: int = 10, floor: float | None = 0.5,
        status: str = "finished", **replaced: Any,
    ) -> Path:  # fmt: skip
        """`replaced`: facts (merged into run.json), or whole lists: metrics, timing, samples, evaluation."""
        folder = self.root / name
        folder.mkdir(parents=True)
        samples = [_sample(step, steps, "Once", f" written at {step}.") for step in (0, steps // 10, steps)]
        score = {"task": "perplexity", "metric": "bits_per_byte", "value": 0.5213, "interval": [0.51, 0.53]}
        score |= {"n": 400, "protocol": "whole documents", "version": 1, "chance": None, "details": {}}
        timing = [
            {"step": s, "seconds": s * 1.8, "tokens_per_second": 560.0 + s % 7} for s in range(1, steps, 5)
        ]
        self.lines(folder / "metrics.jsonl", replaced.get("metrics", _metrics(steps, every, floor)))
        self.lines(folder / "timing.jsonl", replaced.get("timing", timing))
        self.lines(folder / "samples.jsonl", replaced.get("samples", samples))
        (folder / "evaluation.json").write_text(json.dumps(replaced.get("evaluation", [score])))
        (folder / "run.json").write_text(
            json.dumps(_facts(name, steps, floor, status) | replaced.get("facts", {}))
        )
        (folder / "recipe.toml").write_text(replaced.get("recipe", RECIPE), encoding="utf-8")
        if status == "running":
            self.held.enter_context(alone(folder, "held twice"))
        return folder

    @staticmethod
    def lines(path: Path, records: list[dict[str, Any]]) -> None:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))

    sample = staticmethod(_sample)


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[RunMaker]:
    with ExitStack() as held:
        yield RunMaker(tmp_path / "runs", held)


@pytest.fixture
def read_page() -> Callable[[Path], Any]:
    """Reads an HTML page strictly: each tag closed, and its texts, ids, links and attributes collected."""
    from html.parser import HTMLParser

    class Page(HTMLParser):
        EMPTY = ("meta", "link", "img", "br", "path", "use", "rect", "input")

        def __init__(self, source: str):
            super().__init__()
            self.open: list[str] = []
            self.tags: list[tuple[str, dict[str, str | None]]] = []
            self.texts: list[tuple[str, str]] = []
            self.feed(source)
            self.close()
            assert not self.open, f"not closed: {self.open}"

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.append((tag, dict(attrs)))
            if tag not in self.EMPTY:
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in self.EMPTY:
                assert self.open.pop() == tag

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.append((tag, dict(attrs)))

        def handle_data(self, data: str) -> None:
            self.texts.append((self.open[-1] if self.open else "", data))

        @property
        def text(self) -> str:
            return "".join(data for tag, data in self.texts if tag != "style")

        def within(self, css: str) -> list[dict[str, str | None]]:
            return [
                attributes for _, attributes in self.tags if css in (attributes.get("class") or "").split()
            ]

    return lambda path: Page(path.read_text(encoding="utf-8"))
