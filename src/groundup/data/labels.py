"""Texts with a label each, out of the forms in which they are published: TSV, CSV, JSON, or folders."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from groundup.data.conversations import json_records
from groundup.data.decoding import decode_text
from groundup.data.formats import kind_of, opened, readable
from groundup.errors import UserError, did_you_mean

TEXT, LABEL = "text", "label"
UNLABELLED = "unsup"  # the folder of IMDB whose texts nobody has labelled


@dataclass(frozen=True)
class Labelled:
    """Texts and the label of each, in the order in which they were found."""

    texts: list[str]
    labels: list[str]  # of each text
    empty: int = 0  # records without a text, left out

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many texts each label has; the labels are sorted, those that are numbers by their value."""
        found = Counter(self.labels)
        return {name: found[name] for name in sorted(found, key=_by_value)}

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, sorted. A classifier gives the place of one of them."""
        return tuple(self.counts)

    def ids(self, names: Sequence[str]) -> list[int]:
        """The place of each text's label among the names. UserError for a label that is not among them."""
        place = {name: id for id, name in enumerate(names)}
        for name in self.names:
            if name not in place:
                raise UserError(
                    f"{self.counts[name]} texts have the label {name!r}, which is none of "
                    f"{', '.join(names)}.{did_you_mean(name, names)} Give examples of it to learn from, or "
                    f"take it out."
                )
        return [place[name] for name in self.labels]

    def chosen(self, places: Sequence[int]) -> "Labelled":
        """The texts at these places."""
        return Labelled([self.texts[i] for i in places], [self.labels[i] for i in places])


def _by_value(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (-1, name)


def read_labelled(file: Path | str) -> Labelled:
    """The texts and labels of a file, which may be compressed (.gz, .zst), or of a folder.

    .jsonl and .json: records {"text", "label"}, as lines or a list; a label is a text or a whole number.
    .csv: columns "text" and "label", named in the first line. Any other file: a line "label<TAB>text" for
    each text, whose quotes are part of it; or with such names in the first line, columns as in a CSV. A
    folder: one folder for each label, with a .txt file for each text; IMDB's "unsup" has none and is passed
    over. Texts of white space alone are left out and counted. UserError, with the number of the line or
    record, for what has another form.
    """
    file = Path(file)
    if not file.exists():
        raise UserError(f"There is no {file}. Give a file or a folder of labelled texts.")
    texts: list[str] = []
    labels: list[str] = []
    empty = 0
    for where, text, label in _records_of(file):
        if not label.strip():
            raise UserError(f"{where} has an empty label. Give it one, or take it out.")
        if text.strip():
            texts.append(text)
            labels.append(label.strip())
        else:
            empty += 1
    if not texts:
        raise UserError(f"{file} holds no text with a label. Give one for each record.")
    return Labelled(texts, labels, empty)


def _records_of(file: Path) -> Iterator[tuple[str, str, str]]:
    """Where each record stands, its text and its label."""
    if file.is_dir():
        return _from_folder(file)
    if kind_of(file) in (".jsonl", ".json"):
        return _from_json(file)
    with readable(file), opened(file) as (stream, _):
        content = decode_text(stream.read(), str(file))
    if kind_of(file) == ".csv":
        return _from_columns(content, file, ",")
    first = content.split("\n", 1)[0]
    if {TEXT, LABEL} <= {name.strip('"').lower() for name in first.split("\t")}:
        return _from_columns(content, file, "\t")
    return _from_lines(content, file)


def _from_lines(content: str, file: Path) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(content.split("\n"), 1):
        label, tab, text = line.partition("\t")
        if tab:
            yield f"Line {number} of {file}", text, label
        elif line.strip():
            raise UserError(
                f"Line {number} of {file} has no tab: {line[:40]!r}. Write label, tab, text; or give a .csv "
                f"or .jsonl file."
            )


def _from_columns(content: str, file: Path, delimiter: str) -> Iterator[tuple[str, str, str]]:
    # Strict: a quote that is not closed would otherwise swallow the rest of the file as one text.
    rows = csv.reader(io.StringIO(content), delimiter=delimiter, strict=True)
    places: dict[str, int] = {}
    width = 0
    before = csv.field_size_limit(len(content) + 1)  # a text may be longer than csv's 128 KB
    try:
        for row in rows:
            where = f"Line {rows.line_num} of {file}"
            if not row:
                continue  # an empty line is no record
            if not places:
                places, width = _columns(row, file), len(row)
                continue
            if len(row) != width:
                raise UserError(
                    f"{where} has {len(row)} columns, but the first line names {width}. Put a text with "
                    f"{'a tab' if delimiter != ',' else 'commas'} in it into double quotes."
                )
            yield where, row[places[TEXT]], row[places[LABEL]]
    except csv.Error as error:
        raise UserError(
            f"Line {rows.line_num} of {file} is no proper CSV: {error}. Write a quote within a text twice."
        ) from None
    finally:
        csv.field_size_limit(before)


def _columns(row: list[str], file: Path) -> dict[str, int]:
    names = [name.strip().lower() for name in row]
    for name in (TEXT, LABEL):
        if name not in names:
            raise UserError(
                f"The first line of {file} names no column {name!r}, but {', '.join(names)[:80]}."
                f"{did_you_mean(name, names)} Name the columns with the texts and labels {TEXT} and {LABEL}."
            )
    return {name: names.index(name) for name in (TEXT, LABEL)}


def _from_json(file: Path) -> Iterator[tuple[str, str, str]]:
    for where, record in json_records(file):
        where = f"{where} of {file}"
        if not isinstance(record, dict):
            raise UserError(f"{where} is no JSON object: {str(record)[:40]!r}. Give one for each record.")
        for field in (TEXT, LABEL):
            if field not in record:
                raise UserError(
                    f'{where} has no field "{field}"; its fields are {", ".join(record) or "none"}.'
                    f"{did_you_mean(field, record)} Give it one, or take the record out."
                )
        text, label = record[TEXT], record[LABEL]
        if not isinstance(text, str):
            raise UserError(f'{where} has no text in its field "{TEXT}" but {_shown(text)}. Mend it.')
        if not isinstance(label, str | int):
            raise UserError(
                f'{where} has in its field "{LABEL}" {_shown(label)}, which is neither a text nor a whole '
                f"number. Mend it."
            )
        yield where, text, str(label)


def _shown(value: Any) -> str:
    return repr(value)[:40]


def _from_folder(folder: Path) -> Iterator[tuple[str, str, str]]:
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != UNLABELLED)
    found = {path.name: sorted(path.glob("*.txt")) for path in inside}
    if not any(found.values()):
        named = ", ".join(found) or "no folders"
        raise UserError(
            f"{folder} holds {named}, without .txt files in them. Give a folder that has one folder for each "
            f"label, such as pos and neg."
        )
    for label, files in found.items():
        for file in files:
            with readable(file):
                yield str(file), decode_text(file.read_bytes(), str(file)), label
