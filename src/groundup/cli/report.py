"""`groundup report`: the page of a run."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as runs/demo; it may still be running.")],
) -> None:
    """Write a run's report.html and loss.png anew, and say in a few lines what the run came to.

    Examples:

      groundup report runs/demo
    """
    import groundup.report
    from groundup.runs.folder import RunFolder

    folder = RunFolder.existing(run)
    page = groundup.report.write(folder.path)
    typer.echo(groundup.report.describe(folder.path))
    typer.echo(f"Open {page}")


VERB = report
