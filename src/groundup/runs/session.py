"""A run of training, whatever is learned: begin or go on, watch, save, score, report."""

import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

import groundup.report
from groundup.data.batches import Batches
from groundup.errors import UserError
from groundup.runs.compiled import compile_run, note_compiled
from groundup.runs.continuing import (
    Plan,
    clear,
    find_checkpoint,
    refuse_changed_data,
    tell_what_differs,
)
from groundup.runs.folder import RunFolder
from groundup.runs.mishaps import told
from groundup.runs.observers import Checkpoints, Figures, Page
from groundup.runs.stopping import stopping
from groundup.system.device import describe, peak_memory_mb
from groundup.system.files import write_text
from groundup.system.progress import TrainingView, View
from groundup.training.loop import Observer, State, train
from groundup.training.snapshot import restore
from groundup.weights.checkpoints import Checkpoint


class Job:
    """What one kind of run does of its own: pre-training and fine-tuning are each a Job."""

    recipe: Any  # a Plan: each kind of run has its own
    method: nn.Module  # what learns
    batches: Batches
    unit: str = "tokens"  # what counts in the loss: tokens, texts or pairs
    floor: float | None = None  # the best possible loss in nats, where it is known
    operations: float = 0.0  # of the whole run; long ones are compiled
    keeps_weights: bool = False  # whether checkpoints hold what learns beside the model's own files

    def facts(self) -> dict[str, Any]:
        """For run.json: the data ("data", with their "fingerprint" and "source") and the model."""
        raise NotImplementedError

    def tell(self, view: View, step: int) -> None:
        """Say what the run will take, from this step on."""

    def mfu(self, tokens_per_second: float) -> float | None:
        """The share of the machine's matrix speed that is made use of, where it is known."""
        return None

    def take_back(self, checkpoint: Checkpoint) -> None:
        """Put the weights of a checkpoint into the model, where `keeps_weights` does not."""

    def begin(self, state: State, view: TrainingView) -> None:
        """Called once, before the first step of a fresh run."""

    def watchers(self, folder: RunFolder, view: TrainingView) -> Sequence[Observer]:
        """Who watches besides figures and checkpoints; each is also called before the first step."""
        return ()

    def live(self, view: TrainingView) -> Sequence[Observer]:
        """Who only shows something on the screen."""
        return ()

    def score(self, folder: RunFolder, view: View, step: int) -> None:
        """Evaluate before the first step (0) and after the last one."""

    def write(self, part: Path) -> None:
        """Write the model of a checkpoint into an empty folder, as other programs open it."""
        raise NotImplementedError

    def finish(self, folder: RunFolder, state: State) -> None:
        """Write the finished model."""
        raise NotImplementedError


def run_job(job: Job, folder: RunFolder, view: View, device: torch.device, *, restart: bool = False) -> None:
    """Run it in its folder: from the newest checkpoint where there is one, and to the end if it is let.

    UserError if another process holds the folder, or the data are not those that it began with.
    """
    recipe = job.recipe
    with folder.alone():
        if restart:
            clear(folder)
        facts = job.facts()
        refuse_changed_data(folder, facts["data"])
        checkpoint = find_checkpoint(folder, recipe, view)
        if checkpoint is not None:
            tell_what_differs(folder, recipe, device, view)
            job.take_back(checkpoint)
        _begin(folder, recipe, facts, device)
        job.tell(view, checkpoint.step if checkpoint else 0)
        if checkpoint is None:
            job.score(folder, view, 0)
        try:
            state = _train(job, folder, checkpoint, view)
        except BaseException:
            # Whatever ended it, it no longer runs. If even this cannot be written, the first reason counts.
            with contextlib.suppress(UserError, OSError):
                folder.update_facts(status="interrupted")
            raise
        if state.step < recipe.train.steps:
            folder.update_facts(status="interrupted")
            groundup.report.write(folder.path)
            view.say(
                f"Stopped after step {state.step}; everything is saved. The same command goes on from there."
            )
            return
        job.finish(folder, state)
        job.score(folder, view, state.step)
        folder.update_facts(status="finished")
        groundup.report.write(folder.path)


def _begin(folder: RunFolder, recipe: Plan, facts: dict[str, Any], device: torch.device) -> None:
    """Write down what is about to run."""
    write_text(folder.recipe, recipe.to_toml())
    before = folder.read_facts()
    folder.update_facts(
        name=recipe.name,
        groundup=groundup.__version__,
        status="running",
        **describe(device),
        dtype=recipe.train.precision,
        steps=recipe.train.steps,
        tokens_per_step=recipe.train.tokens_per_step,
        **facts,
        started=before.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=before.get("seconds", 0.0),
        peak_memory_mb=peak_memory_mb(),
    )


def _train(job: Job, folder: RunFolder, checkpoint: Checkpoint | None, view: View) -> State:
    """The training itself, from the checkpoint or from the start, with all who watch it."""
    recipe, method, batches = job.recipe, job.method, job.batches
    compiled = compile_run(method, batches.at(0)[0], recipe.train, job.operations, view)
    note_compiled(folder, compiled, view)
    state = State.fresh(method, recipe.train)
    torch.manual_seed(recipe.seed)  # dropout
    if checkpoint is not None:
        restore(state, checkpoint.tensors)
        state.step, state.tokens = checkpoint.step, checkpoint.values["tokens"]
        view.say(f"Going on from step {state.step} of {recipe.train.steps}.")
    else:
        folder.cut_back(-1)
    mishaps = told(folder, recipe.train, batches, state)
    with mishaps, view.training(recipe.train.steps, state.step, job.floor, job.unit) as training_view:
        before, page = folder.read_facts()["seconds"], Page(folder)
        figures = Figures(folder, training_view, job.mfu, before)

        def keep_up(state: State) -> None:
            folder.update_facts(seconds=round(figures.seconds, 1), peak_memory_mb=peak_memory_mb())
            page.write()

        watching = job.watchers(folder, training_view)
        if checkpoint is None:
            job.begin(state, training_view)
            for observe in watching:
                observe(state)
        live = job.live(training_view)
        saving = Checkpoints(folder, job.write, recipe.train, recipe.to_table(), keep_up, job.keeps_weights)
        with stopping(state, training_view.note):
            figures.step_begins(state)
            observers: list[Callable[[State], Any]] = [figures, *watching, *live, saving, figures.step_begins]
            return train(method, batches, recipe.train, state=state, observers=observers)
