"""A corpus in pieces (files, mostly), each read record by record from any place: so work can be continued."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from groundup.errors import UserError

ALLOWED_SHARE = 0.01
"""Of a piece's records may be no text; more is taken for a wrong file."""

Progress = Callable[[int, int], None]  # (done, total); a total of 0 is one that nobody knows


class Record(NamedTuple):
    """One record of a piece: its text, or why it has none."""

    text: str | None
    problem: str = ""  # where it is and why it is no text: "line 7: it is no JSON"
    share: float = 0.0  # of the piece that has been read with this record, 0 to 1, to foretell the time left


@dataclass(frozen=True)
class Piece:
    """A part of a corpus that is read from its start to its end: a file, or what a program makes."""

    name: str  # for messages: the path or address
    records: Callable[[int], Iterator[Record]]  # from the record of that number on; skipping is cheap
    size: int = 0  # bytes on the disk or to download; 0 where nobody knows
    identity: Callable[[], str] = lambda: ""  # changes when the records could change: a sha256, a revision
    fetch: Callable[[Progress | None], Path] | None = None  # gets it into the cache first; None: it is here


@dataclass
class Report:
    """What was met while reading a corpus."""

    documents: int = 0  # given
    bytes: int = 0  # of their texts, in UTF-8
    empty: int = 0  # records and files without any text, left out
    unreadable: int = 0  # records that are no text at all, left out
    first_problem: str = ""  # where the first unreadable record is and why


def read_pieces(pieces: list[Piece], report: Report | None = None) -> Iterator[str]:
    """The texts of all pieces, one after the other; what is not here yet is fetched. Skips are counted.

    UserError for a file that cannot be read as text, and at the end if there was no text at all.
    """
    report, before = Report() if report is None else report, 0 if report is None else report.documents
    for piece in pieces:
        for record, _, _ in read_piece(piece, report):
            text = note(record, piece, report)
            if text is not None:
                yield text
    if report.documents == before:
        files = pieces[0].name + (f" (and {len(pieces) - 1} more)" if len(pieces) > 1 else "")
        raise UserError(f"{files} is empty: there is no text in it. Give a file or folder with text.")


def read_piece(
    piece: Piece, report: Report, number: int = 0, unreadable: int = 0
) -> Iterator[tuple[Record, int, int]]:
    """The records from a number on, each with the number after it and how many so far were no text.

    A piece that is not here yet is fetched. UserError at its end if more than 1 % of its records are no text.
    """
    if piece.fetch:
        piece.fetch(None)
    for record in piece.records(number):
        number += 1
        unreadable += record.text is None
        yield record, number, unreadable
    if unreadable > ALLOWED_SHARE * number:
        raise UserError(
            f"{unreadable} of {number} records in {piece.name} are no text: {unreadable / number:.0%}, but "
            f"at most 1 % may be. The first is {report.first_problem}. Mend or remove them."
        )


def note(record: Record, piece: Piece, report: Report) -> str | None:
    """The text of a record if it is a document, and count it: white space alone is none."""
    if record.text is None:
        report.unreadable += 1
        report.first_problem = report.first_problem or f"{piece.name}, {record.problem}"
        return None
    if not record.text.strip():
        report.empty += 1
        return None
    report.documents += 1
    report.bytes += len(record.text.encode("utf-8"))
    return record.text
