import gzip
import json
import os
import re

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from groundup.data.corpus import (
    corpus_files,
    corpus_fingerprint,
    read_documents,
)
from groundup.data.piece import Report
from groundup.errors import UserError


def lines(*records) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def examine(path) -> Report:
    """What is met while reading a whole corpus."""
    report = Report()
    list(read_documents(path, report))
    return report


def zstd(data: bytes) -> bytes:
    return arrow.compress(data, codec="zstd", asbytes=True)


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.txt", b"One.\nTwo.\n"),
        ("notes.md", b"One.\nTwo.\n"),
        ("book", b"One.\nTwo.\n"),
        ("a.TXT", b"One.\nTwo.\n"),
        ("a.txt", b"\xef\xbb\xbfOne.\nTwo.\n"),
        ("a.txt", b"One.\r\nTwo.\r\n"),
        ("a.txt.gz", gzip.compress(b"One.\nTwo.\n")),
        ("a.txt.gz", gzip.compress(b"One.\n") + gzip.compress(b"Two.\n")),
        ("a.txt.zst", zstd(b"One.\nTwo.\n")),
        ("a.jsonl", lines({"text": "One.\nTwo.\n"})),
        ("a.jsonl", b"\xef\xbb\xbf\n" + lines({"id": 1, "text": "One.\nTwo.\n"}) + b"\n\n"),
        ("a.jsonl.gz", gzip.compress(lines({"text": "One.\nTwo.\n"}))),
        ("a.jsonl.zst", zstd(lines({"text": "One.\nTwo.\n"}))),
    ],
)
def test_every_accepted_form_of_a_file_gives_the_same_document(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert list(read_documents(tmp_path / name)) == ["One.\nTwo.\n"]
    assert examine(tmp_path / name).bytes == 10


def test_a_parquet_file_gives_a_document_for_each_row(tmp_path):
    texts = [f"Text {i} é" for i in range(3000)]  # more than are read at once
    parquet.write_table(arrow.table({"id": range(3000), "text": texts}), tmp_path / "a.parquet")
    assert list(read_documents(tmp_path / "a.parquet")) == texts


def test_a_folder_is_read_in_the_order_of_the_names_and_hidden_files_are_left_out(tmp_path):
    for name, content in {
        "b.txt": b"third",
        "a/z.jsonl": lines({"text": "first"}, {"text": "second"}),
        ".hidden.txt": b"hidden",
        ".cache/x.txt": b"hidden",
        "picture.png": b"\x89PNG\0",
        "empty.txt": b" \n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert list(read_documents(tmp_path)) == ["first", "second", "third"]
    assert examine(tmp_path) == Report(documents=3, bytes=5 + 6 + 5, empty=1)
    assert [file.name for file in corpus_files(tmp_path)] == ["z.jsonl", "b.txt", "empty.txt"]


def test_text_that_looks_like_a_border_stays_in_its_document(tmp_path):
    (tmp_path / "a.txt").write_text("One.<|endoftext|>Two.", "utf-8")
    assert list(read_documents(tmp_path)) == ["One.<|endoftext|>Two."]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", b"", "is empty.*Give a file or folder with text"),
        ("a.txt", b" \n\n", "is empty"),
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", lines({"text": ""}), "is empty"),
        ("a.txt", b"Some text\0 and more", "no text: there is a zero byte at offset 9"),
        ("a.txt", "Täglich".encode("utf-16"), "is UTF-16.*iconv -f UTF-16 -t UTF-8"),
        ("a.txt", "Täglich".encode("utf-32"), "is UTF-32"),
        ("a.jsonl", '{"text": "a"}'.encode("utf-16"), "is UTF-16"),
        ("a.txt", b"na\xefve\nand so\xe9", r"byte 0xef at offset 2, line 1 \(2 such.*iconv -f WINDOWS-1252"),
        (
            "a.txt",
            "café\ncaf".encode() + b"\xe9",
            r"mixes encodings.*0xe9 at offset 9, line 2 \(1 such.*iconv -c",
        ),
        ("a.txt", b"\xef\xbb\xbfab\xff", "mixes encodings.*offset 5"),
        ("a.txt", bytes(range(1, 256)) * 3, "is no text: byte 0x80 at offset 127"),
        ("a.txt.gz", b"no gzip", "damaged or no gzip"),
        ("a.txt.gz", gzip.compress(b"abc" * 999)[:-9], "damaged or no gzip"),
        ("a.txt.zst", b"no zstd", "could not be read"),
        ("a.parquet", b"no parquet", "no proper Parquet"),
        ("a.jsonl", lines({"content": "a", "id": 1}), 'no field "text".*content, id'),
        ("a.jsonl", lines({"text": 5}), '1 of 1 records.*100%.*line 1: it has no text in a field "text"'),
        ("a.jsonl", lines({"text": "a"}, "b"), "1 of 2 records.*50%.*line 2"),
        ("a.jsonl", lines({"text": "a"}) + b"{oops\n", "line 2: it is no JSON"),
        ("a.jsonl", lines({"text": "a"}) + b'{"text": "\xff"}\n', "line 2: it is not UTF-8"),
        ("a.jsonl", lines({"text": "a"}) + b'{"text": "\\ud800"}\n', "half a character"),
        ("a.csv", b"text\na\n", "no plain text. Expected .txt, .jsonl or .parquet"),
        ("a.pdf", b"%PDF", "no plain text"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_with_the_place_and_a_remedy(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        list(read_documents(tmp_path / name))
    assert re.search(message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def test_a_parquet_file_without_a_text_column_names_the_columns(tmp_path):
    parquet.write_table(arrow.table({"content": ["a"], "id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match='no field "text".*content, id'):
        list(read_documents(tmp_path))


def test_up_to_one_percent_of_records_that_are_no_text_are_counted(tmp_path):
    good = lines({"text": "a"}) * 99
    (tmp_path / "a.jsonl").write_bytes(good + lines({"id": 7}))
    report = examine(tmp_path)
    assert (report.documents, report.unreadable) == (99, 1)
    assert report.first_problem.endswith('a.jsonl, line 100: it has no text in a field "text"')
    (tmp_path / "a.jsonl").write_bytes(good + lines({"id": 7}, {"id": 8}))
    with pytest.raises(UserError, match="2 of 101 records"):
        examine(tmp_path)


def test_a_missing_file_names_the_nearest_one_before_anything_is_read(tmp_path):
    (tmp_path / "my_book.txt").write_text("text", "utf-8")
    with pytest.raises(UserError, match="Did you mean 'my_book.txt'"):
        read_documents(tmp_path / "my_bok.txt")
    with pytest.raises(UserError, match="There is no file or folder"):
        read_documents(tmp_path / "nowhere" / "a.txt")
    with pytest.raises(UserError, match="There is no file or folder"):
        read_documents(tmp_path / ("n" * 300))  # a name that no file can have


def test_a_folder_without_a_readable_file_says_what_it_holds(tmp_path):
    with pytest.raises(UserError, match="holds nothing; expected .txt"):
        read_documents(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\0")
    with pytest.raises(UserError, match="holds only .png"):
        read_documents(tmp_path)


def test_the_fingerprint_changes_with_contents_and_names_and_not_with_the_place(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "a.txt").write_text("text", "utf-8")
    assert corpus_fingerprint(one) == corpus_fingerprint(other)
    (other / "a.txt").write_text("texts", "utf-8")
    assert corpus_fingerprint(one) != corpus_fingerprint(other)
    (other / "a.txt").write_text("text", "utf-8")
    (other / "a.txt").rename(other / "b.txt")
    assert corpus_fingerprint(one) != corpus_fingerprint(other)


def test_a_link_to_a_folder_is_followed_and_one_that_leads_in_a_circle_only_once(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.txt").write_text("Behind a link.", encoding="utf-8")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("In the folder.", encoding="utf-8")
    (tmp_path / "texts" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "texts" / "circle").symlink_to(tmp_path / "texts")
    assert list(read_documents(tmp_path / "texts")) == ["In the folder.", "Behind a link."]


def test_a_name_that_is_no_utf8_is_a_name_like_any_other(tmp_path):
    name = os.fsencode(tmp_path) + b"/bad\xff.txt"
    try:
        with open(name, "wb") as file:
            file.write(b"A text.")
    except OSError:
        pytest.skip("this file system knows names in UTF-8 only")
    one = corpus_fingerprint(tmp_path)
    os.rename(name, os.fsencode(tmp_path) + b"/bad\xfe.txt")
    assert corpus_fingerprint(tmp_path) != one
    assert list(read_documents(tmp_path)) == ["A text."]


def test_a_pipe_is_told_from_a_file_that_is_missing(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UserError, match="pipe, no file"):
        corpus_files(tmp_path / "pipe.txt")


@pytest.mark.parametrize("name", ["a.txt", "inner"])
def test_what_may_not_be_read_is_one_line_and_not_left_out(tmp_path, name):
    (tmp_path / "inner").mkdir()
    for file in (tmp_path / "a.txt", tmp_path / "inner" / "b.txt"):
        file.write_text("A text.", encoding="utf-8")
    (tmp_path / name).chmod(0)
    if os.access(tmp_path / name, os.R_OK):
        pytest.skip("the administrator may read everything")
    try:
        with pytest.raises(UserError, match=f"{name} .*ermission"):
            corpus_fingerprint(tmp_path)
    finally:
        (tmp_path / name).chmod(0o755)
