"""Makes the notebooks of the lessons from their sources, and says which of them are out of date.

python tools/lessons.py check           compares only; runs nothing
python tools/lessons.py build           runs the lessons that are out of date, and writes their notebooks
python tools/lessons.py build 01 02     runs those whose names begin so, whatever state they are in

A lesson is `lessons/NN_name.py`, a Python file whose cells begin with `# %%`. Its notebook holds what came
out when it ran, and in its metadata the hash of the cells that ran: a change since then is noticed at once.
"""

import base64
import hashlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LESSONS = Path(__file__).resolve().parent.parent / "lessons"
LINES = 40  # of printed text are kept for one cell
COLOURS = 64  # of a picture; a plot has fewer, but for the soft edges of its letters
KILOBYTES = 300  # a notebook may have, because each version of it stays in the repository
SECONDS = 600  # for one lesson, then something is wrong

Notebook = Any  # nbformat's, a dict whose keys are attributes too


def sources() -> list[Path]:
    """The lessons, in their order."""
    return sorted(LESSONS.glob("[0-9][0-9]_*.py"))


def read_source(source: Path) -> Notebook:
    """The lesson as a notebook that nobody has run."""
    import jupytext

    return jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")


def read_notebook(path: Path) -> Notebook:
    """A notebook file."""
    import nbformat

    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)


def fingerprint(notebook: Notebook) -> str:
    """sha256 over the cells' kinds and sources: what was written, not what came out."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        digest.update(f"{cell.cell_type}\0{cell.source}\0".encode())
    return digest.hexdigest()


def complaint(source: Path) -> str | None:
    """What is wrong with the notebook of a lesson, in one line; None if it is current."""
    path = source.with_suffix(".ipynb")
    if not path.exists():
        return f"{path.name} is missing."
    notebook, written = read_notebook(path), fingerprint(read_source(source))
    if notebook.metadata.get("groundup", {}).get("cells_sha256") != written:
        return f"{path.name} is not what {source.name} says now."
    if fingerprint(notebook) != written:
        return f"{path.name} was edited by hand; edit {source.name} instead."
    if any(cell.cell_type == "code" and cell.source and not cell.execution_count for cell in notebook.cells):
        return f"{path.name} was not run to its end."
    size = path.stat().st_size / 1000
    return f"{path.name} has {size:.0f} kB, at most {KILOBYTES} are kept." if size > KILOBYTES else None


def run(source: Path) -> Notebook:
    """The executed notebook of a lesson, trimmed. Raises nbclient's CellExecutionError where a cell fails.

    It runs whole and in an empty folder, so that nothing depends on what lies about, such as a trained demo.
    """
    import nbclient

    notebook = read_source(source)
    written = fingerprint(notebook)
    with tempfile.TemporaryDirectory() as empty:
        client = nbclient.NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,  # else a print more or less in an output depends on the kernel's pauses
            extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
            resources={"metadata": {"path": empty}},
        )
        # One thread, so that the numbers do not depend on how many processors there are. And whatever
        # MPLBACKEND says here, plots belong into the notebook.
        surroundings = {
            **os.environ,
            "GROUNDUP_LESSON": "whole",
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        client.execute(env=surroundings)
    trim(notebook)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "groundup": {"cells_sha256": written},
    }
    return notebook


def trim(notebook: Notebook) -> None:
    """Take out of a notebook what differs from run to run for no good reason, and what is too long."""
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        for output in cell.get("outputs", ()):
            if "text" in output:
                output["text"] = shortened(output["text"])
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
                data.pop("text/plain", None)  # "<Figure size 640x480 with 1 Axes>"
                output["metadata"] = {}
            elif "text/plain" in data:
                data["text/plain"] = shortened(data["text/plain"])


def shortened(text: str) -> str:
    """At most LINES lines of a printed text: its beginning and its end."""
    lines = text.splitlines(keepends=True)
    if len(lines) <= LINES:
        return text
    head, tail = lines[: LINES // 2], lines[len(lines) - LINES // 2 + 1 :]
    return "".join([*head, f"... {len(lines) - len(head) - len(tail)} more lines ...\n", *tail])


def smaller(picture: str) -> str:
    """A picture (PNG in base64) with a palette of few colours: a third of the size, and nobody sees it."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    out = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(out, format="png", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def check() -> int:
    """Print what is out of date. Returns the exit code."""
    complaints = [words for words in map(complaint, sources()) if words]
    orphans = sorted({path.stem for path in LESSONS.glob("*.ipynb")} - {path.stem for path in sources()})
    complaints += [f"{name}.ipynb has no {name}.py." for name in orphans]
    if complaints:
        print("\n".join([*complaints, "To mend it: python tools/lessons.py build"]))
    return bool(complaints)


def build(names: list[str]) -> int:
    """Run the lessons whose names begin so, or those that are out of date, and write their notebooks."""
    import nbformat
    from nbclient.exceptions import CellExecutionError

    unknown = [name for name in names if not any(source.name.startswith(name) for source in sources())]
    if unknown:
        known = ", ".join(source.stem for source in sources())
        print(f"There is no lesson {unknown[0]!r}. There are: {known}.", file=sys.stderr)
        return 2
    chosen = [s for s in sources() if (s.name.startswith(tuple(names)) if names else complaint(s))]
    for source in chosen:
        print(f"{source.stem} …", flush=True)
        start = time.perf_counter()
        try:
            notebook = run(source)
        except CellExecutionError as error:
            print(error, file=sys.stderr)
            return 1
        path = source.with_suffix(".ipynb")
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
        print(f"  {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB", flush=True)
    return 0


def main(arguments: list[str]) -> int:
    """Do what the first word says. Returns the exit code."""
    if arguments == ["check"]:
        return check()
    if arguments[:1] == ["build"]:
        return build(arguments[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
