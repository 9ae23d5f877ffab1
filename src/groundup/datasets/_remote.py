"""What datasets from elsewhere share: from files to fetch and a reader of records to pieces of a corpus."""

import fnmatch
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from groundup.data.piece import Piece, Progress, Record, read_pieces
from groundup.errors import UserError
from groundup.system import hub
from groundup.system.download import download, downloads_folder
from groundup.system.files import sha256 as sha256_of

Reader = Callable[[Path, int], Iterator[Record]]
"""Gives the records of a file from that number on."""

READING = "reading 2"
"""Part of every piece's identity. Goes up when a reader gives other records for the same bytes."""


@dataclass(frozen=True)
class HubFiles:
    """Files of a dataset on the Hugging Face hub at one commit: those of one folder that fit a pattern."""

    repository: str
    commit: str
    folder: str  # "" for the top one
    pattern: str  # of names in the folder: "train-*.parquet"

    def files(self) -> list[hub.HubFile]:
        """The files in the order of their names. The first time, the hub is asked for the list."""
        found = [
            file
            for file in hub.list_files(self.repository, self.commit, self.folder)
            if fnmatch.fnmatchcase(file.path.removeprefix(f"{self.folder}/"), self.pattern)
        ]
        if not found:
            raise UserError(
                f"{self.repository} on the Hugging Face hub has no file {self.folder}/{self.pattern} at "
                f"{self.commit}. Say so in an issue."
            )
        return found


def hub_pieces(files: HubFiles, read: Reader) -> list[Piece]:
    """One piece for each file, so that who needs only the first tokens fetches only the first files."""
    return [
        Piece(
            name=f"{file.repository}/{file.path}",
            # The reader is given the place in the cache; a piece that is read without `fetch` fetches itself.
            records=lambda start, file=file: read(hub.fetch(file), start),
            size=file.size,
            identity=lambda file=file: f"{file.sha256} {READING}",
            fetch=partial(hub.fetch, file),
        )
        for file in files.files()
    ]


def joined_piece(files: HubFiles, read: Callable[[list[Path], int], Iterator[Record]]) -> Piece:
    """All files as one piece, for records that run over from one file into the next."""
    parts = files.files()
    total = sum(file.size for file in parts)

    def fetch(progress: Progress | None) -> Path:
        before = 0
        for file in parts:
            hub.fetch(file, progress and partial(_shifted, progress, before, total))
            before += file.size
        return hub.fetch(parts[0]).parent

    return Piece(
        name=f"{files.repository}/{files.folder}/{files.pattern}",
        records=lambda start: read([hub.fetch(file) for file in parts], start),
        size=total,
        identity=lambda: " ".join([*(file.sha256 for file in parts), READING]),
        fetch=fetch,
    )


def _shifted(progress: Progress, before: int, total: int, done: int, _size: int) -> None:
    progress(before + done, total)


def web_piece(
    url: str, place: str, read: Reader, *, sha256: str = "", size: int = 0, pause: float = 0.0
) -> Piece:
    """A file from an address of its own, kept as `place` in the cache's folder of downloads.

    Where no sha256 is known beforehand, the identity is that of the file that came (and fetches it, if need
    be). `pause`: seconds to wait before a download, for servers that ask programs to be slow.
    """

    def fetch(progress: Progress | None) -> Path:
        path = downloads_folder() / place
        if pause and not path.exists():
            time.sleep(pause)
        return download(url, path, sha256=sha256, size=size, progress=progress)

    return Piece(
        name=url,
        records=lambda start: read(fetch(None), start),
        size=size,
        identity=lambda: f"{sha256 or sha256_of(fetch(None))} {READING}",
        fetch=fetch,
    )


def read_sample(name: str, content: bytes, read: Reader) -> list[str]:
    """The documents of a small file in the source's own form, by the reader of the real ones."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        return list(read_pieces([Piece(name, partial(read, file))]))


def parquet_file(rows: list[str]) -> bytes:
    """A Parquet file with one column "text"."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    buffer = arrow.BufferOutputStream()
    parquet.write_table(arrow.table({"text": rows}), buffer)
    return buffer.getvalue().to_pybytes()
