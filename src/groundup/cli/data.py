"""`groundup data`: prepare texts for training, and look at what a run reads."""

from pathlib import Path
from typing import Annotated

import typer

from groundup.cli import Suggesting

VERB = typer.Typer(
    cls=Suggesting,
    help="Prepare texts, or look at what a run reads.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@VERB.command()
def prepare(
    source: Annotated[
        str, typer.Argument(help="A recipe (.toml); or a dataset's name, a file or a folder of texts.")
    ],
    changes: Annotated[
        list[str] | None, typer.Argument(help="Changes, such as tokenizer.vocab_size=2048")
    ] = None,
) -> None:
    """Do what training does before its first step: learn the vocabulary, and write the tokens of both parts.

    Large data take a while: several processes share the work, and after an interruption the same command goes
    on where it was. A run on the same data with the same settings finds the tokens ready.

    Examples:

      groundup data prepare recipes/village.toml

      groundup data prepare my_texts/ tokenizer.vocab_size=8192

      groundup data prepare fineweb-edu data.max_tokens=100_000_000 tokenizer.source=my_tokenizer
    """
    from groundup.runs.data import prepare_and_tell, recipe_of
    from groundup.system.progress import View

    prepare_and_tell(recipe_of(source, changes or ()), View())


@VERB.command("list")
def list_() -> None:
    """List the datasets that are known by name.

    Examples:

      groundup data list
    """
    from groundup.runs.data import list_datasets
    from groundup.system.progress import View

    list_datasets(View())


@VERB.command()
def show(
    source: Annotated[
        str, typer.Argument(help="A run's folder, a recipe, a dataset's name, a file or a folder of texts.")
    ],
    step: Annotated[int, typer.Option(help="Of a run: the step whose texts to show, from 1.")] = 1,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many texts.")] = 5,
    column: Annotated[str, typer.Option(help="Of Parquet or JSON lines: the field with the text.")] = "text",
) -> None:
    """Show the very texts that a step of a run read, or the first documents of a source.

    Examples:

      groundup data show runs/demo --step 100

      groundup data show village --limit 2
    """
    from groundup.runs.data import show_documents, show_step
    from groundup.system.progress import View

    if (Path(source) / "run.json").is_file():
        show_step(Path(source), step, limit, View())
    else:
        show_documents(source, limit, View(), column=column)
