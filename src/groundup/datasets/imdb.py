"""IMDB: 25,000 reviews of films to learn and 25,000 to test, half of each positive; no film is in both."""

import gzip
import io
import re
import tarfile
from functools import partial
from pathlib import Path

from groundup.data.dataset import Dataset
from groundup.data.piece import Piece
from groundup.datasets._archives import tar_members
from groundup.datasets._examples import converted_piece, converting, labels, write_lines
from groundup.datasets._remote import read_sample, web_piece
from groundup.errors import UserError

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
SIZE = 84_125_825

NAMES = {"neg": "negative", "pos": "positive"}

SAMPLE = {
    "neg/0_2": "Two hours about a boat that never leaves.<br /><br />I left, though.",
    "pos/0_9": "I came for the dog and stayed for the story. Not one word too many.",
    "neg/2_1": "The music was louder than the plot. Avoid!",
    "pos/10_10": "Small, warm and clever: see it twice.",
}


def reviews(split: str, archive: Path, place: Path) -> None:
    """Write the reviews of one part as JSON lines with text, label and rating (1 to 10).

    They are in the order of their numbers, so positive and negative ones take turns. The texts are as
    published, with <br /> for line ends.
    """
    wanted = re.compile(rf"aclImdb/{split}/(neg|pos)/(\d+)_(\d+)\.txt")
    found = [
        (int(match[2]), NAMES[match[1]], int(match[3]), content.decode("utf-8"))
        for match, content in tar_members(archive, wanted)
    ]
    if not found:
        raise UserError(f"{archive} holds no reviews aclImdb/{split}/. Delete it, and fetch it again.")
    rows = ({"text": text, "label": label, "rating": rating} for _, label, rating, text in sorted(found))
    write_lines(place, rows)


def pieces(split: str, seed: int) -> list[Piece]:
    """The one archive, of which each part is taken by itself."""
    archive = web_piece(URL, "aclImdb_v1.tar.gz", labels, sha256=SHA256, size=SIZE)
    return [converted_piece(archive, f"{split}.jsonl", partial(reviews, split), labels)]


def sample_file() -> bytes:
    """A few reviews of our own in the form of the real archive, the same ones in both parts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        members = {
            f"aclImdb/{part}/{name}.txt": text
            for part in ("test", "train")
            for name, text in sorted(SAMPLE.items())
        }
        members |= {"aclImdb/README": "What it is.", "aclImdb/train/unsup/0_0.txt": "Nobody said how it was."}
        for name, text in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(text.encode())
            archive.addfile(about, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


DATASET = Dataset(
    name="imdb",
    about="50,000 reviews of films, positive or negative, half of them to test; 84 MB to fetch.",
    licence="none is given: for research, with the paper cited",
    source="https://ai.stanford.edu/~amaas/data/sentiment, Maas et al. 2011",
    pieces=pieces,
    splits=("train", "test"),
    sample=lambda: read_sample(
        "imdb.tar.gz", sample_file(), converting("train.jsonl", partial(reviews, "train"), labels)
    ),
    kind="labels",
)
