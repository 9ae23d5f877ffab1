"""Plots and the one-file HTML page of a run, and the same in a few lines for the terminal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write(run_folder: Path | str, *, commands: Sequence[tuple[str, str]] | None = None) -> Path:
    """Write `loss.png` and `report.html` into a run's folder, at any time of the run; gives the page's path.

    `commands` are pairs of (what it does, command line) for the end of the page; without them it names
    `groundup generate`, `evaluate` and `report`. UserError if the folder is no run. Each file appears whole
    or not at all. The same folder gives the same bytes.
    """
    # matplotlib takes a moment to import, which a run that only wants `describe` should not pay.
    from groundup.report.charts import charts
    from groundup.report.page import page
    from groundup.report.plots import png
    from groundup.report.read import read
    from groundup.system.files import whole_file, write_text

    run = read(run_folder)
    drawn = charts(run)
    if drawn:
        with whole_file(run.folder / "loss.png") as part:
            part.write_bytes(png(drawn[0], 800, 420))
    target = run.folder / "report.html"
    write_text(target, page(run, commands))
    return target


def tell(records: Sequence[dict[str, Any]]) -> list[str]:
    """The records of an evaluation (`Score.as_json()`) in plain sentences, where there are words."""
    from groundup.report.findings import findings
    from groundup.report.markup import visible
    from groundup.report.scores import scores_of

    plain = json.loads(json.dumps(records))  # as evaluation.json would hold them
    return [visible(says).replace("\N{NO-BREAK SPACE}", " ") for says in findings(scores_of(plain))]


def describe(run_folder: Path | str) -> str:
    """The report of a run as a few lines of plain text. UserError if the folder is no run."""
    from groundup.report.read import read
    from groundup.report.terminal import terminal

    return terminal(read(run_folder))
