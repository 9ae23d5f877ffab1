"""The forms in which the sources keep their texts, read on our own files and on real ones."""

import gzip
import re
from pathlib import Path

import pytest

from groundup.data.piece import Piece, Report, read_pieces
from groundup.data.split import split_pieces
from groundup.datasets import _wikitext, find_dataset, gutenberg, tinystories
from groundup.datasets._remote import parquet_file, read_sample
from groundup.errors import UserError

STORY = "The clock in the hall had stopped. Nobody minded, for the kettle kept the time.\n"


def rows_of(text: str) -> list[str]:
    """The lines of an original WikiText file as the hub's Parquet files hold them: empty ones as ""."""
    return [line if line.strip() else "" for line in text.splitlines(keepends=True)]


def read_articles(folder: Path, *files: list[str], start: int = 0) -> list[str]:
    paths = []
    for number, rows in enumerate(files):
        paths.append(folder / f"{number}.parquet")
        paths[-1].write_bytes(parquet_file(rows))
    return [record.text or "" for record in _wikitext.articles(paths, start)]


@pytest.mark.parametrize(
    "before, after",
    [
        (
            "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
            "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n",
        ),
        ("***START OF THE PROJECT GUTENBERG EBOOK X***\n", "***END OF THE PROJECT GUTENBERG EBOOK X***\n"),
        (
            "*** START OF THIS PROJECT GUTENBERG EBOOK A LONG\nTITLE ***\n",
            "End of the Project Gutenberg EBook of X\n\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\n",
        ),
    ],
)
def test_what_stands_around_a_book_goes_in_all_its_forms(before, after):
    whole = f"\ufeffHeader of the project\n{before}\n\n{STORY}*** A star in the text\n\n{after}The licence\n"
    for content in (whole, whole.replace("\n", "\r\n")):
        [text] = read_sample("pg1.txt", content.encode(), gutenberg.book)
        assert text == STORY + "*** A star in the text\n"


def test_a_page_instead_of_a_book_is_refused():
    with pytest.raises(UserError, match="it is no book: there is no line .*START OF THE PROJECT"):
        read_sample("pg1.txt", b"<html>Access denied</html>", gutenberg.book)
    with pytest.raises(UserError, match="there is no line .*END OF THE PROJECT"):
        read_sample("pg1.txt", gutenberg.SAMPLE.split("*** END")[0].encode(), gutenberg.book)


TALE = "It rained, and the mill stood still. " * 30


@pytest.mark.parametrize(
    "heading",
    [
        "CHAPTER I. Down the Hole",
        "Chapter 12",
        "  CHAPTER IV.\nThe Rabbit",
        "VOLUME II",
        "Fit the Second.\nTHE BELLMAN",
        "KNOT III.",
        "ACT I\n\nSCENE II. A hall in the castle.",
        "Scene VII. The same.",
        "ADVENTURE III. A CASE",
        "THE ADVENTURE OF THE EMPTY HOUSE",
        "II. THE RED-HEADED LEAGUE",
        "Letter 4",
    ],
)
def test_a_book_is_cut_before_each_heading(heading):
    text = f"A TITLE\n\n{heading}\n\n{TALE}\n\n{heading}\n\n{TALE}\n"
    first, second = gutenberg.chapters(text)
    assert first + second == text
    assert first.startswith("A TITLE") and second.startswith(heading)


@pytest.mark.parametrize(
    "line",
    [
        "CHAPTER I.     Down the Rabbit-Hole\n CHAPTER II.    The Pool of Tears",
        "Part of her meaning was to conceal some thoughts of her own.",
        "I. The first of them was small",
        "II.",
        "Fit for the deed I had to do.",
        "Scene of the crime",
        "A chapter 3 of sorts",
        "Chapter 5 was the one in which, as everybody who had read it before him agreed, nothing happened",
    ],
)
def test_lines_that_are_no_headings_cut_nothing(line):
    for text in (f"{TALE}\n\n{line}\n\n{TALE}\n", f"{TALE}\n{line}\n{TALE}\n"):
        contents = line.startswith("CHAPTER I. ")
        assert gutenberg.chapters(text) == [text] or (contents and len(gutenberg.chapters(text)) == 2)


def test_a_line_of_the_contents_and_a_very_short_chapter_are_no_documents():
    contents = "".join(f"CHAPTER {n}.\n\n" for n in range(1, 4))
    tales = enumerate((TALE, "Brief.", TALE, "End."), 1)
    text = contents + "".join(f"CHAPTER {n}.\n\n{tale}\n\n" for n, tale in tales)
    found = gutenberg.chapters(text)
    assert "".join(found) == text
    assert [re.findall(r"CHAPTER (\d)", chapter) for chapter in found] == [list("1231"), list("23"), ["4"]]


