"""Every lesson runs, its notebook is current, and its exercises take what is right and refuse what is not.

A lesson is found by its name, so a new one is tested the moment it exists.
"""

import ast
import contextlib
import functools
import importlib.util
import io
import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
SOLUTIONS = Path(__file__).parent / "solutions"

# The first is what matplotlib says of `plt.show()` where a window could be opened, but must not be.
pytestmark = pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive:UserWarning")


def tool() -> Any:
    """A fresh copy of tools/lessons.py."""
    spec = importlib.util.spec_from_file_location("tools_lessons", ROOT / "tools" / "lessons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exercises(lesson: Path) -> list[str]:
    """The functions that are left to the learner: those whose body is `...`."""
    functions = [
        node for node in ast.parse(lesson.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    return [f.name for f in functions if ast.unparse(f.body[-1]) == "..."]


EXERCISES = [(lesson, name) for lesson in LESSONS for name in exercises(lesson)]
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
each_exercise = pytest.mark.parametrize("lesson, name", EXERCISES, ids=lambda x: getattr(x, "stem", x))


@functools.cache
def run(lesson: Path, form: str) -> tuple[dict[str, Any], str, float]:
    """Run a lesson in an empty folder: what it defined, what it printed, its seconds of processor."""
    import tempfile

    import matplotlib.pyplot as plt
    import torch

    printed, start = io.StringIO(), time.process_time()
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("GROUNDUP_LESSON", form)
        patch.chdir(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(plt.rc_context())
        try:
            defined = runpy.run_path(str(lesson), run_name="__main__")
        finally:
            plt.close("all")
    return defined, printed.getvalue(), time.process_time() - start


@functools.cache
def solutions(lesson: Path) -> dict[str, Any]:
    """The right functions by name, and WRONG: {name: [functions that must be refused]}."""
    return runpy.run_path(str(SOLUTIONS / lesson.name))


def test_there_are_lessons():
    assert LESSONS


@each_lesson
def test_the_notebook_of_a_lesson_is_current(lesson: Path):
    assert tool().complaint(lesson) is None, "To mend it: python tools/lessons.py build"


@each_lesson
def test_a_lesson_runs_in_its_short_form_within_seconds(lesson: Path):
    _, _, seconds = run(lesson, "short")
    assert seconds < 40  # of processor; it takes about 5, but not on a machine that does ten other things


@pytest.mark.slow
@each_lesson
def test_a_lesson_runs_whole_within_two_minutes_on_two_cores(lesson: Path):
    _, _, seconds = run(lesson, "whole")
    assert seconds < 2 * 120


@each_lesson
def test_a_lesson_proves_what_it_builds_and_leaves_something_to_do(lesson: Path):
    nodes = ast.walk(ast.parse(lesson.read_text("utf-8")))
    assert sum(isinstance(node, ast.Assert) for node in nodes) >= 2
    assert exercises(lesson)


@each_exercise
def test_an_exercise_that_nobody_has_done_says_so_and_stops_nothing(lesson: Path, name: str):
    defined, printed, _ = run(lesson, "short")
    said = defined[f"check_{name}"](defined[name])
    assert "not yet" in said
    assert said in printed


@each_exercise
def test_an_exercise_takes_its_solution(lesson: Path, name: str):
    defined, _, _ = run(lesson, "short")
    assert "right!" in defined[f"check_{name}"](solutions(lesson)[name])


@each_exercise
def test_an_exercise_refuses_the_mistakes_that_people_make(lesson: Path, name: str):
    defined, _, _ = run(lesson, "short")
    assert solutions(lesson)["WRONG"][name]
    for mistake in solutions(lesson)["WRONG"][name]:
        assert "not yet" in defined[f"check_{name}"](mistake)


def test_the_readme_links_to_every_lesson_and_to_nothing_else():
    links = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", (ROOT / "lessons" / "README.md").read_text("utf-8"))
    assert links == [lesson.with_suffix(".ipynb").name for lesson in LESSONS]


@pytest.fixture
def lessons(tmp_path: Path) -> Any:
    """The tool, at work on a folder with one small lesson."""
    tools = tool()
    tools.LESSONS = tmp_path
    (tmp_path / "01_small.py").write_text("# %% [markdown]\n# # Small\n\n# %%\nprint('hello')\n", "utf-8")
    return tools


def pretend_to_run(tools: Any, lesson: Path) -> None:
    """Write the notebook of a lesson as `build` does, but let no kernel run it."""
    import nbformat

    notebook = tools.read_source(lesson)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
    notebook.metadata = {"groundup": {"cells_sha256": tools.fingerprint(notebook)}}
    lesson.with_suffix(".ipynb").write_text(nbformat.writes(notebook), "utf-8")


def test_a_changed_source_an_edited_notebook_and_a_missing_one_are_noticed(lessons, capsys):
    lesson = lessons.sources()[0]
    notebook = lesson.with_suffix(".ipynb")
    assert lessons.complaint(lesson) == "01_small.ipynb is missing."
    pretend_to_run(lessons, lesson)
    assert lessons.complaint(lesson) is None
    assert lessons.check() == 0
    executed = notebook.read_text("utf-8")
    notebook.write_text(executed.replace("hello", "hallo"), "utf-8")
    assert lessons.complaint(lesson) == "01_small.ipynb was edited by hand; edit 01_small.py instead."
    notebook.write_text(executed.replace('"execution_count": 1', '"execution_count": null'), "utf-8")
    assert lessons.complaint(lesson) == "01_small.ipynb was not run to its end."
    notebook.write_text(executed, "utf-8")
    lesson.write_text(lesson.read_text("utf-8").replace("hello", "good day"), "utf-8")
    assert lessons.complaint(lesson) == "01_small.ipynb is not what 01_small.py says now."
    (lessons.LESSONS / "02_lost.ipynb").write_text(executed, "utf-8")
    assert lessons.check() == 1
    assert "02_lost.ipynb has no 02_lost.py." in capsys.readouterr().out


def test_a_notebook_that_is_too_large_to_keep_is_refused(lessons):
    lesson = lessons.sources()[0]
    lesson.write_text(lesson.read_text("utf-8") + "#" * 400_000 + "\n", "utf-8")
    pretend_to_run(lessons, lesson)
    assert lessons.complaint(lesson) == "01_small.ipynb has 400 kB, at most 300 are kept."


def test_printed_text_is_cut_in_the_middle_and_says_how_much_is_gone(lessons):
    lines = [f"{number}\n" for number in range(100)]
    cut = lessons.shortened("".join(lines)).splitlines(keepends=True)
    assert len(cut) == lessons.LINES
    assert cut[:20] == lines[:20]
    assert cut[20] == "... 61 more lines ...\n"
    assert cut[21:] == lines[81:]
    assert lessons.shortened("".join(lines[:40])) == "".join(lines[:40])


def test_a_picture_becomes_smaller_and_looks_the_same(lessons):
    import base64

    import numpy as np
    from matplotlib.figure import Figure
    from PIL import Image

    figure, out = Figure(), io.BytesIO()
    axes = figure.add_subplot()
    for slope in range(4):
        axes.plot([0, 1], [0, slope])
    figure.savefig(out, format="png")
    small = base64.b64decode(lessons.smaller(base64.b64encode(out.getvalue()).decode()))
    assert len(small) < 0.7 * len(out.getvalue())
    before, after = (
        np.asarray(Image.open(io.BytesIO(b)).convert("RGB"), dtype=float) for b in (out.getvalue(), small)
    )
    assert np.abs(before - after).mean() < 1  # of 255


def test_an_unknown_lesson_or_verb_is_told_what_there_is(lessons, capsys):
    assert lessons.main(["build", "07"]) == 2
    assert capsys.readouterr().err == "There is no lesson '07'. There are: 01_small.\n"
    assert lessons.main([]) == 2
    assert "tools/lessons.py check" in capsys.readouterr().err


@pytest.mark.slow
def test_building_runs_a_lesson_whole_and_a_failing_one_leaves_the_old_notebook(tmp_path: Path):
    """In a process of its own: a kernel needs signals, sockets and threads."""
    lesson, notebook = tmp_path / "01_small.py", tmp_path / "01_small.ipynb"
    lesson.write_text(
        "# %%\nimport os\n'form:', os.environ.get('GROUNDUP_LESSON'), os.listdir()\n"
        "# %%\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n",
        "utf-8",
    )
    code = f"import lessons, pathlib; lessons.LESSONS = pathlib.Path({str(tmp_path)!r}); "
    code += "exit(lessons.main(['build']))"
    start = functools.partial(
        subprocess.run,
        [sys.executable, "-c", code],
        cwd=ROOT / "tools",
        env={**os.environ, "MPLBACKEND": "Agg"},  # as where tests run: it would swallow the plots
        capture_output=True,
        text=True,
    )
    done = start()
    assert done.returncode == 0, done.stderr
    first = notebook.read_text("utf-8")
    assert "('form:', 'whole', [])" in first
    assert "image/png" in first
    assert start().stdout == ""  # It is current.
    lesson.write_text("# %%\n1 / 0\n", "utf-8")
    failed = start()
    assert failed.returncode == 1
    assert "ZeroDivisionError" in failed.stderr
    assert notebook.read_text("utf-8") == first
