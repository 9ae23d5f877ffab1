"""Cut a corpus into training and validation documents, in the same way on every machine."""

import hashlib
import itertools
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundup.data.corpus import corpus_files, corpus_pieces
from groundup.data.piece import Piece, Report, note, read_piece, read_pieces
from groundup.errors import UserError, did_you_mean

WAYS = ("hash", "position", "files")
FEW = 200  # documents; below this a hash would miss the wanted share by far, so the text itself is cut
HELD_OUT = {"val", "valid", "validation", "dev"}  # a word of a file's name that says what it is for
WORD = 100  # characters; a shorter text without white space is one word, a longer one is a script without it

_CLOSING = "[\"'”’»)\\]」』）】》〕]*+"
# Stops of scripts that need no space after them, and of the others where they cannot be a decimal point.
_SENTENCE = f"[。！？．｡…।॥؟۔።။។།]++{_CLOSING}\\s*|[.!?]++{_CLOSING}(?:\\s+|(?=[^\\x00-\\x7f]))"
BORDERS = (("\n\\s*\n", 2000), ("\n", 1000), (_SENTENCE, 500), ("\\s", 1000))
"""Where a text may be cut, best first, and how many characters away from the wanted place."""


@dataclass(frozen=True)
class Parts:
    """Which part ("train" or "validation") each document of a corpus belongs to: a rule, used while reading.

    `rule(piece, number, text)` gives the parts of one document, mostly a single one: [(part, text)]; piece
    and number count the pieces of the corpus and its documents. `known(piece)` is the part of a whole piece
    where that is known without reading it, so that a piece nobody wants is not fetched.
    """

    by: str
    pieces: list[Piece]
    rule: Callable[[int, int, str], list[tuple[str, str]]]
    known: Callable[[int], str | None] = lambda piece: None

    def documents(self, part: str, report: Report | None = None) -> Iterator[str]:
        """The documents of one part, from the beginning."""
        for _, parts in read(self, Place(), {part}, Report() if report is None else report):
            yield from (text for name, text in parts if name == part)

    def train(self) -> Iterator[str]:
        """The documents to learn from."""
        return self.documents("train")

    def validation(self) -> Iterator[str]:
        """The documents that are held out."""
        return self.documents("validation")


@dataclass
class Place:
    """A place in a corpus from which reading can go on."""

    piece: int = 0
    record: int = 0  # of the piece: the next one to be read
    document: int = 0  # of the corpus
    unreadable: int = 0  # of the piece's records before this place
    share: float = 0.0  # of the piece's bytes


def read(
    parts: Parts, place: Place, wanted: set[str], report: Report
) -> Iterator[tuple[Place, list[tuple[str, str]]]]:
    """The records from a place on, each as the place after it and what it gives: (part, text), perhaps none.

    Pieces of which nothing is `wanted` are passed over, or left; the set may shrink while this runs.
    """
    for number in range(place.piece, len(parts.pieces)):
        if number != place.piece:
            place = Place(piece=number, document=place.document)
        if parts.known(number) is not None and parts.known(number) not in wanted:
            continue
        piece = parts.pieces[number]
        for record, after, unreadable in read_piece(piece, report, place.record, place.unreadable):
            if parts.known(number) is not None and parts.known(number) not in wanted:
                break
            text = note(record, piece, report)
            document = place.document + (text is not None)
            found = [] if text is None else parts.rule(number, place.document, text)
            place = Place(number, after, document, unreadable, record.share)
            yield place, found


def split_corpus(
    path: Path | str, *, by: str | None = None, validation: float = 0.1, field: str = "text"
) -> Parts:
    """Split a file or folder of documents. "files" keeps files whole; the other ways see documents only."""
    pieces = corpus_pieces(path, field=field)
    if by != "files":
        return split_pieces(pieces, by=by, validation=validation)
    _check_share(validation)
    held_out = {str(file) for file in _validation_files(Path(path), validation)}
    return by_piece(by, pieces, ["validation" if piece.name in held_out else "train" for piece in pieces])


def by_piece(by: str, pieces: list[Piece], part_of: Sequence[str]) -> Parts:
    """Parts of which each piece as a whole belongs to one: by files, or as a dataset is split officially."""
    return Parts(by, pieces, lambda piece, number, text: [(part_of[piece], text)], part_of.__getitem__)


def split_pieces(pieces: list[Piece], *, by: str | None = None, validation: float = 0.1) -> Parts:
    """Split a corpus document by document; `validation` is the wanted share of it.

    "hash" asks each document's own sha256, so equal documents are on the same side, and a document stays
    where it is when others are added. "position" takes the end of the text and cuts at a border of paragraphs
    or lines, else of sentences. By default "hash", but "position" where there are fewer than 200 documents.
    UserError if one part would be left without text.
    """
    _check_share(validation)
    if by is None:
        by = "position" if sum(1 for _ in itertools.islice(read_pieces(pieces), FEW)) < FEW else "hash"
    if by == "hash":
        _check_both_parts(pieces, validation)
        sides = ("train", "validation")
        return Parts(by, pieces, lambda _, number, text: [(sides[in_validation(text, validation)], text)])
    if by == "position":
        return Parts(by, pieces, _by_position(*_place(pieces, 1 - validation)))
    if by == "files":
        raise UserError('A split by "files" needs a folder of files. Choose "hash" or "position".')
    raise UserError(f"There is no split by {by!r}.{did_you_mean(by, WAYS)} Known: {', '.join(WAYS)}.")


