"""The demo: the first five minutes of a newcomer."""

import sys
from pathlib import Path

import groundup.report
from groundup.runs.automatic import recipe_for
from groundup.runs.farewell import command, program_command
from groundup.runs.folder import RunFolder
from groundup.runs.pretrain import pretrain
from groundup.system.progress import View

NAME = "demo"


def demo(
    minutes: float, runs: Path, view: View, *, device: str | None = None, restart: bool | None = None
) -> None:
    """Train on the village, or go on with an earlier demo, or show the one that is finished."""
    folder = RunFolder(runs / NAME)
    status = folder.status
    if status and restart is None:
        restart = _ask(folder, status, view)
    if restart or status != "finished":
        recipe = recipe_for("village", minutes, runs, view, device=device, restart=bool(restart), name=NAME)
        folder = pretrain(recipe, folder.path, view, device=device, restart=bool(restart))
    _last_lines(folder, view)


def _ask(folder: RunFolder, status: str, view: View) -> bool:
    """Whether to start over. Without a terminal nothing is thrown away."""
    what = "There is a finished demo" if status == "finished" else "There is a demo that did not end"
    if not (sys.stdin.isatty() and view.console.is_terminal):
        view.say(
            f"{what} in {folder.path}; going on with it. "
            f"Add --restart to start over (make demo ARGS=--restart)."
        )
        return False
    answer = view.console.input(f"{what} in {folder.path}. [c]ontinue with it, or [s]tart over? ")
    return answer.strip().lower().startswith("s")


def _last_lines(folder: RunFolder, view: View) -> None:
    view.say("")
    view.say(groundup.report.describe(folder.path))
    view.say(f"The report: {folder.path / 'report.html'}")
    if folder.status != "finished":
        view.say("Go on with:  " + command("demo", "--continue"))
        return
    view.say("Three things to do next:")
    tale = command("generate", str(folder.path), "Near the mill lived")
    view.say("  let the model tell a tale:     " + tale)
    view.say("  train on a text of your own:   " + command("pretrain", "my_book.txt", "--minutes", "10"))
    view.say("  learn how it works:            " + _lesson())


def _lesson() -> str:
    """How to go through lesson 1: as a program, which needs nothing more than what is installed."""
    lesson = Path("lessons/01_what_is_a_language_model.py")
    if not lesson.is_file():
        return f"open {lesson.with_suffix('.ipynb')} of the project"
    return program_command("python", str(lesson)) + "   (to read it: the .ipynb beside it)"
