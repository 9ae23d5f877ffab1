"""What is shown while long work runs: a live view on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

PLAIN_SECONDS = 10.0
"""Where there is no terminal, one line at most in so many seconds."""


def duration(seconds: float) -> str:
    """A length of time for people: 48 s, 3 min, 3 min 5 s, 2 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    large, small, names = (whole // 60, whole % 60, ("min", "s"))
    if whole >= 3600:
        large, small, names = (whole // 3600, whole % 3600 // 60, ("h", "min"))
    return f"{large} {names[0]}" + (f" {small} {names[1]}" if small else "")


def visible(text: str) -> str:
    """The text with control characters, which could garble a terminal, shown as a small box; lines stay."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\u25af" for c in text)


class View:
    """The screen of a run. Everything that is shown goes through it, so a test can bring its own console."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic):
        self.console = Console() if console is None else console
        self.clock = clock
        self._bars: Progress | None = None  # of the outermost phase that is going on

    def say(self, text: str) -> None:
        """One line of plain words."""
        self.console.print(Text(text), soft_wrap=not self.console.is_terminal)

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A piece of work with a bar: calls (done, total); a total of 0 is one that nobody knows.

        A phase within another one (a download while tokens are written) gets its line below the other's.
        What was done before the first call, by a run that is continued, does not count for the time left.
        """
        if not self.console.is_terminal:
            with self._plain_phase(title) as plain:
                yield plain
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        outer = self._bars
        with ExitStack() as stack:
            if outer is None:
                self._bars = stack.enter_context(
                    Progress(*columns, TimeRemainingColumn(), console=self.console)
                )
                stack.callback(setattr, self, "_bars", None)
            bars = self._bars
            assert bars is not None
            bar, begun = bars.add_task(title, total=None), False

            def update(done: int, total: int) -> None:
                nonlocal begun
                if not begun:
                    bars.reset(bar, completed=done, total=total or None)
                    begun = True
                bars.update(bar, completed=done, total=total or None)

            yield update
            bars.update(bar, completed=1, total=1)

    @contextmanager
    def phase_once(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A phase that shows nothing until it is first told of progress: work that is often done already."""
        with ExitStack() as stack:
            shown: list[Callable[[int, int], None]] = []

            def update(done: int, total: int) -> None:
                if not shown:
                    shown.append(stack.enter_context(self.phase(title)))
                shown[0](done, total)

            yield update

    @contextmanager
    def _plain_phase(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A phase where there is no terminal: a line now and then, with the time left once it can be told."""
        start = last = self.clock()
        first: tuple[float, int] | None = None
        self.say(f"{title} …")

        def update(done: int, total: int) -> None:
            nonlocal last, first
            now = self.clock()
            first = first or (now, done)
            if now - last >= PLAIN_SECONDS:
                last = now
                share = f" of {total:,} ({100 * done / total:.0f} %)" if total else ""
                seconds, more = now - first[0], done - first[1]
                left = f", {duration(seconds / more * (total - done))} left" if total and more else ""
                self.say(f"  {done:,}{share}{left}")

        yield update
        self.say(f"  done in {duration(self.clock() - start)}")

    @contextmanager
    def training(
        self, steps: int, start: int, floor: float | None, unit: str = "tokens"
    ) -> "Iterator[TrainingView]":
        """The live view of a training run. floor: the best possible loss, in nats per token, if known."""
        view = TrainingView(self, steps, start, floor, unit)
        if not self.console.is_terminal:
            yield view
            return
        with Live(view.render(), console=self.console, refresh_per_second=4) as live:
            view.live = live
            yield view


class TrainingView:
    """Progress, loss beside the floor, speed and time left, and the newest sample."""

    def __init__(self, view: View, steps: int, start: int, floor: float | None, unit: str = "tokens"):
        self.view, self.floor, self.unit = view, floor, unit
        self.live: Live | None = None
        self._sample = Text("The first sample comes soon.", style="dim")
        self._sample_title = "sample"
        self._began, self._start, self._last = view.clock(), start, 0.0
        columns = (BarColumn(bar_width=None), TextColumn("step {task.completed} of {task.total}"))
        self._progress = Progress(*columns, TextColumn("{task.fields[left]} left"), expand=True)
        self._bar: TaskID = self._progress.add_task("training", total=steps, completed=start, left="?")
        self._steps, self._figures = steps, Text("")

    def step(self, step: int, loss: float, tokens_per_second: float, mfu: float | None) -> None:
        """One optimizer step is done. loss: nats per token; mfu: share of the machine's matrix speed."""
        done, seconds = step - self._start, self.view.clock() - self._began
        # The first steps also pay for warming up: what they foretell is far too long.
        left = duration((self._steps - step) * seconds / done) if done >= 5 else "?"
        known = f" · best possible {self.floor:.3f}" if self.floor is not None else ""
        used = "" if mfu is None else f" · MFU {100 * mfu:.0f} %"
        speed = f"{tokens_per_second:,.0f} {self.unit} a second{used}"
        self._figures = Text(f"loss {loss:.3f}{known} · {speed}")
        self._progress.update(self._bar, completed=step, left=left)
        if self.live:
            self.live.update(self.render())
        elif self.view.clock() - self._last >= PLAIN_SECONDS or step == self._steps:
            self._last = self.view.clock()
            self.view.say(f"  step {step} of {self._steps} · {self._figures.plain} · {left} left")

    def note(self, text: str) -> None:
        """One line that stays: a validation, a checkpoint."""
        self.view.say(f"  {text}")

    def sample(self, step: int, prompt: str, text: str) -> None:
        """A fresh sample, in the place of the one before."""
        prompt, text = visible(prompt), visible(text)
        self._sample = Text.assemble((prompt, "bold"), text)
        self._sample_title = f"sample after step {step}"
        if self.live:
            self.live.update(self.render())
        else:
            self.view.say(f"  {self._sample_title}: {' '.join((prompt + text).split())}")

    def render(self) -> Group:
        """What the terminal shows."""
        panel = Panel(self._sample, title=self._sample_title, title_align="left", padding=(0, 1))
        return Group(self._progress, self._figures, panel)
