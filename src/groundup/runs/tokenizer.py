"""Jobs with tokenizers: learn one from a source, and show what one does to a text."""

from pathlib import Path

from rich.text import Text

from groundup.errors import UserError
from groundup.runs.prepare import learn_tokenizer, open_source, open_tokenizer, tell_unreadable
from groundup.runs.recipe import DataSettings
from groundup.system.files import check_writable, whole_folder
from groundup.system.progress import View
from groundup.text.tokenizer import Tokenizer

COLOURS = (
    "black on bright_cyan",
    "black on bright_yellow",
    "black on bright_green",
    "black on bright_magenta",
)


def train_tokenizer(source: str, folder: Path, vocab_size: int, view: View) -> Tokenizer:
    """Learn a vocabulary from all documents of a source and save it, whole or not at all."""
    check_writable(folder)
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise UserError(f"{folder} is there already. Choose another folder, or delete it first.")
    opened = open_source(DataSettings(source=source), seed=1)
    tell_unreadable(source, view)
    tokenizer = learn_tokenizer(opened.whole(), vocab_size, view, endless=opened.endless)
    with whole_folder(folder) as part:
        tokenizer.save(part)
    view.say(f"{tokenizer.vocab_size:,} tokens, saved in {folder}.")
    return tokenizer


def show_tokens(where: Path, text: str, view: View) -> None:
    """Print the pieces of a text in colours, their ids, and how many bytes a token holds on average."""
    tokenizer = open_tokenizer(where)
    ids = tokenizer.encode(text)
    if not ids:
        raise UserError("The text is empty. Give a text to cut into tokens.")
    coloured = Text()
    for place, piece in enumerate(tokenizer.pieces(ids)):
        coloured.append(piece, style=COLOURS[place % len(COLOURS)])
    # Without colours, a bar shows where a token ends.
    view.console.print(coloured if view.console.color_system else Text("|".join(tokenizer.pieces(ids))))
    view.say(" ".join(map(str, ids)))
    n_bytes = len(text.encode())
    view.say(f"{len(ids)} tokens for {n_bytes} bytes: {n_bytes / len(ids):.2f} bytes a token")
