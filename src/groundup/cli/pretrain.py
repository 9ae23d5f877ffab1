"""`groundup pretrain`: train a model from a recipe, or from a text of one's own without one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from groundup.cli import EXIT_STOPPED


def pretrain(
    source: Annotated[
        str, typer.Argument(help="A recipe (.toml), or a text: a file, a folder, a dataset's name.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="Changes to the recipe, such as train.steps=200", show_default=False),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Without a recipe: how long the training may take; by default 10."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; by default the best there is.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget an earlier run of that name.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what it would take: parameters, memory, time.")
    ] = False,
) -> None:
    """Train a model from scratch, with checkpoints, samples and a report.

    The run's folder is runs/NAME. The same command goes on where a stopped run ended. model.size=16m asks for
    a size, and width, depth and heads follow; --minutes is the whole time, with measuring and compiling.

    Examples:

      groundup pretrain my_book.txt --minutes 10

      groundup pretrain recipes/village.toml train.steps=200 name=short

      groundup pretrain runs/my_book/recipe.toml name=again seed=2

      groundup pretrain recipes/gpt2-124m.toml model.size=50m --estimate
    """
    from groundup.runs.estimate import only_estimate
    from groundup.runs.farewell import farewell
    from groundup.runs.pretrain import pretrain as run
    from groundup.system.progress import View

    view = View()
    recipe = _recipe(source, changes or (), minutes, runs, view, device, restart)
    if estimate:
        only_estimate(recipe, view, device=device)
        return
    folder = run(recipe, runs / recipe.name, view, device=device, restart=restart)
    farewell(folder, view)
    if folder.status != "finished":
        raise typer.Exit(EXIT_STOPPED)


def _recipe(
    source: str,
    changes: Sequence[str],
    minutes: float | None,
    runs: Path,
    view: Any,
    device: str | None,
    restart: bool,
) -> Any:
    """The recipe of a file, or one that is made for a text."""
    from groundup.errors import UserError
    from groundup.runs.automatic import recipe_for
    from groundup.runs.recipe import read_recipe

    if not source.endswith(".toml"):
        budget = 10.0 if minutes is None else minutes
        return recipe_for(source, budget, runs, view, changes=changes, device=device, restart=restart)
    if minutes is not None:
        raise UserError("--minutes is for a text without a recipe. Leave it out, or set train.steps=NUMBER.")
    return read_recipe(source, changes)


VERB = pretrain
