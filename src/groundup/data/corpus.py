"""Read the documents of a file or a folder: plain text, JSON lines or Parquet, also compressed.

One `.txt` file is one document; each line of a `.jsonl` file and each row of a `.parquet` file is one, in its
field "text". `.gz` and `.zst` may follow the name. Files of a folder are read in the order of their names.
"""

import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from groundup.data.decoding import decode_text, refuse_wide
from groundup.errors import UserError, did_you_mean
from groundup.system.files import sha256

KINDS = (".txt", ".jsonl", ".parquet")
COMPRESSIONS = (".gz", ".zst")
NOT_PLAIN = ".json .csv .tsv .pdf .epub .mobi .docx .doc .odt .rtf .html .zip .tar .bz2 .xz .7z".split()
ACCEPTED = ".txt, .jsonl or .parquet, also with .gz or .zst"
ALLOWED_SHARE = 0.01  # of a file's records may be no text; more is taken for a wrong file


@dataclass
class Report:
    """What was met while reading a corpus."""

    documents: int = 0  # given
    bytes: int = 0  # of their texts, in UTF-8
    empty: int = 0  # records and files without any text, left out
    unreadable: int = 0  # records that are no text at all, left out
    first_problem: str = ""  # where the first unreadable record is and why


def read_documents(path: Path | str, report: Report | None = None) -> Iterator[str]:
    """The documents of a file or folder, one after the other. What is skipped is counted in `report`.

    UserError for a path that is missing or not readable as text, and at the end if there was no text at all.
    """
    return _read_all(Path(path), corpus_files(path), report or Report())


def _read_all(path: Path, files: list[Path], report: Report) -> Iterator[str]:
    for file in files:
        yield from read_file(file, report)
    if not report.documents:
        raise UserError(f"{path} is empty: there is no text in it. Give a file or folder with text.")


def corpus_files(path: Path | str) -> list[Path]:
    """The files that hold the documents, in the order of their names. UserError if there is none."""
    path = Path(path)
    if os.path.isfile(path):  # unlike Path.is_file, it also answers for a name that no file can have
        if _kind(path) in NOT_PLAIN:
            raise UserError(f"{path} is no plain text. Expected {ACCEPTED}: export or convert it first.")
        return [path]
    if not os.path.isdir(path):
        near = [entry.name for entry in path.parent.iterdir()] if os.path.isdir(path.parent) else []
        hint = did_you_mean(path.name, near)
        raise UserError(f"There is no file or folder {path}.{hint} Give the path of a text.")
    visible = [f for f in path.rglob("*") if f.is_file() and not _is_hidden(f.relative_to(path))]
    files = [file for file in visible if _kind(file) in KINDS]
    if not files:
        others = sorted({file.suffix or file.name for file in visible})[:8]
        there = f"only {', '.join(others)}" if others else "nothing"
        raise UserError(
            f"The folder {path} holds {there}; expected {ACCEPTED}. Give another folder, or one file."
        )
    return sorted(files, key=lambda file: file.relative_to(path).as_posix())


def read_file(file: Path, report: Report | None = None) -> Iterator[str]:
    """The documents of one file. UserError if it is damaged, or more than 1 % of its records are no text."""
    report = report or Report()
    kind = _kind(file)
    with _readable(file):
        if kind in (".jsonl", ".parquet"):
            records = _json_records(file) if kind == ".jsonl" else _parquet_records(file)
            yield from _texts(file, records, report)
            return
        with _open(file) as stream:
            text = decode_text(stream.read(), str(file))
    if _counts(text, report):
        yield text


def examine(path: Path | str) -> Report:
    """Read a whole corpus once and say what is in it. UserError as `read_documents` gives it."""
    report = Report()
    for _ in read_documents(path, report):
        pass
    return report


def corpus_bytes(path: Path | str) -> int:
    """UTF-8 bytes of all documents' texts (it reads them all)."""
    return examine(path).bytes


