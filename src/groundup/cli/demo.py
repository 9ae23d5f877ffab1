"""`groundup demo`: from nothing to a trained model and its report, in a few minutes and without a network."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    minutes: Annotated[float, typer.Option(help="How long the training may take.")] = 3.0,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; by default the best there is.")
    ] = None,
    restart: Annotated[
        bool | None,
        typer.Option("--restart/--continue", help="What to do with an earlier demo; asked on a terminal."),
    ] = None,
) -> None:
    """Train a small GPT on the village, a corpus whose best possible loss is known.

    Writes texts, learns a vocabulary, trains, evaluates, draws samples, and makes runs/demo/report.html.

    Examples:

      groundup demo

      groundup demo --minutes 1 --restart
    """
    from groundup.runs.demo import demo as run
    from groundup.system.progress import View

    run(minutes, runs, View(), device=device, restart=restart)


VERB = demo
