"""The records of one file: plain text, JSON lines or Parquet, also compressed, from any record on.

Nothing here holds a whole large file in memory. A text file is one document; one above 16 MB is cut at empty
lines into parts of about 8 MB, so that a file of any size can be read, and be continued in the middle.
"""

import gzip
import io
import json
import os
import re
import shlex
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from groundup.data.decoding import decode_text, refuse_wide
from groundup.data.piece import Record
from groundup.errors import UserError, did_you_mean

KINDS = (".txt", ".jsonl", ".parquet")
COMPRESSIONS = (".gz", ".zst")
WHOLE, PART = 16 << 20, 8 << 20
"""Bytes of a text file that is one document, and of the parts that a larger one is cut into."""

LONGEST_LINE = 256 << 20
"""Bytes of one JSON line; a longer one is no record but a whole file without line ends."""

ARRAY = re.compile(rb"\s*\[\s*($|[\[\]{\"])")
"""How a file begins that is one JSON array."""

BOMB_RATIO, BOMB_BYTES = 300, 100 << 20
"""Text shrinks 3 to 20 times when it is packed. What grows beyond both of these is made to fill a memory."""


def records(file: Path, start: int = 0, *, field: str = "text") -> Iterator[Record]:
    """The records of a file from that number on. UserError for a damaged, forbidden or foreign file."""
    kind = kind_of(file)
    read = {".jsonl": _json_records, ".parquet": _parquet_records}.get(kind, _text_records)
    with readable(file):
        size, unpacked = os.path.getsize(file), 0
        for record in read(file, start, field):
            unpacked += len(record.text or "")
            refuse_bomb(file, unpacked, size)
            yield record


def kind_of(file: Path) -> str:
    """What is in the file, by its name without .gz or .zst: ".txt", ".jsonl" ..."""
    name = file.with_suffix("") if file.suffix.lower() in COMPRESSIONS else file
    return name.suffix.lower()


def refuse_bomb(file: Path | str, unpacked: int, packed: int) -> None:
    """UserError if so many bytes came out of so few that somebody means harm, or the file is no text."""
    if unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed:
        raise UserError(
            f"{file} unpacks to more than {BOMB_RATIO} times its {packed:,} bytes: no text does. If it is "
            f"what you want, unpack it yourself and give the unpacked file."
        )


def _text_records(file: Path, start: int, field: str) -> Iterator[Record]:
    with opened(file) as (stream, share):
        data = stream.read(WHOLE + 1)
        if len(data) <= WHOLE:
            if not start:
                yield Record(decode_text(data, str(file)), share=1.0)
            return
        number = offset = 0
        while data:
            cut = cut_place(data)
            if number >= start:
                name = str(file) if not offset else f"{file}, from byte {offset:,},"
                yield Record(decode_text(data[:cut], name), share=share())
            number, offset = number + 1, offset + cut
            data = data[cut:]
            if len(data) < PART:
                data += stream.read(PART)


