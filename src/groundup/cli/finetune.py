"""`groundup finetune`: go on from a trained model, by a recipe: style, answers, labels, preferences."""

from pathlib import Path
from typing import Annotated

import typer

from groundup.cli import EXIT_STOPPED


def finetune(
    recipe: Annotated[Path, typer.Argument(help="A recipe (.toml) with [model] from, [method] and [data].")],
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="Changes to the recipe, such as train.epochs=1", show_default=False),
    ] = None,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; by default the best there is.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget an earlier run of that name.")] = False,
) -> None:
    """Tune a trained model: all of it, a part, or thin LoRA matrices beside it.

    Says before the start what learns and how much memory that takes. The run's folder is runs/NAME; the same
    command goes on where a stopped run ended. With LoRA, runs/NAME/model is a PEFT adapter.

    Examples:

      groundup finetune recipes/style-carroll.toml

      groundup finetune recipes/style-carroll.toml model.from=runs/my_book learn.lora.rank=8

      groundup finetune recipes/style-carroll.toml 'learn.what="last 2 blocks"' name=top
    """
    from groundup.runs.farewell import farewell
    from groundup.runs.finetune import finetune as run
    from groundup.runs.tuning_recipe import read_tuning
    from groundup.system.progress import View

    view = View()
    read = read_tuning(recipe, changes or ())
    folder = run(read, runs / read.name, view, device=device, restart=restart)
    farewell(folder, view)
    if folder.status != "finished":
        raise typer.Exit(EXIT_STOPPED)


VERB = finetune
