"""Read the documents of a file or a folder: plain text, JSON lines or Parquet, also compressed.

One `.txt` file is one document; each line of a `.jsonl` file and each row of a `.parquet` file is one, in its
field "text". `.gz` and `.zst` may follow the name. Files of a folder are read in the order of their names.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from groundup.data.formats import KINDS, kind_of, readable, records
from groundup.data.piece import Piece, Report, read_pieces
from groundup.errors import UserError, did_you_mean
from groundup.system.files import known_sha256

NOT_PLAIN = ".json .csv .tsv .pdf .epub .mobi .docx .doc .odt .rtf .html .zip .tar .bz2 .xz .7z".split()
ACCEPTED = ".txt, .jsonl or .parquet, also with .gz or .zst"


def corpus_pieces(path: Path | str, *, field: str = "text") -> list[Piece]:
    """One piece for each file of a corpus. UserError if the path is missing or holds no text."""
    return [
        Piece(
            name=str(file),
            records=partial(records, file, field=field),
            size=os.path.getsize(file),
            identity=partial(known_sha256, file),
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
    if os.path.exists(path) and not os.path.isdir(path):
        raise UserError(f"{path} is a device or a pipe, no file. Save the text to a file, and give that.")
    if not os.path.isdir(path):
        near = [entry.name for entry in path.parent.iterdir()] if os.path.isdir(path.parent) else []
        hint = did_you_mean(path.name, near)
        raise UserError(f"There is no file or folder {path}.{hint} Give the path of a text.")
    visible = _visible_files(path)
    files = [file for file in visible if kind_of(file) in KINDS]
    if not files:
        others = sorted({file.suffix or file.name for file in visible})[:8]
        there = f"only {', '.join(others)}" if others else "nothing"
        raise UserError(
            f"The folder {path} holds {there}; expected {ACCEPTED}. Give another folder, or one file."
        )
    return sorted(files, key=lambda file: file.relative_to(path).as_posix())


def corpus_fingerprint(path: Path | str) -> str:
    """sha256 over the names and contents of the corpus's files, by which changed data are noticed."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in corpus_files(path):
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        with readable(file):
            digest.update(f"{known_sha256(file)} {name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _visible_files(folder: Path) -> list[Path]:
    """All files below a folder but hidden ones, also behind links to other folders; each folder once."""
    files, seen = [], set()

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename} could not be read: {error.strerror}. Mend or remove it.")

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        # A link to a folder above would lead around in a circle.
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        own = [] if real in seen else [Path(place, name) for name in names if not name.startswith(".")]
        seen.add(real)
        files += [file for file in own if os.path.isfile(file)]
    return files