def cut_place(data: bytes) -> int:
    """Where to cut bytes of UTF-8: after an empty line near PART, else a line, a word or a character."""
    if len(data) <= PART:
        return len(data)
    for border in (b"\n\n", b"\n\r\n", b"\n", b" "):
        found = data.rfind(border, PART // 2, PART)
        if found >= 0:
            return found + len(border)
    # In UTF-8, the bytes of a character after its first are 10xxxxxx.
    return next((cut for cut in range(PART, PART - 4, -1) if data[cut] & 0xC0 != 0x80), PART)


def _json_records(file: Path, start: int, field: str) -> Iterator[Record]:
    has_text, number = start > 0, 0  # of records; the line's number is told in messages
    with opened(file) as (stream, share):
        line_number = 0
        while line := stream.readline(LONGEST_LINE):
            line_number += 1
            if line_number == 1:
                refuse_wide(line, str(file))
                line = line.removeprefix(b"\xef\xbb\xbf")
            if number == 0 and ARRAY.match(line):
                raise UserError(
                    f"{file} is one JSON array, not JSON lines, which have one record on each line. To make "
                    f"them of it: jq -c '.[]' {shlex.quote(str(file))} > records.jsonl"
                )
            if len(line) == LONGEST_LINE:
                raise UserError(
                    f"Line {line_number} of {file} is longer than {LONGEST_LINE >> 20} MB, so these are no "
                    f"JSON lines. Write one record on each line."
                )
            if line.isspace():
                continue  # an empty line between records, or at the end, is no record
            number += 1
            if number <= start:
                continue
            text, problem, fields = _parse(line, field)
            if fields is not None and not has_text:
                raise UserError(no_such_field(file, field, fields))
            has_text = has_text or text is not None
            yield Record(text, f"line {line_number}: {problem}" if problem else "", share())


def _parse(line: bytes, field: str) -> tuple[str | None, str, Any]:
    """The text of one JSON record, or why it has none, and its fields where the wanted one is missing."""
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return None, "it is not UTF-8", None
    except (ValueError, RecursionError):
        return None, "it is no JSON", None
    text = record.get(field) if isinstance(record, dict) else None
    if not isinstance(text, str):
        fields = list(record) if isinstance(record, dict) and field not in record else None
        return None, f'it has no text in a field "{field}"', fields
    try:
        text.encode("utf-8")  # fails on half a surrogate pair, which JSON can write and UTF-8 cannot
    except UnicodeEncodeError:
        return None, "it holds half a character (a lone surrogate)", None
    return text, "", None


def _parquet_records(file: Path, start: int, field: str) -> Iterator[Record]:
    import pyarrow as arrow  # heavy, and most corpora are plain text
    import pyarrow.parquet as parquet

    try:
        schema = parquet.read_schema(file)
        if field not in schema.names:
            raise UserError(no_such_field(file, field, schema.names))
        if schema.names.count(field) > 1:
            raise UserError(f'{file} has two columns of the name "{field}". Rename one of them.')
        # A text that is repeated in millions of rows stays one text in memory.
        is_text = schema.field(field).type in (arrow.string(), arrow.large_string())
        with parquet.ParquetFile(file, read_dictionary=[field] if is_text else None) as table:
            yield from _rows(table, start, field)
    except (arrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # not the file's contents, but the way to it
        why = str(error).splitlines()[0]
        raise UserError(f"{file} is no proper Parquet file: {why}. Download or write it again.") from error


def _rows(table: Any, start: int, field: str) -> Iterator[Record]:
    """The rows of one column; whole groups of rows before `start` are not even read."""
    row = 0
    for group in range(table.num_row_groups):
        n_rows = table.metadata.row_group(group).num_rows
        if row + n_rows <= start:
            row += n_rows
            continue
        for batch in table.iter_batches(batch_size=256, row_groups=[group], columns=[field]):
            for value in batch.column(0):
                row += 1
                if row > start:
                    text, problem = _text_of(value, field)
                    problem = f"row {row}: {problem}" if problem else ""
                    yield Record(text, problem, row / table.metadata.num_rows)


def _text_of(value: Any, field: str) -> tuple[str | None, str]:
    """The text of one cell, or why it has none."""
    try:
        text = value.as_py()
    except UnicodeDecodeError:  # some programs write any bytes into a column of texts
        return None, "it is not UTF-8"
    return (text, "") if isinstance(text, str) else (None, f'its field "{field}" is no text')


def no_such_field(file: Path | str, field: str, fields: Any) -> str:
    """The words for a column that is missing."""
    names = [str(name) for name in fields]
    listed = ", ".join(names[:20]) + (" …" if len(names) > 20 else "") or "none"
    return (
        f'{file} has no field "{field}". Its fields are: {listed}.{did_you_mean(field, names)} '
        f"Name the one that holds the text: data.column=NAME in a recipe, or --column NAME."
    )


@contextmanager
def opened(file: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """The bytes of a file, unpacked, and a function that tells the share of the file that was read."""
    size = max(1, os.path.getsize(file))
    with open(file, "rb") as raw:

        def share() -> float:
            return min(1.0, raw.tell() / size)

        if file.suffix.lower() == ".gz":
            with gzip.open(raw, "rb") as stream:
                yield _buffered(stream, file, size), share
        elif file.suffix.lower() == ".zst":
            import pyarrow as arrow

            with arrow.input_stream(raw, compression="zstd") as stream:
                yield _buffered(stream, file, size), share
        else:
            yield raw, share


def _buffered(stream: Any, file: Path, size: int) -> BinaryIO:
    return io.BufferedReader(_Counted(stream, file, size), 1 << 20)


class _Counted(io.RawIOBase):
    """What is unpacked, counted on its way, so that a bomb is refused before it fills the memory."""

    def __init__(self, stream: Any, file: Path, size: int):
        self.stream, self.file, self.size, self.unpacked = stream, file, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(min(len(buffer), 1 << 20))
        self.unpacked += len(data)
        refuse_bomb(self.file, self.unpacked, self.size)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turns a damaged, forbidden or vanished file into one line."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{file} is damaged or no gzip file: {error}. Download or pack it again.") from error
    except PermissionError as error:
        raise UserError(f"{file} may not be read: permission denied. Change its permissions.") from error
    except OSError as error:
        raise UserError(f"{file} could not be read: {error}. Download or copy it again.") from error
