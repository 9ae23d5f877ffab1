"""Books of Project Gutenberg in chapters, by number or by author: gutenberg:11,12 or gutenberg:austen."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from groundup.data.dataset import Dataset
from groundup.data.decoding import decode_text
from groundup.data.piece import Piece, Record
from groundup.datasets._remote import read_sample, web_piece
from groundup.errors import UserError, did_you_mean

# The project asks programs to leave its own pages to people and to use its mirrors, two seconds between
# requests (www.gutenberg.org/policy/robot_access.html). This mirror is the foundation's own.
MIRROR = "https://gutenberg.pglaf.org"
PAUSE = 2.0

AUTHORS = {
    "austen": (105, 121, 141, 158, 161, 1342),
    "carroll": (11, 12, 13, 620, 29042),
    "doyle": (108, 244, 834, 1661, 2097, 2852),
    "shakespeare": (100,),
}
"""Persuasion, Northanger Abbey, Mansfield Park, Emma, Sense and Sensibility, Pride and Prejudice; Alice, the
Looking-Glass, the Snark, Sylvie and Bruno, A Tangled Tale; Holmes's Return, Study in Scarlet, Memoirs,
Adventures, Sign of Four, Hound of the Baskervilles; the Complete Works."""

# The lines around a book. Old files say THIS, or leave out the space; a title may fill two lines.
START = re.compile(r"^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG[^*]{1,400}\*\*\*[ ]*$", re.MULTILINE)
END = re.compile(
    r"^(?:End of (?:the )?Project Gutenberg.*\s+)?\*\*\* ?END OF TH(?:E|IS) PROJECT", re.MULTILINE
)

# A chapter begins with a line of its own after an empty one: "CHAPTER IV. The Rabbit", "Fit the Second",
# "Scene II. A hall", "THE ADVENTURE OF THE EMPTY HOUSE", or a Roman number with a title in capitals.
HEADING = re.compile(
    r"""(?:\A|(?<=\n\n))[ ]*
    (?: (?:chapter|book|volume|part|letter|stave|knot|act|scene|adventure)[ ]+(?:[ivxlc]+|[0-9]+)\b
      | fit[ ]+the[ ]+\w+ | the[ ]+adventure[ ]+of\b | (?-i:[IVXLC]+\.[ ]+[A-Z][^a-z\n]{3,}$)
    )[^\n]{0,70}$""",
    re.MULTILINE | re.VERBOSE | re.IGNORECASE,
)
SHORTEST = 1000
"""Characters of a chapter. What is shorter, such as a title page or a line of the contents, is none."""

SAMPLE = """\
\ufeffThe Project Gutenberg eBook of A Walk to the Mill

This header tells of the licence and of who may use the book.

Title: A Walk to the Mill

*** START OF THE PROJECT GUTENBERG EBOOK A WALK TO THE MILL ***




A WALK TO THE MILL


CHAPTER I.

The road to the mill had never been a straight one, and on that morning,
as Miss Pell remarked, it was not even a road.


THE END

*** END OF THE PROJECT GUTENBERG EBOOK A WALK TO THE MILL ***

Here follows the licence in full.
""".replace("\n", "\r\n")


def book(file: Path, start: int) -> Iterator[Record]:
    """The chapters of a file, without what Project Gutenberg puts before and after its text.

    Together they are the text. A book in which no chapters are found is one document.
    """
    text = decode_text(file.read_bytes(), str(file))
    first = START.search(text)
    last = END.search(text, first.end()) if first else None
    if first is None or last is None:
        missing = "START" if first is None else "END"
        problem = f'it is no book: there is no line "*** {missing} OF THE PROJECT GUTENBERG"'
        found = [Record(None, problem, 1.0)]
    else:
        text = text[first.end() : last.start()].strip() + "\n"
        found, done = [], 0
        for chapter in chapters(text):
            done += len(chapter)
            found.append(Record(chapter, share=done / len(text)))
    yield from found[start:]


def chapters(text: str) -> list[str]:
    """A book cut before each heading; what is too short for a chapter goes with what follows it."""
    cuts, before = [0], 0
    for found in HEADING.finditer(text):
        if len(text[before : found.start()].strip()) >= SHORTEST:
            cuts.append(found.start())
        before = found.start()
    return [text[cut:end] for cut, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def choose(option: str) -> Dataset:
    """The books of a list of numbers and authors: "11,12", "austen,100". UserError for anything else."""
    numbers: list[int] = []
    for word in option.split(","):
        if word.strip() in AUTHORS:
            numbers += AUTHORS[word.strip()]
        elif re.fullmatch(r"\s*[1-9][0-9]{0,6}\s*", word):
            numbers.append(int(word))
        else:
            hint = did_you_mean(word.strip(), AUTHORS)
            raise UserError(
                f"gutenberg:{option} names no books: {word!r} is neither a number nor a known author.{hint} "
                f"Write gutenberg:11,12 or one of {', '.join(AUTHORS)}."
            )

    def pieces(split: str, seed: int) -> list[Piece]:
        return [
            web_piece(f"{MIRROR}/cache/epub/{n}/pg{n}.txt", f"gutenberg/pg{n}.txt", book, pause=PAUSE)
            for n in dict.fromkeys(numbers)  # each book once
        ]

    return dataclasses.replace(DATASET, name=f"gutenberg:{option}", pieces=pieces)


def sample_file() -> bytes:
    """A short book of our own in the form of the real ones."""
    return SAMPLE.encode()


DATASET = Dataset(
    name="gutenberg",
    about="Chapters of books by number (gutenberg:11,12) or author (austen, carroll, doyle, shakespeare); "
    "alone: Alice.",
    licence="public domain in the USA; elsewhere see the law of your country",
    source="https://www.gutenberg.org, through the foundation's mirror gutenberg.pglaf.org",
    pieces=lambda split, seed: choose("11").pieces(split, seed),
    splits=("train",),
    sample=lambda: read_sample("pg0.txt", sample_file(), book),
    prompts=("", "Alice was"),
    variant=choose,
)
