"""What datasets of examples share: files that are made here once, and how their examples look in words."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from groundup.data.conversations import read_conversations
from groundup.data.formats import opened, readable
from groundup.data.piece import Piece, Progress, Record
from groundup.datasets._remote import Reader
from groundup.system.files import cache_folder, whole_file
from groundup.system.lock import in_turn

MAKING = "making 1"
"""Part of the identity of every file that is made here. Goes up when the same source gives another file."""

Convert = Callable[[Path, Path], None]
"""Writes the file of examples that a file of the source holds: (source, place)."""


def made_piece(
    name: str,
    file_name: str,
    identity: Callable[[], str],
    make: Callable[[Path, Progress | None], None],
    read: Reader,
) -> Piece:
    """A file of examples that is made on this machine once, and is there whole or not at all.

    identity: what the file follows from. make(place, progress) writes it. It is kept in the cache by what it
    follows from, so a changed source never finds an old file.
    """

    def known() -> str:
        return f"{identity()} {file_name} {MAKING}"

    def fetch(progress: Progress | None) -> Path:
        key = hashlib.sha256(known().encode()).hexdigest()
        path = cache_folder() / "examples" / key[:16] / file_name
        if not path.is_file():
            with in_turn(path.with_name(".lock")):
                if not path.is_file():  # another process may have made it while we waited
                    with whole_file(path) as part:
                        make(part, progress)
        return path

    return Piece(name, lambda start: read(fetch(None), start), identity=known, fetch=fetch)


def converted_piece(source: Piece, file_name: str, convert: Convert, read: Reader) -> Piece:
    """A file of examples that is taken out of the source's own, or put into a simpler form."""

    def make(place: Path, progress: Progress | None) -> None:
        assert source.fetch is not None, "only what lies elsewhere is converted"
        convert(source.fetch(progress), place)

    return made_piece(source.name, file_name, source.identity, make, read)


def converting(file_name: str, convert: Convert, read: Reader) -> Reader:
    """A reader of the source's own file, for the sample: what it gives is what the converted file holds."""

    def records(file: Path, start: int) -> Iterator[Record]:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / file_name
            convert(file, place)
            yield from read(place, start)

    return records


def write_lines(place: Path, records: Iterable[dict[str, Any]]) -> None:
    """JSON lines, one for each record."""
    with open(place, "w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def conversations(file: Path, start: int) -> Iterator[Record]:
    """The conversations of a file, in words."""
    found = read_conversations(file).found
    for number, messages in enumerate(found[start:], start + 1):
        words = "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
        yield Record(words, share=number / len(found))


def _in_words(file: Path, start: int, words: Callable[[str], str]) -> Iterator[Record]:
    """One record for each line from that number on; a line that `words` cannot take is a problem."""
    with readable(file), opened(file) as (stream, share):
        for number, line in enumerate(stream, 1):
            if number <= start:
                continue
            try:
                text, problem = words(line.decode("utf-8").rstrip("\r\n")), ""
            except (ValueError, KeyError, TypeError):
                text, problem = None, f"line {number}: it is no such example"
            yield Record(text, problem, share())


def _labelled(line: str) -> str:
    record = json.loads(line)
    return f"[{record['label']}] {record['text']}"


def _tabbed(line: str) -> str:
    label, text = line.split("\t", 1)
    return f"[{label}] {text}"


def _preferred(line: str) -> str:
    record = json.loads(line)
    return "\n\n".join(f"{field}: {record[field].strip()}" for field in ("prompt", "chosen", "rejected"))


labels: Reader = partial(_in_words, words=_labelled)
"""Texts with their labels out of JSON lines, in words."""

tabbed_labels: Reader = partial(_in_words, words=_tabbed)
"""Texts with their labels out of lines "label<TAB>text", in words."""

preferences: Reader = partial(_in_words, words=_preferred)
"""Pairs of answers out of JSON lines, in words."""
