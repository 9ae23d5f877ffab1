"""Jobs with tokenizers: learn one from a source, and show what one does to a text."""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from groundup.data.corpus import read_documents
from groundup.data.piece import Report
from groundup.errors import UserError
from groundup.runs.prepare import open_source, tell_left_out
from groundup.runs.recipe import DataSettings
from groundup.runs.vocabulary import learn_tokenizer, open_tokenizer
from groundup.system.files import check_writable, whole_folder
from groundup.system.progress import View, visible
from groundup.text.alphabet import without_surrogates
from groundup.text.tokenizer import Tokenizer

COLOURS = (
    "black on bright_cyan",
    "black on bright_yellow",
    "black on bright_green",
    "black on bright_magenta",
)
LONGEST_SHOWN = 2000
"""Characters of a text whose pieces are shown; of a longer one only the figures."""

LONGEST_COMPARED = 1_000_000
"""Characters in which differences are looked for; more takes long and shows nothing new."""

EXAMPLES = 12
"""Differences that are shown."""


def train_tokenizer(
    source: str, folder: Path, vocab_size: int, view: View, *, pattern: str = "gpt2", column: str = "text"
) -> Tokenizer:
    """Learn a vocabulary from all documents of a source and save it, whole or not at all.

    pattern: how texts are cut into pieces first, "gpt2" or "gpt4". column: of Parquet or JSON lines, the
    field that holds the text.
    """
    check_writable(folder)
    if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
        raise UserError(f"{folder} is there already. Choose another folder, or delete it first.")
    opened, report = open_source(DataSettings(source=source, column=column), 1, view), Report()
    documents = opened.to_learn(report)
    tokenizer = learn_tokenizer(documents, vocab_size, view, endless=opened.endless, pattern=pattern)
    tell_left_out(source, report, view)
    with whole_folder(folder) as part:
        tokenizer.save(part)
    view.say(f"{tokenizer.vocab_size:,} tokens, saved in {folder}.")
    return tokenizer


def show_tokens(name: str, text: str, view: View, *, compare: str | None = None) -> None:
    """Print what one tokenizer makes of a text, or two beside each other, and where they cut differently.

    name, compare: a folder with a tokenizer, a run's folder, "gpt2" or "bytes". Of a long text only the
    figures and the first differences are shown.
    """
    if not text:
        raise UserError("The text is empty. Give a text to cut into tokens.")
    text = without_surrogates(text)
    first = open_tokenizer(name, view)
    if compare is None:
        _show_one(first, text, view)
        return
    second, counts = open_tokenizer(compare, view), []
    for label, tokenizer in ((name, first), (compare, second)):
        view.say(f"{label}, {tokenizer.vocab_size:,} tokens in its vocabulary:")
        counts.append(_show_one(tokenizer, text, view))
        view.say("")
    if min(counts):
        view.say(f"{name} has {counts[0] / counts[1]:.2f} times as many tokens as {compare}.")
    _show_differences((name, compare), (first, second), text[:LONGEST_COMPARED], view)


def text_to_show(text: str | None, file: Path | None) -> str:
    """The text that was typed, or all that is in a file. UserError unless exactly one is given."""
    if text is not None and file is None:
        return text
    if text is None and file is not None:
        return "\n".join(read_documents(file))
    given = "both a text and a file" if file else "neither a text nor a file"
    raise UserError(f'There is {given}. Give a text to cut into tokens, as "The lamp", or --file PATH.')


def _show_one(tokenizer: Tokenizer, text: str, view: View) -> int:
    """The pieces and ids of a text that is short enough to look at, and the figures; how many tokens."""
    ids = tokenizer.encode(text)
    if len(text) <= LONGEST_SHOWN:
        pieces = [visible(piece) for piece in tokenizer.pieces(ids)]
        if view.console.color_system:
            parts = ((piece, COLOURS[place % len(COLOURS)]) for place, piece in enumerate(pieces))
            view.console.print(Text.assemble(*parts))
        else:
            view.say("|".join(pieces))  # without colours, a bar shows where a token ends
        view.say(" ".join(map(str, ids)))
    n_bytes = len(text.encode())
    each = f"{n_bytes / len(ids):.2f} bytes a token" if ids else "nothing is left of it"
    view.say(f"{len(ids):,} tokens for {n_bytes:,} bytes: {each}")
    return len(ids)


def _show_differences(
    names: tuple[str, str], tokenizers: tuple[Tokenizer, Tokenizer], text: str, view: View
) -> None:
    """The first places where two tokenizers cut a text differently, each pair of ways only once."""
    ids = [tokenizer.encode(text) for tokenizer in tokenizers]
    count, examples = 0, {}
    for start, *parts in differences(*(tokenizer.ends(text) for tokenizer in tokenizers)):
        count += 1
        if len(examples) < EXAMPLES:
            cut = [t.pieces(i[part]) for t, i, part in zip(tokenizers, ids, parts, strict=True)]
            one, other = (_in_one_line("|".join(pieces)) for pieces in cut)
            examples.setdefault((one, other), start)
    where = f" in the first {len(text):,} characters" if len(text) == LONGEST_COMPARED else ""
    if not count:
        view.say(f"Both cut the text at the same places{where}.")
        return
    view.say(f"Places where they cut differently{where}: {count:,}. The first ones, by number of character:")
    width = max(len(one) for one, _ in [names, *examples])
    view.say(f"{'':>9}  {names[0]:{width}}  {names[1]}")
    for (one, other), start in examples.items():
        view.say(f"{start + 1:>9,}  {one:{width}}  {other}")


def differences(ends: list[int], other_ends: list[int]) -> Iterator[tuple[int, slice, slice]]:
    """Where two ways to cut one text differ: between two places where both end, the tokens of each.

    Gives the place in characters where such a part begins, and the numbers of its tokens in either way.
    """
    start, mine, others = 0, 0, 0
    for end in sorted({*ends} & {*other_ends} | {max([0, *ends, *other_ends])}):
        my_end, other_end = bisect_right(ends, end), bisect_right(other_ends, end)
        if ends[mine:my_end] != other_ends[others:other_end]:
            yield start, slice(mine, my_end), slice(others, other_end)
        start, mine, others = end, my_end, other_end


def _in_one_line(text: str) -> str:
    """Spaces made visible, line ends and the like written as in a program: a table keeps its lines."""
    written = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(written).replace(" ", "␣")
