"""Vocabularies for a run: learn one from its texts, or find one by name."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from groundup.system.progress import View
from groundup.text.bpe import train_bpe
from groundup.text.known import gpt2_tokenizer
from groundup.text.patterns import split_pattern
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import model_folder
from groundup.weights.places import is_elsewhere

TOKENIZER_BYTES, ENDLESS_TOKENIZER_BYTES = 30_000_000, 3_000_000
"""Text that a tokenizer learns from; more changes hardly a merge. An endless source is more uniform."""


def learn_tokenizer(
    documents: Iterable[str], vocab_size: int, view: View, *, endless: bool, pattern: str = "gpt2"
) -> Tokenizer:
    """A vocabulary from as much of the documents as it takes; fewer tokens than asked for are told.

    pattern: how texts are cut into pieces first, "gpt2" or "gpt4".
    """
    split_pattern(pattern)  # an unknown one is told before the work
    texts = first_bytes(documents, ENDLESS_TOKENIZER_BYTES if endless else TOKENIZER_BYTES)
    with view.phase(f"Learning a vocabulary of {vocab_size:,} tokens") as progress:
        tokenizer = train_bpe(texts, vocab_size, pattern=pattern, progress=progress)
    if tokenizer.vocab_size < vocab_size:
        view.say(f"The text yields {tokenizer.vocab_size:,} tokens: each of its words has become one.")
    return tokenizer


def open_tokenizer(where: Path | str, view: View) -> Tokenizer:
    """The tokenizer of a folder, of a model or of a run; or by name "bytes" (no merges) or "gpt2".

    GPT-2's is downloaded when it is first asked for. UserError if there is none.
    """
    if where == "bytes":
        return Tokenizer.from_bytes()
    if where == "gpt2" and not Path("gpt2").exists():
        with view.phase_once("Downloading GPT-2's vocabulary") as progress:
            return gpt2_tokenizer(progress)
    folder = Path(where).expanduser()
    if (folder / "tokenizer.json").is_file() or (folder / "vocab.json").is_file():
        return Tokenizer.from_folder(folder)
    return Tokenizer.from_folder(model_folder(where if is_elsewhere(where) else folder))


def first_bytes(texts: Iterable[str], limit: int) -> Iterator[str]:
    """The first documents, until they hold about `limit` bytes."""
    for text in texts:
        yield text
        limit -= len(text.encode())
        if limit <= 0:
            return
