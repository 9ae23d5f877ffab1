"""Who watches a training run: figures, validation, samples, checkpoints. Each is called after every step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import groundup.report
from groundup.evaluation.score import rolling
from groundup.evaluation.texts import Texts
from groundup.generation.engine import generate
from groundup.runs.continuing import Plan
from groundup.runs.folder import RunFolder
from groundup.runs.recipe import Recipe, SampleSettings
from groundup.settings import Table
from groundup.system.progress import TrainingView
from groundup.tasks import TASKS
from groundup.tasks.perplexity import figures
from groundup.training.loop import NotFinite, State
from groundup.training.precision import autocast
from groundup.training.settings import TrainSettings
from groundup.training.snapshot import state_tensors
from groundup.weights.checkpoints import save_checkpoint
from groundup.weights.folder import Loaded

PAGE_PAUSE = 20
"""So many times as long as a page took to write nothing is spent on the next one."""

LIVE_SECONDS = 20.0
"""A sample is shown on the screen this often. It has a generator of its own and is not kept."""


def is_due(step: int, every: int, steps: int) -> bool:
    """Whether something that happens every so many steps (0: only at the ends) happens after this one."""
    return step in (0, steps) or (every > 0 and step % every == 0)


class Sampled(Plan, Protocol):
    """A recipe that says how samples are drawn."""

    @property
    def sample(self) -> SampleSettings: ...


@dataclass
class Figures:
    """Writes what each step gave: what is the same on every run to metrics.jsonl, times to timing.jsonl."""

    folder: RunFolder
    view: TrainingView
    utilisation: Callable[[float], float | None]  # MFU by tokens a second
    seconds_before: float = 0.0  # of this run, before it was continued
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._step_began, self._tokens = self._began, 0

    def __call__(self, state: State) -> None:
        speed = (state.tokens - self._tokens) / max(1e-9, self.clock() - self._step_began)
        line = {
            "loss": state.loss,
            "learning_rate": state.learning_rate,
            "gradient_norm": state.gradient_norm,
        }
        self.folder.log("metrics", {"kind": "train", "step": state.step, **line, "tokens": state.tokens})
        mfu = self.utilisation(speed)
        timing = {"step": state.step, "seconds": round(self.seconds, 3), "tokens_per_second": round(speed, 1)}
        self.folder.log("timing", timing if mfu is None else timing | {"mfu": round(mfu, 4)})
        self.view.step(state.step, state.loss, speed, mfu)

    def step_begins(self, state: State) -> None:
        """Called before the first step and after everything else: what others did is not the step's time."""
        self._step_began, self._tokens = self.clock(), state.tokens

    @property
    def seconds(self) -> float:
        """How long the run has taken so far, over all its parts."""
        return self.seconds_before + self.clock() - self._began


@dataclass
class Validation:
    """Scores a fixed set of validation texts, document by document."""

    folder: RunFolder
    loaded: Loaded
    texts: Texts
    recipe: Recipe
    view: TrainingView

    def __post_init__(self) -> None:
        tokenizer, tasks = self.loaded.tokenizer, map(TASKS.get, self.recipe.evaluate.tasks)
        first = self.texts.text(tokenizer, 0)  # one that was cut off fits no task that asks for whole ones
        self._follow = [
            task.follow(tokenizer, self.texts) for task in tasks if task.follow and task.fits(first)
        ]

    def __call__(self, state: State) -> None:
        if not is_due(state.step, self.recipe.validate.every, self.recipe.train.steps):
            return
        with autocast(self.recipe.train.precision, self.loaded.device):
            found = rolling(self.loaded.model, self.texts.ids)
        made = figures(found, self.texts)
        line = {
            "kind": "validation",
            "step": state.step,
            "loss": made.loss,
            "perplexity": made.perplexity,
            "accuracy": made.accuracy,
            "bits_per_byte": made.bits_per_byte,
            "interval": made.bits_interval,
            "floor_bits_per_byte": made.floor,
            "excess_percent": made.excess_percent,
            "documents": made.documents,
            "tokens": made.tokens,
            "bytes": made.bytes,
        }
        for followed in self._follow:
            line |= followed(found)
        self.folder.log("metrics", line)
        says = f"step {state.step}: validation loss {made.loss:.3f}, {made.bits_per_byte:.3f} bits per byte"
        if made.excess_percent is not None:
            says += f", {made.excess_percent:.1f} % above the best possible"
        self.view.note(says)