@pytest.mark.parametrize(
    "name, chapters",
    [
        ("austen_emma", 55),
        ("austen_pride-and-prejudice", 61),
        ("austen_sense-and-sensibility", 50),
        ("carroll_alice-s-adventures-in-wonderland", 12),
        ("carroll_through-the-looking-glass", 10),  # the last three of its twelve have a page together
        ("doyle_the-adventures-of-sherlock-holmes", 12),
        ("doyle_the-hound-of-the-baskervilles", 15),
        ("doyle_the-return-of-sherlock-holmes", 13),
    ],
)
def test_real_books_have_as_many_documents_as_chapters(shared_data, name, chapters):
    """The oracle is the books' own contents."""
    text = gzip.decompress((shared_data / "books" / f"{name}.txt.gz").read_bytes()).decode()
    found = gutenberg.chapters(text)
    assert len(found) == chapters
    assert "".join(found) == text


def test_chapters_that_are_held_back_are_whole(web):
    chapters = [f"CHAPTER {n}.\n\n{n} {TALE}\n" for n in range(1, 31)]
    head, tail = gutenberg.SAMPLE.replace("\r\n", "\n").split("A WALK TO THE MILL\n\n\nCHAPTER I.")
    web.add(
        "/cache/epub/12/pg12.txt", (head + "\n".join(chapters) + tail[tail.index("\n*** END") :]).encode()
    )
    parts = split_pieces(find_dataset("gutenberg:12").pieces("train", 0), by="hash", validation=0.2)
    train, held_back = ([text.strip() for text in each] for each in (parts.train(), parts.validation()))
    assert sorted(train + held_back) == sorted(chapter.strip() for chapter in chapters)
    assert 1 <= len(held_back) <= 12


def test_stories_are_the_same_wherever_the_file_is_cut_for_reading(tmp_path, monkeypatch):
    file = tmp_path / "stories.txt"
    border = "\n<|endoftext|>\n"
    file.write_text(f"\nFirst é story{border}Second\n\nparagraph{border}Third", encoding="utf-8")
    expected = ["First é story", "Second\n\nparagraph", "Third"]
    for size in (1, 2, 3, 7, 13, 1000):
        monkeypatch.setattr(tinystories, "CHUNK", size)
        for start in range(4):
            assert [record.text for record in tinystories.stories(file, start)] == expected[start:]


def test_a_story_that_is_no_utf8_is_counted_and_the_others_are_read(tmp_path):
    file = tmp_path / "stories.txt"
    file.write_bytes(b"\xff\xfe broken<|endoftext|>" + b"Good.<|endoftext|>" * 200)
    report = Report()
    read = list(read_pieces([Piece("stories", lambda start: tinystories.stories(file, start))], report))
    assert read == ["Good."] * 200
    assert report.unreadable == 1 and "story 1: it is not UTF-8 at its byte 0" in report.first_problem


def test_an_article_may_run_over_from_one_file_into_the_next(tmp_path):
    rows = rows_of(_wikitext.SAMPLE)
    whole = read_articles(tmp_path, rows)
    assert len(whole) == 2
    for cut in range(len(rows) + 1):
        assert read_articles(tmp_path, rows[:cut], rows[cut:]) == whole
        assert read_articles(tmp_path, rows[:cut], rows[cut:], start=1) == whole[1:]


def test_the_two_files_of_wikitext_103_are_one_piece_with_one_progress(hub):
    rows = rows_of(_wikitext.SAMPLE)
    contents = [parquet_file(rows[:5]), parquet_file(rows[5:])]
    names = [f"wikitext-103-raw-v1/train-0000{number}-of-00002.parquet" for number in (0, 1)]
    hub.add(_wikitext.REPOSITORY, _wikitext.COMMIT, dict(zip(names, contents, strict=True)))
    [piece] = find_dataset("wikitext-103").pieces("train", 0)
    assert piece.size == sum(map(len, contents)) and piece.fetch
    told: list[tuple[int, int]] = []
    piece.fetch(lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1] == (piece.size, piece.size)
    assert "".join(record.text or "" for record in piece.records(0)) == _wikitext.SAMPLE


@pytest.mark.parametrize("name", ["test", "valid"])
def test_wikitext_2_has_60_articles_that_together_are_its_text(shared_data, tmp_path, name):
    """60 is the number of the paper's table 1; two lines of formulas in "test" look like headings."""
    text = gzip.decompress((shared_data / "wikitext-2" / f"{name}.txt.gz").read_bytes()).decode()
    found = read_articles(tmp_path, rows_of(text))
    assert len(found) == 60
    assert "".join(found) == text
    assert read_articles(tmp_path, rows_of(text), start=57) == found[57:]


def test_the_real_pieces_of_tinystories_are_read_story_by_story(shared_data):
    file = shared_data / "tinystories" / "tinystories_train.txt.gz"
    stories = gzip.decompress(file.read_bytes()).decode().split("<|endoftext|>")
    expected = [story.strip() for story in stories if story.strip()]
    assert [record.text for record in tinystories.stories(file, 0) if record.text] == expected
    assert len(expected) > 500
