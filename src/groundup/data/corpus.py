"""Read the documents of a file or a folder: plain text, JSON lines or Parquet, also compressed.

One `.txt` file is one document; each line of a `.jsonl` file and each row of a `.parquet` file is one, in its
field "text". `.gz` and `.zst` may follow the name. Files of a folder are read in the order of their names.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from groundup.data.formats import KINDS, kind_of, records
from groundup.data.piece import Piece, Report, read_pieces
from groundup.errors import UserError, did_you_mean
from groundup.system.files import cache_folder, sha256, write_text

NOT_PLAIN = ".json .csv .tsv .pdf .epub .mobi .docx .doc .odt .rtf .html .zip .tar .bz2 .xz .7z".split()
ACCEPTED = ".txt, .jsonl or .parquet, also with .gz or .zst"
LARGE = 16 << 20
"""Bytes of a file whose sha256 is remembered: reading 100 GB again at each start would take minutes."""

FRESH_SECONDS = 5
"""A file changed so short a time ago may change again without its time of change showing it."""


def corpus_pieces(path: Path | str, *, field: str = "text") -> list[Piece]:
    """One piece for each file of a corpus. UserError if the path is missing or holds no text."""
    return [
        Piece(
            name=str(file),
            records=partial(records, file, field=field),
            size=os.path.getsize(file),
            identity=partial(file_identity, file),
        )
        for file in corpus_files(path)
    ]


def read_documents(path: Path | str, report: Report | None = None) -> Iterator[str]:
    """The documents of a file or folder, one after the other. What is skipped is counted in `report`.

    UserError for a path that is missing or not readable as text, and at the end if there was no text at all.
    """
    return read_pieces(corpus_pieces(path), report)


def corpus_files(path: Path | str) -> list[Path]:
    """The files that hold the documents, in the order of their names. UserError if there is none."""
    path = Path(path)
    if os.path.isfile(path):  # unlike Path.is_file, it also answers for a name that no file can have
        if kind_of(path) in NOT_PLAIN:
            raise UserError(f"{path} is no plain text. Expected {ACCEPTED}: export or convert it first.")
        return [path]
    if not os.path.isdir(path):
        near = [entry.name for entry in path.parent.iterdir()] if os.path.isdir(path.parent) else []
        hint = did_you_mean(path.name, near)
        raise UserError(f"There is no file or folder {path}.{hint} Give the path of a text.")
    visible = [f for f in path.rglob("*") if f.is_file() and not _is_hidden(f.relative_to(path))]
    files = [file for file in visible if kind_of(file) in KINDS]
    if not files:
        others = sorted({file.suffix or file.name for file in visible})[:8]
        there = f"only {', '.join(others)}" if others else "nothing"
        raise UserError(
            f"The folder {path} holds {there}; expected {ACCEPTED}. Give another folder, or one file."
        )
    return sorted(files, key=lambda file: file.relative_to(path).as_posix())


def examine(path: Path | str) -> Report:
    """Read a whole corpus once and say what is in it. UserError as `read_documents` gives it."""
    report = Report()
    for _ in read_documents(path, report):
        pass
    return report


def corpus_fingerprint(path: Path | str) -> str:
    """sha256 over the names and contents of the corpus's files, by which changed data are noticed."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in corpus_files(path):
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        digest.update(f"{file_identity(file)} {name}\n".encode())
    return digest.hexdigest()


def file_identity(file: Path) -> str:
    """The sha256 of a file. That of a large one is remembered for as long as its size and time stay."""
    about = os.stat(file)
    if about.st_size < LARGE:
        return sha256(file)
    seen = f"{file.resolve()} {about.st_size} {about.st_mtime_ns} {about.st_ino}"
    kept = cache_folder() / "sha256" / hashlib.sha256(seen.encode()).hexdigest()
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    found = sha256(file)
    if time.time() - about.st_mtime > FRESH_SECONDS:
        write_text(kept, found)
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