@dataclass
class Samples:
    """Keeps samples from the same prompts and seed over time, so that one sees the model learn."""

    folder: RunFolder
    loaded: Loaded
    recipe: Sampled
    view: TrainingView
    check: Callable[[str, bool], dict[str, object] | None] | None = None  # (text, complete) -> first mistake

    def __call__(self, state: State) -> None:
        steps, settings = self.recipe.train.steps, self.recipe.sample
        early = state.step == max(1, round(steps / 10))  # the report shows 0 %, 10 % and 100 %
        if not (early or is_due(state.step, settings.every, steps)):
            return
        asked = [(p, self.recipe.seed + n) for p in settings.prompts for n in range(settings.count)]
        texts, complete = [""] * len(asked), [False] * len(asked)
        prompts, seeds = [prompt for prompt, _ in asked], [seed for _, seed in asked]
        for piece in generate(
            self.loaded, prompts, max_tokens=settings.max_tokens, seed=seeds, **settings.how
        ):
            texts[piece.prompt] += piece.text
            complete[piece.prompt] = piece.finished == "border"
        for (prompt, seed), text, whole in zip(asked, texts, complete, strict=True):
            mistake = self.check(prompt + text, whole) if self.check else None
            self.folder.log(
                "samples",
                {
                    "step": state.step,
                    "share": state.step / steps,
                    "prompt": prompt,
                    "text": text,
                    **settings.how,
                    "seed": seed,
                    "mistake": mistake,
                    "checked": self.check is not None,
                },
            )
            self.view.sample(state.step, prompt, text)


@dataclass
class LiveSample:
    """Shows a sample on the screen every 20 seconds. It changes nothing that the run computes or keeps."""

    loaded: Loaded
    recipe: Sampled
    view: TrainingView
    clock: Callable[[], float] = time.monotonic
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def __call__(self, state: State) -> None:
        settings = self.recipe.sample
        if not settings.prompts or self.clock() - self._last < LIVE_SECONDS:
            return
        prompt = settings.prompts[0]
        pieces = generate(self.loaded, prompt, max_tokens=80, seed=state.step, **settings.how)
        self.view.sample(state.step, prompt, "".join(piece.text for piece in pieces))
        self._last = self.clock()


@dataclass
class Page:
    """Writes the report of a run that goes on, but lets it take at most a twentieth of the time."""

    folder: RunFolder
    clock: Callable[[], float] = time.monotonic
    _cost: float = 1.0  # seconds of the last one; before the first, about what a machine needs

    def __post_init__(self) -> None:
        self._ended = self.clock()

    def write(self) -> None:
        """Write it, unless the last one was too short a time ago."""
        began = self.clock()
        if began - self._ended < PAGE_PAUSE * self._cost:
            return
        groundup.report.write(self.folder.path)
        self._ended = self.clock()
        self._cost = self._ended - began


@dataclass
class Checkpoints:
    """Saves the run every so many steps, at the end, and when it is asked to stop.

    UserError instead of a checkpoint that is worth nothing, because a weight is no finite number any more.
    """

    folder: RunFolder
    write: Callable[[Path], None]  # the model, into an empty folder
    settings: TrainSettings
    recipe: Table
    after: Callable[[State], None] | None = None
    weights: bool = False  # whether the folder of a model does not hold what learns as it is

    def __call__(self, state: State) -> None:
        settings = self.settings.checkpoint
        if not state.stop and not is_due(state.step, settings.every, self.settings.steps):
            return
        if not all(bool(parameter.isfinite().all()) for parameter in state.method.parameters()):
            raise NotFinite("A weight became infinite", state.step, self.settings)
        self.folder.flush_logs()
        save_checkpoint(
            self.folder.checkpoints,
            self.write,
            step=state.step,
            tensors=state_tensors(state, weights=self.weights),
            values={"tokens": state.tokens, "recipe": self.recipe},
            keep=settings.keep,
            losses=self.folder.validation_losses(),
        )
        if self.after:
            self.after(state)