def in_validation(text: str, share: float) -> bool:
    """Whether a document is held out: its sha256, read as a number from 0 to 1, is below the share."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def cut_near(text: str, position: int, *, first: bool = True, last: bool = True) -> int | None:
    """The border nearest to `position`: after a paragraph, else a line, a sentence or a word (see BORDERS).

    A long text that has none of them near is cut between two characters; None where a text is but one word.
    The text's own start and end count as well, but not the start of the `first` document nor the end of the
    `last`, where nothing would be left for one of the parts.
    """
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())  # white space alone is no part
    own = [place for place, excluded in ((0, first), (len(text), last)) if not excluded]
    for border, reach in BORDERS:
        around = re.compile(border).finditer(text, max(0, position - reach), position + reach)
        inside = [found.end() for found in around if begin < found.end() < end]
        near = [place for place in inside + own if abs(place - position) <= reach]
        if near:
            return min(near, key=lambda place: (abs(place - position), place))
    places = range(begin + 1, end) if end - begin > WORD else range(0)
    between = (place for place in places if not _is_inside_a_character(text, place))
    return min(between, key=lambda place: (abs(place - position), place), default=None)


def _is_inside_a_character(text: str, place: int) -> bool:
    """Whether what follows `place` changes the sign before it: an accent, a skin colour, half a flag."""
    before, after = text[place - 1], text[place]
    joined = unicodedata.category(after).startswith("M") or "\u200d" in (before, after)
    coloured = "\U0001f3fb" <= after <= "\U0001f3ff"
    flag = all("\U0001f1e6" <= half <= "\U0001f1ff" for half in (before, after))
    syllable = "\u1160" <= after <= "\u11ff"  # the vowels and end consonants of Korean syllables in parts
    return joined or coloured or flag or syllable


def _check_both_parts(pieces: list[Piece], share: float) -> None:
    """UserError if one part got no document. It reads no further than to the first of each part."""
    found = set()
    for text in read_pieces(pieces):
        found.add(in_validation(text, share))
        if len(found) == 2:
            return
    part = "training" if True in found else "validation"
    raise UserError(
        f"The split by hash leaves no document for {part}: there are too few for a share of {share}. "
        'Split by "position", or change the share.'
    )


def _place(pieces: list[Piece], share: float) -> tuple[int, int]:
    """Where `share` of the characters are read: the number of that document, and the place in it to cut."""
    lengths = array("q", (len(text) for text in read_pieces(pieces)))
    left = min(round(sum(lengths) * share), sum(lengths) - 1)
    for which, length in enumerate(lengths):
        if left < length:
            text = next(itertools.islice(read_pieces(pieces), which, None))
            where = cut_near(text, left, first=which == 0, last=which == len(lengths) - 1)
            if where is not None:
                return which, where
            break
        left -= length
    raise UserError(
        f"The text is too short to be split: it is one word of {sum(lengths)} characters. Give more text."
    )


def _by_position(which: int, where: int) -> Callable[[int, int, str], list[tuple[str, str]]]:
    """The rule that cuts document number `which` at `where`: what is before is for training."""

    def rule(piece: int, number: int, text: str) -> list[tuple[str, str]]:
        if number != which:
            return [("train" if number < which else "validation", text)]
        both = (("train", text[:where]), ("validation", text[where:]))
        return [(part, half) for part, half in both if half.strip()]

    return rule


def _validation_files(path: Path, share: float) -> list[Path]:
    """The files named val, valid, validation or dev; if there is none, a share, by their names' hash."""
    files = corpus_files(path)
    if len(files) < 2:
        raise UserError(f'A split by "files" needs two or more; {path} has {len(files)}. Choose "position".')
    names = {file: file.relative_to(path).as_posix().lower() for file in files}
    named = [file for file in files if HELD_OUT & set(re.split(r"[^a-z]+", names[file]))]
    if named and len(named) < len(files):
        return named
    raw = {file: name.encode("utf-8", "surrogateescape") for file, name in names.items()}
    by_hash = sorted(files, key=lambda file: hashlib.sha256(raw[file]).digest())
    chosen = by_hash[: min(len(files) - 1, max(1, round(share * len(files))))]
    return [file for file in files if file in chosen]


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise UserError(
            f"{share} is no share for validation; expected a number between 0 and 1. Usual is 0.1."
        )
