"""`groundup tokenizer`: learn a vocabulary from a text, and look at what a tokenizer does."""

from pathlib import Path
from typing import Annotated

import typer

from groundup.cli import Suggesting

VERB = typer.Typer(
    cls=Suggesting,
    help="Learn a vocabulary from a text, or look at one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@VERB.command()
def train(
    source: Annotated[str, typer.Argument(help="A file, a folder or a dataset's name.")],
    folder: Annotated[Path, typer.Argument(help="Where to save tokenizer.json.")],
    vocab_size: Annotated[
        int, typer.Option(help="How many tokens, with the 256 bytes and 5 special ones.")
    ] = 4096,
) -> None:
    """Learn a byte-level BPE vocabulary. transformers opens the folder.

    Examples:

      groundup tokenizer train my_book.txt my_tokenizer --vocab-size 2048
    """
    from groundup.runs.tokenizer import train_tokenizer
    from groundup.system.progress import View

    train_tokenizer(source, folder, vocab_size, View())


@VERB.command()
def show(
    tokenizer: Annotated[Path, typer.Argument(help="A folder with tokenizer.json, or a run's folder.")],
    text: Annotated[str, typer.Argument(help="The text to cut into tokens.")],
) -> None:
    """Show the tokens of a text in colours, their ids, and the bytes in each.

    Examples:

      groundup tokenizer show runs/demo "The lamp is by the well."
    """
    from groundup.runs.tokenizer import show_tokens
    from groundup.system.progress import View

    show_tokens(tokenizer, text, View())
