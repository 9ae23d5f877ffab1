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
    pattern: Annotated[str, typer.Option(help="How texts are cut into pieces first: gpt2 or gpt4.")] = "gpt2",
    column: Annotated[str, typer.Option(help="Of Parquet or JSON lines: the field with the text.")] = "text",
) -> None:
    """Learn a byte-level BPE vocabulary. transformers opens the folder.

    Examples:

      groundup tokenizer train my_book.txt my_tokenizer --vocab-size 2048

      groundup tokenizer train my_code/ my_tokenizer --pattern gpt4
    """
    from groundup.runs.tokenizer import train_tokenizer
    from groundup.system.progress import View

    train_tokenizer(source, folder, vocab_size, View(), pattern=pattern, column=column)


@VERB.command()
def show(
    tokenizer: Annotated[
        str, typer.Argument(help='A folder with tokenizer.json, a run\'s folder, "gpt2" or "bytes".')
    ],
    text: Annotated[str | None, typer.Argument(help="The text to cut into tokens.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the text, instead.")] = None,
    compare: Annotated[str | None, typer.Option(help="A second tokenizer, to be shown beside.")] = None,
) -> None:
    """Show the tokens of a text in colours, their ids, and the bytes in each.

    Examples:

      groundup tokenizer show runs/demo "The lamp is by the well."

      groundup tokenizer show runs/demo --file my_book.txt --compare bytes
    """
    from groundup.runs.tokenizer import show_tokens, text_to_show
    from groundup.system.progress import View

    show_tokens(tokenizer, text_to_show(text, file), View(), compare=compare)
