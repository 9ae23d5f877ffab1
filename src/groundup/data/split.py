"""Cut a corpus into training and validation documents, in the same way on every machine."""

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from groundup.data.corpus import corpus_files, read_documents, read_file
from groundup.errors import UserError
from groundup.registry import did_you_mean

WAYS = ("hash", "position", "files")
FEW = 200  # documents; below this a hash would miss the wanted share by far, so the text itself is cut
Documents = Callable[[], Iterator[str]]


@dataclass(frozen=True)
class Parts:
    """The two parts of a corpus; each call reads its documents anew. `by` is the way that was chosen."""

    by: str
    train: Documents
    validation: Documents


def split_corpus(path: Path | str, *, by: str | None = None, validation: float = 0.1) -> Parts:
    """Split a file or folder of documents. "files" keeps files whole; the other ways see documents only."""
    if by == "files":
        held_out = set(_validation_files(Path(path), validation))
        files = corpus_files(path)
        return Parts(
            "files",
            lambda: itertools.chain.from_iterable(read_file(f) for f in files if f not in held_out),
            lambda: itertools.chain.from_iterable(read_file(f) for f in files if f in held_out),
        )
    return split_documents(lambda: read_documents(path), by=by, validation=validation)


def split_documents(documents: Documents, *, by: str | None = None, validation: float = 0.1) -> Parts:
    """Split any documents that can be read again and again; `validation` is the wanted share of it.

    "hash" asks each document's own sha256, so equal documents are on the same side, and a document stays where it
    is when others are added. "position" takes the end of the text and cuts at a border of paragraphs or lines.
    By default "hash", but "position" where there are fewer than 200 documents.
    """
    if not 0 < validation < 1:
        raise UserError(f"A validation share of {validation} is given; expected a number between 0 and 1, as 0.1.")
    if by is None:
        by = "position" if sum(1 for _ in itertools.islice(documents(), FEW)) < FEW else "hash"
    if by == "hash":
        return Parts(
            by,
            lambda: (text for text in documents() if not in_validation(text, validation)),
            lambda: (text for text in documents() if in_validation(text, validation)),
        )
    if by == "position":
        which, where = _place(documents, 1 - validation)
        return Parts(by, lambda: _before(documents(), which, where), lambda: _after(documents(), which, where))
    if by == "files":
        raise UserError('split by "files" needs a folder of files as the source. Choose "hash" or "position".')
    raise UserError(f"There is no split by {by!r}.{did_you_mean(by, WAYS)} Known: {', '.join(WAYS)}.")


def in_validation(text: str, share: float) -> bool:
    """Whether a document belongs to the validation part: its sha256, read as a number from 0 to 1, is below."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def cut_near(text: str, position: int) -> int:
    """A border near `position`: after an empty line, else after a line, else after a space, else the end.

    A paragraph may be 2,000 characters away, a line 1,000; a word is never cut.
    """
    for border, reach in ((r"\n\s*\n", 2000), (r"\n", 1000), (r"\s", len(text))):
        first, last = max(0, position - reach), min(len(text), position + reach)
        ends = (found.end() for found in re.compile(border).finditer(text, first, last))
        inside = [end for end in ends if 0 < end < len(text)]
        if inside:
            return min(inside, key=lambda end: (abs(end - position), end))
    return len(text)


def _place(documents: Documents, share: float) -> tuple[int, int]:
    """Where `share` of the characters are read: the number of that document, and the place in it to cut."""
    lengths = [len(text) for text in documents()]
    left = round(sum(lengths) * share)
    for which, length in enumerate(lengths):
        if left < length:
            text = next(itertools.islice(documents(), which, None))
            return which, cut_near(text, left)
        left -= length
    return len(lengths), 0


def _before(documents: Iterator[str], which: int, where: int) -> Iterator[str]:
    for number, text in enumerate(documents):
        if number > which:
            return
        part = text if number < which else text[:where]
        if part.strip():
            yield part


def _after(documents: Iterator[str], which: int, where: int) -> Iterator[str]:
    for number, text in enumerate(documents):
        part = "" if number < which else text[where:] if number == which else text
        if part.strip():
            yield part


def _validation_files(path: Path, share: float) -> list[Path]:
    """The files named val, valid, validation or dev; where there is none, a share of them chosen by their names."""
    files = corpus_files(path)
    if len(files) < 2:
        raise UserError(f'split by "files" needs two files or more; {path} has {len(files)}. Choose "position".')
    named = [f for f in files if {"val", "valid", "validation", "dev"} & set(re.split(r"[^a-z]+", f.name.lower()))]
    if named and len(named) < len(files):
        return named
    by_hash = sorted(files, key=lambda f: hashlib.sha256(f.relative_to(path).as_posix().encode()).digest())
    return by_hash[: min(len(files) - 1, max(1, round(share * len(files))))]
