"""WikiText: lines of Wikipedia's good articles, put together again into articles."""

import re
from collections.abc import Iterator
from pathlib import Path

from groundup.data.dataset import Dataset
from groundup.data.formats import records
from groundup.data.piece import Piece, Record
from groundup.datasets._remote import HubFiles, joined_piece, parquet_file, read_sample

REPOSITORY, COMMIT = "Salesforce/wikitext", "b08601e04326c79dfdd32d625aee71d232d685c3"
BLANK = " \n"  # an empty line of the original files, which the Parquet files hold as ""
HEADING = re.compile(r" = [^=]+ = \n?")  # " = Title = "; sections have more signs: " = = Section = = "

LINES = """

= Ferry of Lower Aston =

The ferry of Lower Aston is a flat @-@ bottomed boat on a rope . It carries 3 @,@ 200 people a year .

= = History = =

Before the ferry , people waded . Two of them drowned in 1886 .


= Weight of a stone =

The weight of a stone follows from its volume and density :
= 2 @.@ 7 kg =
for one of a litre .

"""
SAMPLE = "".join(f" {line} \n" if line else BLANK for line in LINES.splitlines()[1:])


def articles(files: list[Path], start: int) -> Iterator[Record]:
    """The articles from that number on; together they are the text of the files, byte for byte.

    A heading stands between two empty lines. Without that rule, lines of formulas would begin articles too.
    An article may run over from one file into the next. Where one begins cannot be known without
    reading, so skipping reads all rows, about a second for each million.
    """
    number, lines, share, blank_before = 0, list[str](), 0.0, True
    rows = (
        row._replace(share=(before + row.share) / len(files))
        for before, file in enumerate(files)
        for row in records(file)
    )
    row = next(rows, None)
    while row is not None:
        after = next(rows, None)
        if row.text is None:
            if number >= start:
                yield row
            number += 1
        line = row.text or BLANK
        blank_after = after is None or not (after.text or "").strip()
        if blank_before and blank_after and HEADING.fullmatch(line) and "".join(lines).strip():
            if number >= start:
                yield Record("".join(lines), share=share)
            number, lines = number + 1, []
        lines.append(line)
        blank_before, share, row = not line.strip(), row.share, after
    if number >= start and "".join(lines).strip():
        yield Record("".join(lines), share=1.0)


def sample_file() -> bytes:
    """Two articles as the rows of a file in the hub's form."""
    return parquet_file([line.strip() and line for line in SAMPLE.splitlines(keepends=True)])


def wikitext(name: str, about: str, folder: str) -> Dataset:
    """One of the sizes of WikiText."""

    def pieces(split: str, seed: int) -> list[Piece]:
        return [joined_piece(HubFiles(REPOSITORY, COMMIT, folder, f"{split}-*.parquet"), articles)]

    return Dataset(
        name=name,
        about=about,
        licence="CC BY-SA 3.0 and GFDL (texts of Wikipedia)",
        source=f"https://huggingface.co/datasets/{REPOSITORY} ({folder}), Merity et al., arXiv:1609.07843",
        pieces=pieces,
        splits=("train", "validation", "test"),
        sample=lambda: read_sample(
            "rows.parquet", sample_file(), lambda file, start: articles([file], start)
        ),
        prompts=("", " = History of the bicycle = \n"),
    )