def corpus_fingerprint(path: Path | str) -> str:
    """sha256 over the names and contents of the corpus's files, by which changed data are noticed."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in corpus_files(path):
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        digest.update(f"{sha256(file)} {name}\n".encode())
    return digest.hexdigest()


Record = tuple[str, str | None, str]  # where it is, its text or None, and why it has none


def _texts(file: Path, records: Iterator[Record], report: Report) -> Iterator[str]:
    """The texts of records; those that are none are counted, and are an error above 1 %."""
    total = unreadable = 0
    first_problem = ""
    for where, text, problem in records:
        total += 1
        if text is None:
            unreadable += 1
            first_problem = first_problem or f"{where}: {problem}"
            report.first_problem = report.first_problem or f"{file}, {where}: {problem}"
            report.unreadable += 1
        elif _counts(text, report):
            yield text
    if unreadable > ALLOWED_SHARE * total:
        raise UserError(
            f"{unreadable} of {total} records in {file} are no text: {unreadable / total:.0%}, but at most "
            f"1 % may be. The first is {first_problem}. Mend or remove them."
        )


def _counts(text: str, report: Report) -> bool:
    """Whether a text is a document, and note it: white space alone is none."""
    if not text.strip():
        report.empty += 1
        return False
    report.documents += 1
    report.bytes += len(text.encode("utf-8"))
    return True


def _json_records(file: Path) -> Iterator[Record]:
    has_text = False
    with _open(file) as stream:
        for number, line in enumerate(stream, 1):
            if number == 1:
                refuse_wide(line, str(file))
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue  # an empty line between records, or at the end, is no record
            where = f"line {number}"
            try:
                record = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError:
                yield where, None, "it is not UTF-8"
                continue
            except ValueError:
                yield where, None, "it is no JSON"
                continue
            if isinstance(record, dict) and "text" not in record and not has_text:
                raise UserError(_no_text_field(file, record))
            text, problem = _text_of(record)
            has_text = has_text or text is not None
            yield where, text, problem


def _text_of(record: Any) -> tuple[str | None, str]:
    """The text of one JSON record, or why it has none."""
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        return None, 'it has no text in a field "text"'
    try:
        text.encode("utf-8")  # fails on half a surrogate pair, which JSON can write and UTF-8 cannot
    except UnicodeEncodeError:
        return None, "it holds half a character (a lone surrogate)"
    return text, ""


def _parquet_records(file: Path) -> Iterator[Record]:
    import pyarrow as arrow  # heavy, and most corpora are plain text
    import pyarrow.parquet as parquet

    try:
        table = parquet.ParquetFile(file)
        if "text" not in table.schema_arrow.names:
            raise UserError(_no_text_field(file, table.schema_arrow.names))
        row = 0
        for batch in table.iter_batches(batch_size=1024, columns=["text"]):
            for value in batch.column(0).to_pylist():
                row += 1
                text = value if isinstance(value, str) else None
                yield f"row {row}", text, 'its field "text" is no text'
    except arrow.ArrowException as error:
        raise UserError(f"{file} is no proper Parquet file: {error}. Download or write it again.") from error


def _no_text_field(file: Path, fields: Any) -> str:
    names = ", ".join(map(str, fields)) or "none"
    return f'{file} has no field "text". Its fields are: {names}. Rename the one that holds the text.'


def _kind(file: Path) -> str:
    """What is in the file, by its name without .gz or .zst: ".txt", ".jsonl" ..."""
    name = file.with_suffix("") if file.suffix.lower() in COMPRESSIONS else file
    return name.suffix.lower()


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


@contextmanager
def _open(file: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed."""
    if file.suffix.lower() == ".gz":
        with gzip.open(file, "rb") as stream:
            yield io.BufferedReader(stream, 1 << 20)  # type: ignore[arg-type]
    elif file.suffix.lower() == ".zst":
        import pyarrow as arrow

        with arrow.input_stream(str(file), compression="zstd") as stream:
            yield io.BufferedReader(stream, 1 << 20)  # type: ignore[arg-type]
    else:
        with open(file, "rb") as stream:
            yield stream


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turns a damaged or forbidden file into one line."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{file} is damaged or no gzip file: {error}. Download or pack it again.") from error
    except PermissionError as error:
        raise UserError(f"{file} may not be read: permission denied. Change its permissions.") from error
    except OSError as error:
        raise UserError(f"{file} could not be read: {error}. Download or copy it again.") from error
