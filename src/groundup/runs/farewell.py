"""The last lines of a run: what came out, and what to type next."""

import shlex
import sys
from pathlib import Path

import groundup.report
from groundup.runs.folder import RunFolder
from groundup.system.progress import View


def command(*words: str) -> str:
    """A command to copy, with the path of this environment's groundup where it is not on the PATH."""
    import shutil

    program = Path(sys.executable).with_name("groundup")
    found = shutil.which("groundup")
    name = "groundup" if found and Path(found).resolve() == program.resolve() else _short(program)
    return " ".join([name, *map(shlex.quote, words)])


def farewell(folder: RunFolder, view: View) -> None:
    """What the run came to, where its page is, and how to talk to the model."""
    view.say("")
    view.say(groundup.report.describe(folder.path))
    view.say(f"The report: {folder.path / 'report.html'}")
    view.say("Go on with:")
    view.say("  " + command("generate", str(folder.path)))
    view.say("  " + command("evaluate", str(folder.path)))


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
