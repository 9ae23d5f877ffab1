"""Tiny Shakespeare: a megabyte of his plays in one file, the first corpus of many small language models."""

from groundup.data.dataset import Dataset
from groundup.data.formats import records
from groundup.data.piece import Piece
from groundup.datasets._remote import read_sample, web_piece

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
SIZE = 1_115_394

SAMPLE = """\
First Miller:
The wheel stands still; what keeps the river back?

Second Miller:
No drought, good sir, but that you locked the gate.

First Miller:
Then am I miller, gaoler, and a fool.
"""


def pieces(split: str, seed: int) -> list[Piece]:
    """The one file, which is one document; a run cuts its validation part off the end."""
    return [web_piece(URL, "tinyshakespeare.txt", records, sha256=SHA256, size=SIZE)]


def sample_file() -> bytes:
    """A few lines of our own in the form of the real file."""
    return SAMPLE.encode()


DATASET = Dataset(
    name="shakespeare",
    about="Tiny Shakespeare: 1.1 MB from his plays, speaker by speaker, as one document.",
    licence="public domain",
    source="https://github.com/karpathy/char-rnn (data/tinyshakespeare)",
    pieces=pieces,
    splits=("train",),
    sample=lambda: read_sample("input.txt", sample_file(), records),
    prompts=("ROMEO:", "First Citizen:"),
)
