"""The last lines of a run: what came out, and what to type next."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import groundup.report
from groundup.runs.folder import RunFolder
from groundup.system.progress import View
from groundup.weights.checkpoints import best_checkpoint, step_of
from groundup.weights.folder import checkpoints


def command(*words: str) -> str:
    """A command to copy, with the path of this environment's groundup where it is not on the PATH."""
    return program_command("groundup", *words)


def program_command(name: str, *words: str) -> str:
    """A command to copy that runs a program of this environment, such as python."""
    program = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    on_path = found and Path(found).resolve().with_suffix("") == program.resolve()
    whole = [name if on_path else _short(program), *words]
    return subprocess.list2cmdline(whole) if os.name == "nt" else shlex.join(whole)


def farewell(folder: RunFolder, view: View) -> None:
    """What the run came to, where its page is, and how to talk to the model."""
    view.say("")
    view.say(groundup.report.describe(folder.path))
    view.say(f"The report: {folder.path / 'report.html'}")
    best = best_checkpoint(folder.checkpoints)
    if best is not None and best != checkpoints(folder.checkpoints)[-1]:
        view.say(f"Its validation loss was lowest at step {step_of(best):,}, which is kept: {best}")
    view.say("Go on with:")
    method = folder.read_facts().get("method")
    if folder.status != "finished":
        verb = "finetune" if method else "pretrain"
        view.say("  " + command(verb, str(folder.recipe), "--runs", str(folder.path.parent)))
    if method == "classify":
        view.say("  " + command("classify", str(folder.path), "A text to sort"))
        return
    view.say("  " + command("generate", str(folder.path)))
    if method in (None, "next_token"):
        view.say("  " + command("evaluate", str(folder.path)))


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
