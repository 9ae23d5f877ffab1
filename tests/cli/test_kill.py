"""Killed at any moment, also in the middle of a save, a run goes on to the same bytes."""

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from groundup.cli import main
from groundup.runs.folder import RunFolder
from groundup.settings import to_toml, with_changes
from tests.runs.conftest import TINY

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither SIGKILL nor fork.")

# A checkpoint after each step, and validation and samples often: there is hardly a moment without writing.
CHANGES = ["train.checkpoint={every=1, keep=2}", "validate.every=2", "validate.tokens=500", "sample.every=3"]
CHANGES += ["sample.max_tokens=5", "sample.prompts=['Ana']", "evaluate.tokens=500"]
CHANGES += ["evaluate.when=['start', 'end']", "data.max_tokens=0", "data.validation_tokens=0"]
NOT_COMPARED = {"run.json", "timing.jsonl", "report.html", "loss.png", ".lock"}
"""What tells of times, and the lock."""


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Starts processes that have torch and groundup in memory already: a fresh one takes seconds for that."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["groundup.runs.pretrain", "groundup.report.charts", "groundup.report.plots"]
    )
    return context


class Runs:
    """Starts `groundup pretrain` as a process of its own, again and again in one folder."""

    def __init__(self, context: ForkServerContext, recipe: Path, runs: Path):
        self.context, self.recipe, self.runs = context, recipe, runs
        self.folder = RunFolder(runs / "tiny")

    def start(self) -> BaseProcess:
        words = ["pretrain", str(self.recipe), "--runs", str(self.runs), "--device", "cpu"]
        process = self.context.Process(target=main, args=(words,))
        process.start()
        return process

    def finish(self) -> dict[str, bytes]:
        """Let it come to its end; gives all that must be the same on every run."""
        process = self.start()
        process.join(120)
        assert process.exitcode == 0
        assert self.folder.status == "finished"
        files = (path for path in sorted(self.runs.rglob("*")) if path.is_file())
        return {
            str(path.relative_to(self.runs)): path.read_bytes()
            for path in files
            if path.name not in NOT_COMPARED
        }

    def kill_in(self, seconds: float) -> str:
        """Start, and kill after so many seconds; says how far it came."""
        process = self.start()
        time.sleep(seconds)
        return self._kill(process)

    def kill_in_a_save(self, number: int) -> str:
        """Start, and kill while a checkpoint is being written: the `number`-th that is seen."""
        process, seen = self.start(), set[str]()
        while process.is_alive():
            seen |= {path.name for path in self.folder.checkpoints.glob(".step-*.part")}
            if len(seen) >= number:
                break
        return self._kill(process)

    def kill_at_step(self, step: int) -> str:
        """Start, and kill once that many steps have left their figures, however fast the machine is."""
        process, figures = self.start(), self.folder.path / "timing.jsonl"
        while process.is_alive() and not (figures.is_file() and figures.read_bytes().count(b"\n") >= step):
            time.sleep(0.002)
        return self._kill(process)

    def _kill(self, process: BaseProcess) -> str:
        process.kill()
        process.join()
        half = list(self.folder.checkpoints.glob(".step-*.part"))
        assert process.exitcode in (0, -9)
        if process.exitcode == -9 and self.folder.facts.is_file():
            # run.json says that it is running, but for the last moment, when only the page is still to come.
            assert self.folder.status in ("interrupted", "finished")
        return "in a save" if half else "ended" if process.exitcode == 0 else "elsewhere"


@dataclass
class Undisturbed:
    """A run that nothing disturbed: its bytes, the seconds it took, and a way to start others like it."""

    like: Callable[[Path], Runs]
    bytes: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(processes: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """One such run. The processes are warm then, and the data prepared."""
    folder = tmp_path_factory.mktemp("whole")
    book, recipe = folder / "book.txt", folder / "tiny.toml"
    lines = (f"Line {n}: the miller carried {n % 7} sacks past the well.\n" for n in range(300))
    book.write_text("".join(lines), encoding="utf-8")
    recipe.write_text(to_toml(with_changes(TINY, [*CHANGES, f"data.source='{book}'"])), encoding="utf-8")
    runs = Runs(processes, recipe, folder / "runs")
    runs.kill_in(0)
    begun = time.monotonic()
    return Undisturbed(lambda path: Runs(processes, recipe, path), runs.finish(), time.monotonic() - begun)


def test_a_run_that_was_killed_twice_ends_with_the_same_bytes(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    runs, wanted = undisturbed.like(tmp_path), undisturbed.bytes
    assert runs.kill_in_a_save(3) == "in a save"
    runs.kill_in(0.3 * undisturbed.seconds)
    found = runs.finish()
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert {"tiny/metrics.jsonl", "tiny/samples.jsonl", "tiny/evaluation.json"} <= wanted.keys()
    assert "tiny/checkpoints/step-000010/training.safetensors" in wanted


@pytest.mark.slow
def test_killed_at_30_random_moments_runs_end_with_the_same_bytes(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    chance, wanted, kills = random.Random(20_240_607), undisturbed.bytes, list[str]()
    for number in range(6):
        runs = undisturbed.like(tmp_path / str(number))
        for place in chance.sample(["anywhere", "at a step", "at a step", "in a save", "in a save"], 5):
            if place == "in a save":
                kills.append(runs.kill_in_a_save(chance.randint(1, 2)))
            elif place == "at a step":
                kills.append(runs.kill_at_step(chance.randint(1, 9)))
            else:
                kills.append(runs.kill_in(chance.uniform(0.02, 0.5) * undisturbed.seconds))
        found = runs.finish()
        assert found.keys() == wanted.keys()
        assert [name for name in wanted if found[name] != wanted[name]] == []
    assert kills.count("in a save") >= 6 and kills.count("elsewhere") >= 6, kills
